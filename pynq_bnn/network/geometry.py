"""Sizes of maps along a chain; shared by topology tables, network records and backends."""

from __future__ import annotations

POOLS = (1, 2, 4)
STRIDES = (1, 2)
MAX_KERNEL = 7
MAX_SIDE = 4096
MAX_CHANNELS = 65536
# Values of one map; what a network may ask of a computer that runs it.
MAX_MAP = 1 << 26
# What the weights of a .bnn file take at most; the rest of its 64 MiB is for thresholds and header.
MAX_WEIGHT_BYTES = 60 << 20


def conv_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions of a window along one side: ``floor((size + 2·padding − kernel) / stride) + 1``."""
    return (size + 2 * padding - kernel) // stride + 1


def pooled_size(size: int, pool: int) -> int:
    """Positions of a pool window of stride ``pool``; an odd rest is dropped (floor)."""
    return size // pool
