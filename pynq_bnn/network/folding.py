"""Folding of trained layers into thresholds; networks from all sources enter here, as functions instead of modules.

A hidden layer is a sum of inputs with ±1 weights, followed by something monotone in that sum (scale, bias, batch norm)
and a sign, with a max-pool before or after. ``bit = invert ⊕ OR over the pool window of (acc ≥ T)`` is equivalent: T is
the smallest sum for which the source's own arithmetic results in +1. It is found by bisection: batch norm is monotone
in the sum even with rounding, while a closed formula would differ from it at ties and in the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from .graph import build_graph
from .layers import Layer, Row, RowNode, Scores
from .network import Network
from .spec import InputSpec, OutputSpec

# (C,) int64 sums, one per channel → (C,) bool: whether the activation is +1.
Positive = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A hidden layer before folding.

    row : its shape; weights : bits, (out, ky, kx, cin) or (out, fan-in) uint8; terms : those of each term.
    positive : for the node that the layer becomes, what follows the sum: one function, or with a shortcut one where its
        bit is −1 and one where it is +1; monotone in each channel, both rising or both falling.
    """

    row: Row
    weights: Array
    positive: Callable[[RowNode], tuple[Positive, ...]]
    terms: tuple[Array, ...] = ()


@dataclass(frozen=True, eq=False)
class Folded:
    """Thresholds of a layer, and the channels whose weights must be negated (``flip``).

    thresholds : (C,) int32; invert, flip : (C,) bool.
    """

    thresholds: Array
    invert: Array
    flip: Array


def fold_network(name: str, spec: InputSpec, hidden: Sequence[Unfolded], scores: Array, output: OutputSpec,
                 provenance: dict[str, Any] | None = None) -> Network:
    """The folded network of ``hidden`` layers and a last layer with weight bits ``scores``, (classes, fan-in) uint8.

    Raises
    ------
    NetworkError
        A layer does not fit the map it reads, or is too large.
    """
    nodes = build_graph(spec.map, [layer.row for layer in hidden])
    layers: list[Layer] = [_fold_layer(layer, node) for layer, node in zip(hidden, nodes)]
    return Network(name, spec, (*layers, Scores(scores)), output, provenance or {})


def _fold_layer(layer: Unfolded, node: RowNode) -> Layer:
    row = layer.row
    found = [find_thresholds(positive, node.bound, row.outputs, row.pools_first) for positive in layer.positive(node)]
    # Of two, one may be constant, whose threshold is at the end of the sums and the same for weights of either sign.
    flip = np.logical_or.reduce([each.flip for each in found])
    weights, *terms = (bits ^ flip.reshape(-1, *(1 for _ in bits.shape[1:])) for bits in (layer.weights, *layer.terms))
    thresholds = found[0].thresholds if len(found) == 1 else np.stack([each.thresholds for each in found])
    return row.folded(node.input, weights, thresholds, found[0].invert, terms)


def find_thresholds(positive: Positive, bound: int, channels: int, pools_first: bool) -> Folded:
    """Fold the function that follows the sums of a layer into thresholds.

    Parameters
    ----------
    positive : function of (C,) int64
    bound : int
        Sums are within −bound … bound.
    pools_first : bool
        Whether the maximum of a pool window is taken before ``positive``.
    """
    at_low, at_high = (positive(np.full(channels, end, np.int64)) for end in (-bound, bound))
    # The first sum at which the sign differs from that at −bound; bound + 1 if it never does.
    change = _bisect(lambda acc: positive(acc) != at_low, bound, channels)
    falling = at_low & ~at_high
    thresholds = np.where(at_low & at_high, -bound, change)
    invert = np.zeros(channels, bool)
    flip = np.zeros(channels, bool)
    if pools_first:
        # The pool takes the largest sum, so a falling channel is +1 unless some sum reaches ``change``.
        invert = falling
    else:
        # +1 while acc ≤ change − 1, that is −acc ≥ 1 − change.
        flip = falling
        thresholds = np.where(falling, 1 - change, thresholds)
    return Folded(thresholds.astype(np.int32), invert, flip)


def _bisect(changed: Positive, bound: int, channels: int) -> Array:
    """For each channel, the smallest sum in −bound … bound for which ``changed`` is true, else bound + 1."""
    low = np.full(channels, -bound, np.int64)
    high = np.full(channels, bound + 1, np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        found = changed(np.minimum(middle, bound)) & (low < high)
        high = np.where(found, middle, high)
        low = np.where(found | (low == high), low, middle + 1)
    return high
