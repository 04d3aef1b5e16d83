"""Shapes of maps, and how layers change them; shared by topology tables and folded layers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from .attributes import OneOf, Range, attribute, check_attributes
from .checks import need

POOLS = (1, 2, 4)
STRIDES = (1, 2)
PAD_VALUES = ("zero", "one")
MAX_KERNEL = 7
MAX_SIDE = 4096
MAX_CHANNELS = 65536
# Maximum number of values of one map, to limit the memory that a network needs.
MAX_MAP = 1 << 26
# Maximum size of the weights in a .bnn file; the rest of its 64 MiB is for thresholds and header.
MAX_WEIGHT_BYTES = 60 << 20

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Map:
    """The input of a layer: integers of shape (height, width, channels).

    bits : 1 if every value is +1 or −1, else 8; largest : the largest possible magnitude.
    """

    shape: Shape
    bits: int = 1
    largest: int = 1

    @property
    def values(self) -> int:
        """The number of values."""
        return prod(self.shape)

    @property
    def signed(self) -> bool:
        """Whether values may be negative; 8-bit values are then −128…127, otherwise 0…255."""
        return self.largest <= 128


def kernel() -> Any:
    return attribute(Range(1, MAX_KERNEL), "side of the square window", 3)


def stride() -> Any:
    return attribute(OneOf(STRIDES), "step of the window, both directions", 1)


def padding() -> Any:
    return attribute(Range(0, MAX_KERNEL - 1), "pixels added on each of the four sides, fewer than the kernel's side",
                     0)


def pool() -> Any:
    return attribute(OneOf(POOLS), "side and stride of the max-pool window, 1 for none", 1)


def pad_value(*fits: str) -> Any:
    fits = fits or PAD_VALUES
    return attribute(OneOf(fits), 'value of a padded tap: `"zero"` adds nothing, `"one"` counts as +1', fits[0])


class Windows:
    """The geometry of a convolution with max-pooling: base of a table's row and of the folded layers.

    Subclasses define kernel, stride, padding, pad_value and pool, and ``outputs`` channels.
    """

    dense = False
    kernel: int
    stride: int
    padding: int
    pad_value: str
    pool: int
    outputs: int

    def check_windows(self) -> None:
        check_attributes(self)
        need(self.padding < self.kernel, f"padding is {self.padding}; 0 to kernel − 1 fit")

    def fan_in_on(self, shape: Shape) -> int:
        """Inputs per sum, on a map of ``shape``."""
        return self.kernel**2 * shape[2]

    def sums_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) of the sums, before pooling."""
        height, width, _ = shape
        return self._positions(height), self._positions(width), self.outputs

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) of the output map; rows and columns that do not fill a pool window are dropped."""
        height, width, channels = self.sums_shape(shape)
        height, width = height // self.pool, width // self.pool
        need(height > 0 and width > 0,
             f"the {self.kernel}×{self.kernel} window or its pool does not fit a map of {shape}")
        return height, width, channels

    def _positions(self, size: int) -> int:
        return max(0, (size + 2 * self.padding - self.kernel) // self.stride + 1)

    def describe(self, shape: Shape) -> str:
        """A few words on a layer that reads a map of ``shape``."""
        words = f"{self.kernel}×{self.kernel}×{shape[2]} stride {self.stride}"
        words += f" pad {self.padding} ({self.pad_value})" if self.padding else ""
        return words + (f" pool {self.pool}" if self.pool > 1 else "")


class Dense:
    """The geometry of a fully connected layer; a map is flattened in the order (y, x, channel)."""

    dense = True
    pool = 1
    outputs: int

    def fan_in_on(self, shape: Shape) -> int:
        """Inputs per sum, on a map of ``shape``."""
        return prod(shape)

    def sums_shape(self, shape: Shape) -> Shape:
        """(1, 1, units)."""
        return 1, 1, self.outputs

    output_shape = sums_shape

    def describe(self, shape: Shape) -> str:
        """A few words on a layer that reads a map of ``shape``."""
        return f"{prod(shape)} inputs"
