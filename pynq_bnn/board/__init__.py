"""The accelerator on a PYNQ-Z1 or Z2: its handoff file, the processing system's settings for it, its driver."""
