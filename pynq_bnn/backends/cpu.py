"""The exact engine for any computer: NumPy alone.

Maps lie in memory as packed bits. Inner products are float32 matrix products of ±1 (or codes q): every
partial sum is an integer below 2²⁴, so the result is exact in any order of summation. On x86-64 that beats
XNOR and popcount in NumPy several times (``pynq-bnn bench --kernels`` prints the comparison).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..network import BinConv, BinFc, FpConv, LayerNode, Network, Scores
from ..network.handlers import Handlers
from ..network.layers import LAYER_KINDS
from .base import Backend, BackendTime, run_nodes

# Window matrices of about this many float32 values bound the memory; 2¹⁸ to 2²² are equally fast.
_BLOCK_VALUES = 1 << 20
# Images that go through a layer together: enough for the matrix products of fully connected layers.
_CHUNK_IMAGES = 512

_SIGNS = np.where((np.arange(256)[:, None] >> np.arange(8)) & 1, 1, -1).astype(np.float32)

# (n, H, W, C) float32 to (n, H', W', out) float32 sums, for a node and the (fan-in, out) matrix of its weights.
_Sums = Callable[[LayerNode, np.ndarray, np.ndarray], np.ndarray]
_SUMS: Handlers[_Sums] = Handlers("sums of the NumPy engine", LAYER_KINDS)
# The sums of a layer to its packed map, or to int32 scores.
_ENDS: Handlers[Callable[[LayerNode], Callable[[np.ndarray], np.ndarray]]] = Handlers("ends of the NumPy engine",
                                                                                     LAYER_KINDS)


class CpuBackend(Backend):
    """Runs a network layer by layer over chunks of images; see :class:`~pynq_bnn.backends.base.Backend`."""

    name = "cpu"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        spread = {True: _spread_codes(network.input.codes), False: _spread_bits}
        self._layers = [_prepare(node, spread[node.source < 0]) for node in network.nodes]

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        self.check_pixels(pixels)
        began = time.perf_counter()
        chunks = []
        for start in range(0, max(len(pixels), 1), _CHUNK_IMAGES):
            *_, last = self._run(pixels[start:start + _CHUNK_IMAGES])
            chunks.append(last)
        self.last_time = BackendTime(compute=time.perf_counter() - began)
        return np.concatenate(chunks)

    def states(self, pixels: np.ndarray) -> Iterator[np.ndarray]:
        self.check_pixels(pixels)
        return self._run(pixels)

    def _run(self, pixels: np.ndarray) -> Iterator[np.ndarray]:
        return run_nodes(self.network, pixels, self._step)

    def _step(self, node: LayerNode, state: np.ndarray) -> np.ndarray:
        return self._layers[node.index](state)


def _prepare(node: LayerNode, spread: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The function from the packed map (or the pixels) that ``node`` reads to the one that it writes."""
    matrix, channels = _matrix(node), node.input.shape[2]
    sums, end = _SUMS[node.layer], _ENDS[node.layer](node)
    images = max(1, _BLOCK_VALUES // (node.sums[0] * node.sums[1] * node.fan_in))

    def run(state: np.ndarray) -> np.ndarray:
        if len(state) <= images:
            return end(sums(node, matrix, spread(state, channels)))
        return np.concatenate([end(sums(node, matrix, spread(state[start:start + images], channels)))
                               for start in range(0, len(state), images)])

    return run


def _matrix(node: LayerNode) -> np.ndarray:
    """(fan-in, out) float32 of ±1."""
    rows = node.layer.weights.reshape(node.layer.outputs, -1)
    matrix = np.empty((node.fan_in, node.layer.outputs), np.float32)
    np.multiply(rows.T, np.float32(2), out=matrix)
    matrix -= 1
    return matrix


def _spread_codes(codes: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    """Pixels to float32 codes."""
    table = codes.astype(np.float32)
    return lambda pixels, _: table[pixels]


def _spread_bits(packed: np.ndarray, channels: int) -> np.ndarray:
    """(…, C) float32 of ±1 from (…, ceil(C/8)) packed bits."""
    signs = _SIGNS[packed].reshape(*packed.shape[:-1], 8 * packed.shape[-1])
    return signs[..., :channels]


# --- sums ------------------------------------------------------------------------------------------------

@_SUMS.for_(BinFc, Scores)
def _dense_sums(node: LayerNode, matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    return (x.reshape(len(x), node.fan_in) @ matrix).reshape(len(x), *node.sums)


@_SUMS.for_(FpConv, BinConv)
def _conv_sums(node: LayerNode, matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    layer, (height, width, _) = node.layer, node.sums
    n, h, w, c = x.shape
    if layer.padding:
        edge = layer.padding
        inner, x = x, np.full((n, h + 2 * edge, w + 2 * edge, c), layer.pad_value == "one", np.float32)
        x[:, edge:-edge, edge:-edge] = inner
    elif not x.flags.c_contiguous:
        x = x.copy()
    # (n, height, width, kernel, kernel·c): a window's row is one run of memory.
    sn, sy, sx, sc = x.strides
    windows = np.ndarray((n, height, width, layer.kernel, layer.kernel * c), np.float32, x, 0,
                         (sn, layer.stride * sy, layer.stride * sx, sy, sc))
    return (windows.reshape(n * height * width, node.fan_in) @ matrix).reshape(n, *node.sums)


# --- from sums to maps -----------------------------------------------------------------------------------

@_ENDS.for_(Scores)
def _scores_end(node: LayerNode) -> Callable[[np.ndarray], np.ndarray]:
    return lambda acc: acc[:, 0, 0].astype(np.int32)


@_ENDS.for_(FpConv, BinConv, BinFc)
def _hidden_end(node: LayerNode) -> Callable[[np.ndarray], np.ndarray]:
    layer = node.layer
    return partial(_pack, layer.thresholds.astype(np.float32), layer.invert, layer.pool, node.output.shape)


def _pack(thresholds: np.ndarray, invert: np.ndarray, pool: int, shape: tuple[int, int, int],
          acc: np.ndarray) -> np.ndarray:
    bits = acc >= thresholds
    if pool > 1:
        bits = _pool(bits, pool, shape)
    bits ^= invert
    return np.packbits(bits, axis=-1, bitorder="little")


def _pool(bits: np.ndarray, pool: int, shape: tuple[int, int, int]) -> np.ndarray:
    """OR over pool × pool windows of (N, H, W, C) bits; odd sizes are floored."""
    bits = bits[:, :shape[0] * pool, :shape[1] * pool]
    parts = [bits[:, y::pool, x::pool] for y in range(pool) for x in range(pool)]
    result = parts[0] | parts[1]
    for part in parts[2:]:
        result |= part
    return result
