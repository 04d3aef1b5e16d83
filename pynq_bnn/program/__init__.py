"""Networks as programs of the accelerator: sizes, registers, stream records, schedule, packed bits."""
