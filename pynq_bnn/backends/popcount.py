"""The same integers computed by XNOR and popcount on packed words, as in the accelerator.

In NumPy this is slower than :mod:`.cpu`; it serves as an independent check (``verify`` compares the two layer by
layer). Courbariaux et al. 2016, section 3: dot = 2·popcount(XNOR) − length, for 8-bit inputs bit plane by bit plane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..arrays import Array
from ..network import BinConv, BinFc, FpConv, LayerNode, Network, Scores
from ..network.graph import Part
from ..network.handlers import Handlers
from ..network.layers import LAYER_KINDS, TERM_KINDS, ConvTerm, FcTerm
from .base import Backend, BackendTime, run_nodes

_BLOCK_WORDS = 1 << 20
# (part, map of one image as (H, W, C) values) → (inputs of every window, which of them count); see _conv_windows.
_Windows = Callable[[Part, Array], tuple[Array, Array]]
_WINDOWS: Handlers[_Windows] = Handlers("windows of the popcount engine", LAYER_KINDS + TERM_KINDS)
_BYTE_COUNTS = np.array([bin(value).count("1") for value in range(256)], np.uint8)


def popcount(words: Array) -> Array:
    """The number of ones in each uint64 word, as uint8."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        counts: Array = np.bitwise_count(words)
    else:
        counts = _BYTE_COUNTS[words.view(np.uint8).reshape(*words.shape, 8)].sum(-1, dtype=np.uint8)
    return counts


class PopcountBackend(Backend):
    """Runs a network layer by layer with bit operations; see :class:`~pynq_bnn.backends.base.Backend`."""

    name = "popcount"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._rows = [[_words(part.layer.weights.reshape(part.layer.outputs, -1)) for part in node.parts]
                      for node in network.nodes]

    def scores(self, pixels: Array) -> Array:
        began = time.perf_counter()
        *_, scores = self.states(pixels)
        self.last_time = BackendTime(compute=time.perf_counter() - began)
        return scores

    def states(self, pixels: Array) -> Iterator[Array]:
        self.check_pixels(pixels)
        encoding = self.network.input.encoding
        values = encoding.encode(pixels)
        picture = values if encoding.bits == 8 else (values > 0).astype(np.uint8)
        for node, state in zip(self.network.nodes, run_nodes(self.network, picture, self._step)):
            yield state if isinstance(node.layer, Scores) else np.packbits(state, axis=-1, bitorder="little")

    def _step(self, node: LayerNode, maps: list[Array]) -> Array:
        """From the maps that the node reads, each (N, H, W, C) values, to (N, H', W', out) bits, or to scores."""
        acc = np.zeros((len(maps[0]), *node.sums), np.int32)
        for part, rows, state in zip(node.parts, self._rows[node.index], maps):
            sums = _xnor_sums
            if part.input.bits == 8:
                sums = partial(_plane_sums, signed=self.network.input.encoding.signed)
            for image, values in enumerate(state):
                acc[image] += sums(*_WINDOWS[part.layer](part, values), rows)
        layer = node.layer
        if isinstance(layer, Scores):
            return acc.reshape(len(acc), layer.outputs)
        thresholds = layer.thresholds
        if node.shortcut is not None:  # the shortcut's bit is the index of the threshold
            thresholds = np.take_along_axis(thresholds[:, None, None, None], maps[-1][None].astype(np.int64), axis=0)[0]
        return _or_pool((acc >= thresholds).astype(np.uint8), layer.pool) ^ layer.invert.astype(np.uint8)


@_WINDOWS.for_(BinFc, Scores, FcTerm)
def _dense_windows(part: Part, state: Array) -> tuple[Array, Array]:
    flat = state.reshape(1, 1, -1)
    return flat, np.ones_like(flat, np.uint8)


@_WINDOWS.for_(FpConv, BinConv, ConvTerm)
def _conv_windows(part: Part, state: Array) -> tuple[Array, Array]:
    """(H', W', fan-in) inputs of every window, and which of them count (all except taps in zero padding)."""
    layer, (h, w, _) = part.layer, part.sums
    side = (layer.padding, layer.padding)
    fill = 1 if layer.pad_value == "one" else 0
    padded = np.pad(state, (side, side, (0, 0)), constant_values=fill)
    valid = np.pad(np.ones(state.shape, np.uint8), (side, side, (0, 0)), constant_values=fill)
    gathered = []
    for array in (padded, valid):
        taps = [array[ky:ky + (h - 1) * layer.stride + 1:layer.stride, kx:kx + (w - 1) * layer.stride + 1:layer.stride]
                for ky in range(layer.kernel) for kx in range(layer.kernel)]
        gathered.append(np.concatenate(taps, axis=2))
    return gathered[0], gathered[1]


def _words(bits: Array) -> Array:
    """(…, n) bits packed into (…, ceil(n/64)) uint64; unused bits of the last word are 0."""
    packed = np.packbits(bits, axis=-1, bitorder="little")
    words = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 64) * 8), np.uint8)
    words[..., :packed.shape[-1]] = packed
    return words.view(np.uint64)


def _matches(inputs: Array, rows: Array, combine: Callable[[Array, Array], Array]) -> Array:
    """(M, out) sums of popcounts of ``combine(input words, weight words)``."""
    result = np.empty((len(inputs), len(rows)), np.int64)
    step = max(1, _BLOCK_WORDS // rows.size)
    for start in range(0, len(inputs), step):
        block = inputs[start:start + step, None]
        result[start:start + step] = popcount(combine(block, rows)).sum(-1, dtype=np.int64)
    return result


def _xnor_sums(windows: Array, valid: Array, rows: Array) -> Array:
    """dot = number of valid inputs − 2·popcount(XOR of the valid inputs with the weights)."""
    shape = windows.shape[:2]
    inputs, mask = (_words(a).reshape(-1, rows.shape[1]) for a in (windows, valid))
    pairs = np.concatenate([inputs, mask], axis=1)
    words = rows.shape[1]
    differ = _matches(pairs, rows, lambda x, w: (x[..., :words] ^ w) & x[..., words:])
    count = popcount(mask).sum(-1, dtype=np.int64)[:, None]
    dot: Array = count - 2 * differ
    return dot.reshape(*shape, -1)


def _plane_sums(windows: Array, valid: Array, rows: Array, signed: bool) -> Array:
    """Σ ±q from the bit planes of q, most significant first; the sign bit of an int8 code counts negative."""
    shape = windows.shape[:2]
    acc = np.zeros((shape[0] * shape[1], len(rows)), np.int64)
    for plane in range(7, -1, -1):
        bits = _words(((windows >> plane) & 1).astype(np.uint8)).reshape(-1, rows.shape[1])
        part = 2 * _matches(bits, rows, np.bitwise_and) - popcount(bits).sum(-1, dtype=np.int64)[:, None]
        acc = 2 * acc + (-part if plane == 7 and signed else part)
    return acc.reshape(*shape, -1)


def _or_pool(bits: Array, pool: int) -> Array:
    n, h, w, c = bits.shape
    h, w = h // pool, w // pool
    pooled: Array = bits[:, :h * pool, :w * pool].reshape(n, h, pool, w, pool, c).max(axis=(2, 4))
    return pooled
