"""The layers of a folded network: weight bits and integer thresholds, no trace of torch or hardware.

A bit is 1 for +1 and 0 for −1. With ``acc`` the signed dot product of a window, a hidden layer is

    bit = invert ⊕ OR over the pool window of (acc ≥ threshold)

per output channel; the last layer has no thresholds and its ``acc`` are the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

import numpy as np

from .checks import need
from .geometry import MAX_CHANNELS, MAX_KERNEL, POOLS, STRIDES, conv_size, pooled_size

# Sums must stay exact integers in float32.
ACC_LIMIT = 2**24


@dataclass(frozen=True, eq=False)
class _Conv:
    weights: np.ndarray
    thresholds: np.ndarray
    invert: np.ndarray
    stride: int = 1
    padding: int = 0
    pool: int = 1

    def __post_init__(self) -> None:
        _check_weights(self, 4)
        _check_thresholds(self)
        kernel = self.weights.shape[1]
        need(self.weights.shape[2] == kernel and kernel <= MAX_KERNEL,
             f"kernel {self.weights.shape[1:3]}; squares of side 1 to {MAX_KERNEL} fit")
        need(type(self.stride) is int and self.stride in STRIDES, f"stride {self.stride!r}; one of {STRIDES} fits")
        need(type(self.padding) is int and 0 <= self.padding < kernel,
             f"padding {self.padding!r}; 0 to kernel − 1 fit")
        need(type(self.pool) is int and self.pool in POOLS, f"pool {self.pool!r}; one of {POOLS} fits")

    @property
    def channels_out(self) -> int:
        return self.weights.shape[0]

    @property
    def kernel(self) -> int:
        return self.weights.shape[1]

    @property
    def fan_in(self) -> int:
        return int(np.prod(self.weights.shape[1:]))

    def conv_shape(self, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(height, width, channels) of the sums, before pooling."""
        h, w, c = input_shape
        need(c == self.weights.shape[3], f"{c} channels come in, the weights take {self.weights.shape[3]}")
        h, w = (conv_size(s, self.kernel, self.stride, self.padding) for s in (h, w))
        return h, w, self.channels_out

    def output_shape(self, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(height, width, channels) of the map of bits that leaves the layer."""
        h, w, c = self.conv_shape(input_shape)
        h, w = pooled_size(h, self.pool), pooled_size(w, self.pool)
        need(h > 0 and w > 0,
             f"the {self.kernel}×{self.kernel} window or its pool does not fit a map of {input_shape}")
        return h, w, c


@dataclass(frozen=True, eq=False)
class FpConv(_Conv):
    """First convolution, on 8-bit codes q; padded taps have q = 0.

    weights : (out, ky, kx, cin) uint8 of 0 and 1; thresholds : (out,) int32; invert : (out,) bool.
    """

    kind = "fp_conv"
    pad_value = "zero"


@dataclass(frozen=True, eq=False)
class BinConv(_Conv):
    """Convolution on bits; a padded tap adds nothing (``pad_value`` "zero") or counts as +1 ("one")."""

    pad_value: str = "zero"
    kind = "bin_conv"

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.pad_value in ("zero", "one"), f"pad_value {self.pad_value!r}; 'zero' or 'one' fit")


@dataclass(frozen=True, eq=False)
class BinFc:
    """Fully connected layer; a map is read as (y, x, channel). As first layer it may take 8-bit codes.

    weights : (out, fan-in) uint8 of 0 and 1; thresholds : (out,) int32 and invert : (out,) bool, or None
    both in the last layer.
    """

    weights: np.ndarray
    thresholds: np.ndarray | None = None
    invert: np.ndarray | None = None
    kind = "bin_fc"
    pool = 1

    def __post_init__(self) -> None:
        _check_weights(self, 2)
        need((self.thresholds is None) == (self.invert is None), "thresholds without invert bits, or the reverse")
        if self.thresholds is not None:
            _check_thresholds(self)

    @property
    def channels_out(self) -> int:
        return self.weights.shape[0]

    @property
    def fan_in(self) -> int:
        return self.weights.shape[1]

    def conv_shape(self, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(1, 1, units), once the fan-in fits the map."""
        need(int(np.prod(input_shape)) == self.fan_in,
             f"a map of {input_shape} comes in, the weights take {self.fan_in} inputs")
        return 1, 1, self.channels_out

    output_shape = conv_shape


Layer = Union[FpConv, BinConv, BinFc]


def _check_weights(layer: Layer, rank: int) -> None:
    weights = np.asarray(layer.weights)
    need(weights.ndim == rank and weights.size > 0, f"weights of shape {weights.shape}; {rank} dimensions fit")
    need(weights.dtype in (np.uint8, np.bool_) and int(weights.max()) <= 1, "weights that are not bits")
    need(weights.shape[0] <= MAX_CHANNELS, f"{weights.shape[0]} output channels; up to {MAX_CHANNELS} fit")
    object.__setattr__(layer, "weights", weights.view(np.uint8) if weights.dtype == np.bool_ else weights)


def _check_thresholds(layer: Layer) -> None:
    count = layer.weights.shape[0]
    need(layer.thresholds is not None and layer.invert is not None, "thresholds or invert bits are missing")
    thresholds, invert = np.asarray(layer.thresholds), np.asarray(layer.invert)
    need(thresholds.shape == (count,) and thresholds.dtype.kind == "i",
         f"thresholds of shape {thresholds.shape}, {thresholds.dtype}; ({count},) integers fit")
    need(bool(thresholds.min() >= -ACC_LIMIT and thresholds.max() <= ACC_LIMIT), "thresholds beyond ±2²⁴")
    need(invert.shape == (count,) and invert.dtype in (np.bool_, np.uint8) and int(invert.max()) <= 1,
         f"invert of shape {invert.shape}, {invert.dtype}; ({count},) bits fit")
    object.__setattr__(layer, "thresholds", thresholds.astype(np.int32))
    object.__setattr__(layer, "invert", invert.astype(bool))
