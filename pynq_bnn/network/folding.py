"""From what was trained to thresholds: every source of networks enters here, with functions instead of modules.

A hidden layer is a sum of ±1 weights, then anything that is monotone in that sum (scale, bias, batch norm) and a sign,
with a max-pool before or after. ``bit = invert ⊕ OR over the pool window of (acc ≥ T)`` says the same: T is the
smallest sum for which the source's own arithmetic gives +1. It is found by bisection, because batch norm with rounding
is monotone in the sum, while a closed formula differs from it at ties and last digits.
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

# (C,) int64 sums, one for each channel, to (C,) bool: whether the activation is +1 there.
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
    """Thresholds of a layer and the channels whose weights change sign.

    thresholds : (C,) int32; invert, flip : (C,) bool.
    """

    thresholds: Array
    invert: Array
    flip: Array


def fold_network(name: str, spec: InputSpec, hidden: Sequence[Unfolded], scores: Array, output: OutputSpec,
                 provenance: dict[str, Any] | None = None) -> Network:
    """The folded network of ``hidden`` layers and the weight bits of the last, (classes, fan-in) uint8.

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
    """Fold what follows the sums of a layer.

    Parameters
    ----------
    positive : function of (C,) int64
    bound : int
        The sums lie in −bound … bound.
    pools_first : bool
        Whether the largest sum of a pool window is taken before ``positive``.
    """
    at_low, at_high = (positive(np.full(channels, end, np.int64)) for end in (-bound, bound))
    # The first sum at which the sign differs from its value at −bound; bound + 1 where it never does.
    change = _bisect(lambda acc: positive(acc) != at_low, bound, channels)
    falling = at_low & ~at_high
    thresholds = np.where(at_low & at_high, -bound, change)
    invert = np.zeros(channels, bool)
    flip = np.zeros(channels, bool)
    if pools_first:
        # The pool takes the largest sum, so a falling channel is +1 unless some sum reaches the change.
        invert = falling
    else:
        # +1 while acc ≤ change − 1, that is −acc ≥ 1 − change.
        flip = falling
        thresholds = np.where(falling, 1 - change, thresholds)
    return Folded(thresholds.astype(np.int32), invert, flip)


def _bisect(changed: Positive, bound: int, channels: int) -> Array:
    """The smallest sum in −bound … bound for which ``changed``, else bound + 1, channel by channel."""
    low = np.full(channels, -bound, np.int64)
    high = np.full(channels, bound + 1, np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        found = changed(np.minimum(middle, bound)) & (low < high)
        high = np.where(found, middle, high)
        low = np.where(found | (low == high), low, middle + 1)
    return high
