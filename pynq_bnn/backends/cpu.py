"""The exact engine for any computer: NumPy alone.

Maps lie in memory as packed bits. Inner products are float32 matrix products of ±1 (or codes q): every
partial sum is an integer below 2²⁴, so the result is exact in any order of summation. On x86-64 that beats
XNOR and popcount in NumPy several times (``pynq-bnn bench --kernels`` prints the comparison).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from ..network import BinFc, Network
from ..network.layers import Layer
from .base import Backend, BackendTime

# Window matrices of about this many float32 values bound the memory; 2¹⁸ to 2²² are equally fast.
_BLOCK_VALUES = 1 << 20
# Images that go through a layer together: enough for the matrix products of fully connected layers.
_CHUNK_IMAGES = 512

_SIGNS = np.where((np.arange(256)[:, None] >> np.arange(8)) & 1, 1, -1).astype(np.float32)


class CpuBackend(Backend):
    """Runs a network layer by layer over chunks of images; see :class:`~pynq_bnn.backends.base.Backend`."""

    name = "cpu"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._matrices = [_matrix(layer) for layer in network.layers]

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        self.check_pixels(pixels)
        began = time.perf_counter()
        chunks = []
        for start in range(0, max(len(pixels), 1), _CHUNK_IMAGES):
            *_, last = self.states(pixels[start:start + _CHUNK_IMAGES])
            chunks.append(last)
        self.last_time = BackendTime(compute=time.perf_counter() - began)
        return np.concatenate(chunks)

    def states(self, pixels: np.ndarray) -> Iterator[np.ndarray]:
        self.check_pixels(pixels)
        state, spread = pixels, self._spread_pixels
        for matrix, (layer, shape) in zip(self._matrices, self.network.walk()):
            state = _run_layer(layer, matrix, state, shape, spread)
            spread = _spread_bits
            yield state

    def _spread_pixels(self, pixels: np.ndarray, channels: int) -> np.ndarray:
        return self.network.input.codes.astype(np.float32)[pixels]


def _matrix(layer: Layer) -> np.ndarray:
    """(fan-in, out) float32 of ±1."""
    rows = layer.weights.reshape(layer.channels_out, -1)
    matrix = np.empty((layer.fan_in, layer.channels_out), np.float32)
    np.multiply(rows.T, np.float32(2), out=matrix)
    matrix -= 1
    return matrix


def _spread_bits(packed: np.ndarray, channels: int) -> np.ndarray:
    """(…, C) float32 of ±1 from (…, ceil(C/8)) packed bits."""
    signs = _SIGNS[packed].reshape(*packed.shape[:-1], 8 * packed.shape[-1])
    return signs[..., :channels]


def _run_layer(layer: Layer, matrix: np.ndarray, state: np.ndarray, shape: tuple[int, int, int], spread) -> np.ndarray:
    """Packed map (or int32 scores) behind ``layer``; ``state`` is the packed map or the pixels before it."""
    rows_per_image = int(np.prod(layer.conv_shape(shape)[:2]))
    images = max(1, _BLOCK_VALUES // (rows_per_image * layer.fan_in))
    blocks = []
    for start in range(0, max(len(state), 1), images):
        x = spread(state[start:start + images], shape[2])
        acc = _accumulate(layer, matrix, x)
        if layer.thresholds is None:
            blocks.append(acc.astype(np.int32))
        else:
            bits = _pool(acc >= layer.thresholds.astype(np.float32), layer.pool) ^ layer.invert
            bits = bits.reshape(len(bits), *layer.output_shape(shape))
            blocks.append(np.packbits(bits, axis=-1, bitorder="little"))
    return np.concatenate(blocks)


def _accumulate(layer: Layer, matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    if isinstance(layer, BinFc):
        return x.reshape(len(x), layer.fan_in) @ matrix
    if layer.padding:
        value = 1.0 if layer.pad_value == "one" else 0.0
        side = (layer.padding, layer.padding)
        x = np.pad(x, ((0, 0), side, side, (0, 0)), constant_values=value)
    windows = _windows(np.ascontiguousarray(x), layer.kernel, layer.stride)
    n, h, w = windows.shape[:3]
    return (windows.reshape(n * h * w, layer.fan_in) @ matrix).reshape(n, h, w, layer.channels_out)


def _windows(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """(N, H', W', kernel, kernel·C) view of contiguous (N, H, W, C); a window's row is one run of memory."""
    n, h, w, c = x.shape
    out = (n, (h - kernel) // stride + 1, (w - kernel) // stride + 1, kernel, kernel * c)
    sn, sy, sx, sc = x.strides
    return np.lib.stride_tricks.as_strided(x, out, (sn, stride * sy, stride * sx, sy, sc), writeable=False)


def _pool(bits: np.ndarray, pool: int) -> np.ndarray:
    """OR over pool × pool windows of (N, H, W, C) bits; odd sizes are floored."""
    if pool == 1:
        return bits
    h, w = bits.shape[1] // pool, bits.shape[2] // pool
    bits = bits[:, :h * pool, :w * pool]
    parts = [bits[:, y::pool, x::pool] for y in range(pool) for x in range(pool)]
    result = parts[0] | parts[1]
    for part in parts[2:]:
        result |= part
    return result
