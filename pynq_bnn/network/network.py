"""A whole folded network: input, layers, output, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import NetworkError
from .checks import check_name
from .geometry import MAX_MAP
from .layers import ACC_LIMIT, BinFc, FpConv, Layer
from .spec import InputSpec, OutputSpec


@dataclass(frozen=True, eq=False)
class Golden:
    """A picture and the scores that every backend must give for it.

    image : (H, W, C) uint8; scores : (K,) int32.
    """

    image: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers, checked to fit each other.

    Parameters
    ----------
    name : str
        Short name, such as "cnv-cifar10".
    input, layers, output
        See :class:`InputSpec`, the layer records and :class:`OutputSpec`.
    provenance : dict
        Plain JSON values: how the network was made, and its accuracy.
    golden : Golden or None

    Raises
    ------
    NetworkError
        Names the layer that does not fit.
    """

    name: str
    input: InputSpec
    layers: tuple[Layer, ...]
    output: OutputSpec
    provenance: dict[str, Any] = field(default_factory=dict)
    golden: Golden | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "network name")
        _check_plain(self.provenance)
        if not self.layers:
            raise NetworkError("a network needs at least one layer")
        for number, (layer, shape) in enumerate(self.walk()):
            try:
                self._check_layer(number, layer, int(np.prod(layer.output_shape(shape))))
            except NetworkError as error:
                raise NetworkError(f"layer {number} ({layer.kind}): {error}") from None
        count, classes = self.layers[-1].channels_out, len(self.output.classes)
        if count != classes:
            raise NetworkError(f"the last layer has {count} outputs for {classes} classes")
        self._check_golden()

    def _check_layer(self, number: int, layer: Layer, values: int) -> None:
        last, first = number == len(self.layers) - 1, number == 0
        is_scores = isinstance(layer, BinFc) and layer.thresholds is None
        if is_scores != last:
            raise NetworkError("the last layer, and no other, is a bin_fc without thresholds")
        if isinstance(layer, FpConv) and not (first and self.input.bits == 8):
            raise NetworkError("fp_conv is the first layer of a network with 8-bit input")
        if first and self.input.bits == 8 and layer.kind == "bin_conv":
            raise NetworkError("a first convolution on 8-bit input is an fp_conv")
        if first and getattr(layer, "pad_value", "zero") == "one":
            raise NetworkError("padding with +1 is for hidden layers")
        if values > MAX_MAP:
            raise NetworkError(f"its map of {values} values is too large; up to {MAX_MAP} fit")
        bound = self.acc_bound(number)
        if bound >= ACC_LIMIT:
            raise NetworkError(f"sums up to {bound} exceed 2²⁴, where float32 stops being exact")
        if layer.thresholds is not None:
            outside = layer.thresholds[(layer.thresholds < -bound) | (layer.thresholds > bound + 1)]
            if len(outside):
                raise NetworkError(f"threshold {outside[0]}; sums lie within ±{bound}, so {-bound} to {bound + 1} fit")

    def _check_golden(self) -> None:
        if self.golden is None:
            return
        image, scores = self.golden.image, self.golden.scores
        if image.shape != self.input.shape or image.dtype != np.uint8:
            raise NetworkError(f"golden image of shape {image.shape}, {image.dtype}; {self.input.shape} uint8 fits")
        if scores.shape != (len(self.output.classes),) or scores.dtype != np.int32:
            raise NetworkError(f"golden scores of shape {scores.shape}, {scores.dtype}")

    def walk(self) -> Iterator[tuple[Layer, tuple[int, int, int]]]:
        """Each layer with the (height, width, channels) of what comes into it."""
        shape = self.input.shape
        for layer in self.layers:
            yield layer, shape
            shape = layer.output_shape(shape)

    def acc_bound(self, number: int) -> int:
        """The largest |acc| that layer ``number`` can reach."""
        return self.layers[number].fan_in * (self.input.largest_code if number == 0 else 1)

    @property
    def weight_bits(self) -> int:
        return sum(layer.weights.size for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image; a convolution's counts positions before pooling."""
        return sum(layer.weights.size * int(np.prod(layer.conv_shape(shape)[:2])) for layer, shape in self.walk())


def _check_plain(provenance: object) -> None:
    if not isinstance(provenance, dict):
        raise NetworkError(f"provenance is of type {type(provenance).__name__}; a dict of plain JSON values fits")
    try:
        json.dumps(provenance, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NetworkError(f"provenance holds something else than plain JSON values ({error})") from None
