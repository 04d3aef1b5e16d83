"""The commands of ``pynq-bnn``, called with parsed arguments."""
