"""A complete folded network: input, layers, output and provenance."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import NetworkError
from .checks import check_name
from .graph import build_graph, errors_in_layer, is_chain, unused_after
from .layers import Layer, LayerNode, Scores
from .spec import InputSpec, OutputSpec


@dataclass(frozen=True, eq=False)
class Golden:
    """A picture and the scores that every backend must compute for it.

    image : (H, W, C) uint8; scores : (K,) int32.
    """

    image: Array
    scores: Array


@dataclass(frozen=True, eq=False)
class Network:
    """A network: layers in an order in which they can be computed, checked to fit each other.

    Parameters
    ----------
    name : str
        Short name, such as "cnv-cifar10".
    input, layers, output
        See :class:`InputSpec`, the layer records and :class:`OutputSpec`.
    provenance : dict
        Plain JSON values: how the network was made, and its accuracy.
    golden : Golden or None

    Attributes
    ----------
    nodes : tuple of Node
        Each layer with the map it reads, its shapes, bounds and costs.
    unused_after : tuple of tuple of int
        For each layer, the maps whose last reader it is.

    Raises
    ------
    NetworkError
        A layer does not fit; the message names it.
    """

    name: str
    input: InputSpec
    layers: tuple[Layer, ...]
    output: OutputSpec
    provenance: dict[str, Any] = field(default_factory=dict)
    golden: Golden | None = None
    nodes: tuple[LayerNode, ...] = field(init=False, repr=False)
    unused_after: tuple[tuple[int, ...], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name, "network name")
        _check_plain(self.provenance)
        if not self.layers:
            raise NetworkError("a network needs at least one layer")
        object.__setattr__(self, "nodes", build_graph(self.input.map, self.layers))
        object.__setattr__(self, "unused_after", unused_after(self.nodes))
        read = {source for node in self.nodes for source in node.reads}
        for node in self.nodes:
            with errors_in_layer(node.index, node.layer):
                _check_place(node, len(self.layers) - 1, node.index in read)
        count, classes = self.layers[-1].outputs, len(self.output.classes)
        if count != classes:
            raise NetworkError(f"the last layer has {count} outputs for {classes} classes")
        self._check_golden()

    def _check_golden(self) -> None:
        if self.golden is None:
            return
        image, scores = self.golden.image, self.golden.scores
        if image.shape != self.input.shape or image.dtype != np.uint8:
            raise NetworkError(f"golden image of shape {image.shape}, {image.dtype}; {self.input.shape} uint8 fits")
        if scores.shape != (len(self.output.classes),) or scores.dtype != np.int32:
            raise NetworkError(f"golden scores of shape {scores.shape}, {scores.dtype}")

    @property
    def is_chain(self) -> bool:
        """Whether every layer reads the map of the layer before and nothing else."""
        return is_chain(self.nodes)

    @property
    def weight_bits(self) -> int:
        """Weight bits of all layers."""
        return sum(node.weight_bits for node in self.nodes)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image; convolutions count all positions before pooling."""
        return sum(node.macs for node in self.nodes)


def _check_place(node: LayerNode, last: int, is_read: bool) -> None:
    """Raise NetworkError unless only the last layer has scores, others are read and have thresholds in range."""
    layer, bound = node.layer, node.bound
    if isinstance(layer, Scores) != (node.index == last):
        raise NetworkError("the last layer, and no other, is a score layer (a bin_fc without thresholds in the file)")
    if isinstance(layer, Scores):
        return
    if not is_read:
        raise NetworkError("no layer reads its map")
    outside = layer.thresholds[(layer.thresholds < -bound) | (layer.thresholds > bound + 1)]
    if len(outside):
        raise NetworkError(f"threshold {outside[0]}; sums lie within ±{bound}, so {-bound} to {bound + 1} fit")


def _check_plain(provenance: object) -> None:
    if not isinstance(provenance, dict):
        raise NetworkError(f"provenance is of type {type(provenance).__name__}; a dict of plain JSON values fits")
    try:
        json.dumps(provenance, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NetworkError(f"provenance holds something else than plain JSON values ({error})") from None
