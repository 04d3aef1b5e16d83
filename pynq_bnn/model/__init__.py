"""Models in torch: Brevitas blocks with 1-bit weights and activations, and their full-precision twins."""
