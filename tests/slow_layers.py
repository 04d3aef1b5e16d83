"""Folded networks as slow loops over the number rules of FORMAT.md; shares no arithmetic with the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from golden import convolve, dense, max_pool

from pynq_bnn.backends.base import Backend
from pynq_bnn.network import BinConv, BinFc, ConvTerm, FcTerm, FpConv, Network, Scores
from pynq_bnn.network.handlers import Handlers
from pynq_bnn.network.layers import LAYER_KINDS, TERM_KINDS

# (H, W, C) values, ±1 or codes, to (H', W', out) or (out,) sums.
SLOW: Handlers[Callable[..., np.ndarray]] = Handlers("slow loops of the tests", LAYER_KINDS + TERM_KINDS)


def slow_states(network: Network, image: np.ndarray) -> list[np.ndarray]:
    """What leaves each layer for one (H, W, C) uint8 image."""
    maps = {-1: np.array([[[int(network.input.codes[p]) for p in pixel] for pixel in row] for row in image])}
    for node in network.nodes:
        sums = SLOW[node.layer](node.layer, maps[node.source])
        for term in node.terms:
            sums = sums + SLOW[term.layer](term.layer, maps[term.source])
        if isinstance(node.layer, Scores):
            maps[node.index] = sums
        else:
            maps[node.index] = _fire(node.layer, sums if sums.ndim == 3 else sums[None, None],
                                     None if node.shortcut is None else maps[node.shortcut])
    return [maps[node.index] for node in network.nodes]


def check_engines(engines: Sequence[Backend], seed: int) -> None:
    """Fail unless engines of one network give every map and all scores of the slow loops for a random image."""
    network = engines[0].network
    image = np.random.default_rng(seed).integers(0, 256, network.input.shape, dtype=np.uint8)
    *maps, scores = slow_states(network, image)
    for engine in engines:
        *found, sums = engine.states(image[None])
        assert sums[0].tolist() == scores.tolist(), f"seed {seed}"
        for node, packed, values in zip(network.nodes, found, maps):
            bits = np.unpackbits(packed[0], axis=-1, bitorder="little")[..., :node.output.shape[2]]
            assert np.array_equal(bits, values > 0), f"seed {seed}, layer {node.index}"


@SLOW.for_(FpConv, BinConv, ConvTerm)
def _conv(layer: FpConv | BinConv | ConvTerm, values: np.ndarray) -> np.ndarray:
    outside = 1 if layer.pad_value == "one" else 0
    return convolve(values, 2 * layer.weights.astype(int) - 1, layer.stride, layer.padding, outside)


@SLOW.for_(BinFc, Scores, FcTerm)
def _fc(layer: BinFc | Scores | FcTerm, values: np.ndarray) -> np.ndarray:
    return dense(values, 2 * layer.weights.astype(int) - 1)


def _fire(layer: FpConv | BinConv | BinFc, sums: np.ndarray, shortcut: np.ndarray | None) -> np.ndarray:
    reached = np.zeros(sums.shape, int)
    for y, x, o in np.ndindex(sums.shape):
        thresholds = layer.thresholds if shortcut is None else layer.thresholds[1 if shortcut[y, x, o] > 0 else 0]
        reached[y, x, o] = sums[y, x, o] >= thresholds[o]
    return np.where(max_pool(reached, layer.pool).astype(bool) ^ layer.invert, 1, -1)
