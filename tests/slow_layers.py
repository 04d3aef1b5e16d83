"""Folded networks as slow loops over the number rules of FORMAT.md; shares no arithmetic with the package."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from golden import convolve, dense, max_pool

from pynq_bnn.network import BinConv, BinFc, FpConv, LayerNode, Network, Scores
from pynq_bnn.network.handlers import Handlers
from pynq_bnn.network.layers import LAYER_KINDS

# (H, W, C) values, ±1 or codes, to (H', W', out) values ±1, or (classes,) scores.
SLOW: Handlers[Callable[[LayerNode, np.ndarray], np.ndarray]] = Handlers("slow loops of the tests", LAYER_KINDS)


def slow_states(network: Network, image: np.ndarray) -> list[np.ndarray]:
    """What leaves each layer for one (H, W, C) uint8 image."""
    maps = {-1: np.array([[[int(network.input.codes[p]) for p in pixel] for pixel in row] for row in image])}
    for node in network.nodes:
        maps[node.index] = SLOW[node.layer](node, maps[node.source])
    return [maps[node.index] for node in network.nodes]


@SLOW.for_(FpConv, BinConv)
def _conv(node: LayerNode, values: np.ndarray) -> np.ndarray:
    layer = node.layer
    outside = 1 if layer.pad_value == "one" else 0
    return _fire(layer, convolve(values, 2 * layer.weights.astype(int) - 1, layer.stride, layer.padding, outside))


@SLOW.for_(BinFc)
def _fc(node: LayerNode, values: np.ndarray) -> np.ndarray:
    return _fire(node.layer, _sums(node, values)[None, None])


@SLOW.for_(Scores)
def _sums(node: LayerNode, values: np.ndarray) -> np.ndarray:
    return dense(values, 2 * node.layer.weights.astype(int) - 1)


def _fire(layer: FpConv | BinConv | BinFc, sums: np.ndarray) -> np.ndarray:
    reached = np.array([[[acc >= threshold for acc, threshold in zip(column, layer.thresholds)] for column in row]
                        for row in sums])
    pooled = max_pool(reached.astype(int), layer.pool).astype(bool)
    return np.where(pooled ^ layer.invert, 1, -1)
