"""The accelerator on a PYNQ-Z1 or Z2: its handoff file, its settings in the processing system, its driver."""
