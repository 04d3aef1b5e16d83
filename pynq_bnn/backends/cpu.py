"""The exact engine for any computer; needs only NumPy.

Maps are stored as packed bits. Inner products are float32 matrix products of ±1 (or codes q): every partial sum is an
integer below 2²⁴, so the result is exact in any order of summation. On x86-64 that is several times faster than XNOR
and popcount in NumPy (``pynq-bnn bench --kernels`` prints the comparison).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..arrays import Array
from ..network import BinConv, BinFc, FpConv, LayerNode, Network, Scores
from ..network.graph import PICTURE, Part
from ..network.handlers import Handlers
from ..network.layers import LAYER_KINDS, TERM_KINDS, ConvTerm, FcTerm
from .base import Backend, BackendTime, run_nodes

# Window matrices are limited to about this many float32 values to save memory; 2¹⁸ to 2²² are equally fast.
_BLOCK_VALUES = 1 << 20
# Images that go through a layer together: enough for efficient matrix products in fully connected layers.
_CHUNK_IMAGES = 512

_SIGNS = np.where((np.arange(256)[:, None] >> np.arange(8)) & 1, 1, -1).astype(np.float32)

# (part of a node, (fan-in, out) matrix of its weights, (n, H, W, C) float32 inputs) → (n, H', W', out) float32 sums.
_Sums = Callable[[Part, Array, Array], Array]
_SUMS: Handlers[_Sums] = Handlers("sums of the NumPy engine", LAYER_KINDS + TERM_KINDS)


class CpuBackend(Backend):
    """Runs a network layer by layer over chunks of images; see :class:`~pynq_bnn.backends.base.Backend`."""

    name = "cpu"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        codes = network.input.codes.astype(np.float32)
        self._layers = [_Layer(node, codes) for node in network.nodes]

    def scores(self, pixels: Array) -> Array:
        self.check_pixels(pixels)
        began = time.perf_counter()
        chunks = []
        for start in range(0, max(len(pixels), 1), _CHUNK_IMAGES):
            *_, last = self._run(pixels[start:start + _CHUNK_IMAGES])
            chunks.append(last)
        self.last_time = BackendTime(compute=time.perf_counter() - began)
        return np.concatenate(chunks)

    def states(self, pixels: Array) -> Iterator[Array]:
        self.check_pixels(pixels)
        return self._run(pixels)

    def _run(self, pixels: Array) -> Iterator[Array]:
        return run_nodes(self.network, pixels, self._step)

    def _step(self, node: LayerNode, maps: list[Array]) -> Array:
        return self._layers[node.index](maps)


class _Layer:
    """A prepared node: a function from the packed maps (or pixels) that it reads to the packed map that it writes.

    codes : (256,) float32, the code of each pixel value.
    """

    def __init__(self, node: LayerNode, codes: Array) -> None:
        parts = node.parts
        self.sums = [partial(_SUMS[part.layer], part, _matrix(part)) for part in parts]
        self.spreads = [partial(_spread_codes, codes) if part.source == PICTURE else
                        partial(_spread_bits, part.input.shape[2]) for part in parts]
        layer = node.layer
        self.thresholds = None if isinstance(layer, Scores) else layer.thresholds.astype(np.float32)
        self.invert = None if isinstance(layer, Scores) else layer.invert
        self.pool, self.shape, self.shortcut = layer.pool, node.output.shape, node.shortcut
        values = node.sums[0] * node.sums[1] * max(part.fan_in for part in parts)
        self.images = max(1, _BLOCK_VALUES // values)

    def __call__(self, maps: list[Array]) -> Array:
        if len(maps[0]) <= self.images:
            return self._block(maps)
        return np.concatenate([self._block([state[start:start + self.images] for state in maps])
                               for start in range(0, len(maps[0]), self.images)])

    def _block(self, maps: list[Array]) -> Array:
        acc = self.sums[0](self.spreads[0](maps[0]))
        for sums, spread, state in zip(self.sums[1:], self.spreads[1:], maps[1:]):
            acc += sums(spread(state))
        if self.thresholds is None or self.invert is None:
            return acc[:, 0, 0].astype(np.int32)
        bits = acc >= self.thresholds if self.shortcut is None else self._chosen(acc, self.thresholds, maps[-1])
        if self.pool > 1:
            bits = _pool(bits, self.pool, self.shape)
        bits ^= self.invert
        return np.packbits(bits, axis=-1, bitorder="little")

    def _chosen(self, acc: Array, thresholds: Array, shortcut: Array) -> Array:
        """acc ≥ T, where the shortcut's bit selects one of two thresholds T."""
        x = np.unpackbits(shortcut, axis=-1, bitorder="little", count=self.shape[2]).view(bool)
        return np.where(x, acc >= thresholds[1], acc >= thresholds[0])


def _matrix(part: Part) -> Array:
    """The weights as a (fan-in, out) float32 matrix of ±1."""
    rows = part.layer.weights.reshape(part.layer.outputs, -1)
    matrix = np.empty((part.fan_in, part.layer.outputs), np.float32)
    np.multiply(rows.T, np.float32(2), out=matrix)
    matrix -= 1
    return matrix


def _spread_codes(codes: Array, pixels: Array) -> Array:
    """Pixels to float32 codes."""
    return codes[pixels]


def _spread_bits(channels: int, packed: Array) -> Array:
    """(…, C) float32 of ±1 from (…, ceil(C/8)) packed bits."""
    signs = _SIGNS[packed].reshape(*packed.shape[:-1], 8 * packed.shape[-1])
    return signs[..., :channels]


# --- sums ------------------------------------------------------------------------------------------------

@_SUMS.for_(BinFc, Scores, FcTerm)
def _dense_sums(part: Part, matrix: Array, x: Array) -> Array:
    return (x.reshape(len(x), part.fan_in) @ matrix).reshape(len(x), *part.sums)


@_SUMS.for_(FpConv, BinConv, ConvTerm)
def _conv_sums(part: Part, matrix: Array, x: Array) -> Array:
    layer, (height, width, _) = part.layer, part.sums
    n, h, w, c = x.shape
    if layer.padding:
        edge = layer.padding
        inner, x = x, np.full((n, h + 2 * edge, w + 2 * edge, c), layer.pad_value == "one", np.float32)
        x[:, edge:-edge, edge:-edge] = inner
    elif not x.flags.c_contiguous:
        x = x.copy()
    # (n, height, width, kernel, kernel·c): each row of a window is contiguous in memory.
    sn, sy, sx, sc = x.strides
    windows: Array = np.ndarray((n, height, width, layer.kernel, layer.kernel * c), np.float32, x, 0,
                                (sn, layer.stride * sy, layer.stride * sx, sy, sc))
    return (windows.reshape(n * height * width, part.fan_in) @ matrix).reshape(n, *part.sums)


def _pool(bits: Array, pool: int, shape: tuple[int, int, int]) -> Array:
    """OR over pool × pool windows of (N, H, W, C) bits; odd sizes are floored."""
    bits = bits[:, :shape[0] * pool, :shape[1] * pool]
    parts = [bits[:, y::pool, x::pool] for y in range(pool) for x in range(pool)]
    result: Array = parts[0] | parts[1]
    for part in parts[2:]:
        result |= part
    return result
