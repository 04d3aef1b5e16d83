"""What each command of ``pynq-bnn`` does with its parsed arguments."""
