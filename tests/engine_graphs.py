"""Random graphs of the engine's layers, and their maps by plain loops over ±1 integers."""

from __future__ import annotations

import numpy as np

from pynq_bnn.engine import PICTURE, BitLayer, PixelLayer, Source

CHANNELS = (1, 3, 5, 8, 9, 16, 31, 64, 67, 128)


class Graph:
    """``seed`` decides everything: picture, layers, terms, shortcuts."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.shape = (*(int(side) for side in rng.integers(4, 11, 2)), int(rng.choice([1, 3])))
        self.one_bit, self.codes = None, None
        self.layers: list[BitLayer | PixelLayer] = []
        if rng.random() < 0.5:
            self.one_bit = (np.arange(256) >= rng.integers(1, 256)).astype(np.uint8)
            self.shapes = {PICTURE: self.shape}
        else:
            self.codes = np.arange(-128, 128) if rng.random() < 0.6 else rng.integers(0, 256, 256)
            self.shapes = {}
            self._add(self._pixel_layer())
        for _ in range(int(rng.integers(0, 5))):
            self._add(self._bit_layer())
        self._add(self._score_layer())
        self.pixels = rng.integers(0, 256, (int(rng.integers(1, 6)), *self.shape), dtype=np.uint8)

    def _add(self, layer) -> None:
        first = layer if isinstance(layer, PixelLayer) else layer.sources[0]
        shape = self.shape if isinstance(layer, PixelLayer) else self.shapes[first.map]
        sides = [size // layer.pool for size in conv_sides(shape, first)]
        self.shapes[len(self.layers)] = (*sides, len(first.weights))
        self.layers.append(layer)

    def _window(self, shape):
        """Kernel (two sides), stride, padding that fit a map."""
        rng = self.rng
        kernel = [int(rng.integers(1, min(7, side) + 1)) for side in shape[:2]]
        if rng.random() < 0.1:
            return list(shape[:2]), 1, 0
        return kernel, int(rng.integers(1, 3)), int(rng.integers(0, min(kernel)))

    def _pixel_layer(self) -> PixelLayer:
        kernel, stride, padding = self._window(self.shape)
        out, sides = int(self.rng.choice(CHANNELS)), conv_size(self.shape, kernel, stride, padding)
        weights = self.rng.integers(0, 2, (out, *kernel, self.shape[2]), dtype=np.uint8)
        spread = 74 * np.sqrt(weights[0].size)
        return PixelLayer(weights, self.codes.astype(np.int16), self.rng.normal(0, spread, out).astype(np.int32),
                          self.rng.random(out) < 0.3, stride, padding, self._pool(sides))

    def _pool(self, sides) -> int:
        return int(self.rng.choice([pool for pool in (1, 2, 4) if min(sides) >= pool]))

    def _bit_layer(self) -> BitLayer:
        rng = self.rng
        read = int(rng.choice(list(self.shapes)))
        shape, out = self.shapes[read], int(rng.choice(CHANNELS))
        kernel, stride, padding = self._window(shape)
        sides = conv_size(shape, kernel, stride, padding)
        alike = [index for index, other in self.shapes.items() if other[:2] == tuple(sides) and index != PICTURE]
        shortcut = int(rng.choice(alike)) if alike and rng.random() < 0.6 else None
        if shortcut is not None:
            out = self.shapes[shortcut][2]
        sources = [self._source(read, out, kernel, stride, padding), *self._terms(sides, out)]
        spread = np.sqrt(sum(source.weights[0].size for source in sources))
        rows = (out,) if shortcut is None else (2, out)
        return BitLayer(sources, rng.normal(0, spread, rows).astype(np.int32), rng.random(out) < 0.3,
                        1 if shortcut is not None else self._pool(sides), shortcut)

    def _terms(self, sides, out: int) -> list[Source]:
        """Up to two more convolutions with the same positions."""
        terms = []
        for _ in range(int(self.rng.integers(0, 3))):
            read = int(self.rng.choice(list(self.shapes)))
            for _ in range(20):
                kernel, stride, padding = self._window(self.shapes[read])
                if conv_size(self.shapes[read], kernel, stride, padding) == sides:
                    terms.append(self._source(read, out, kernel, stride, padding))
                    break
        return terms

    def _source(self, read: int, out: int, kernel, stride: int, padding: int) -> Source:
        weights = self.rng.integers(0, 2, (out, *kernel, self.shapes[read][2]), dtype=np.uint8)
        return Source(read, weights, stride, padding, [None, 0, 1][int(self.rng.integers(0, 3))])

    def _score_layer(self):
        """Fully connected, of one map or two; of the picture itself where there is no other layer."""
        classes = int(self.rng.integers(1, 20))
        if not self.shapes:
            weights = self.rng.integers(0, 2, (classes, *self.shape), dtype=np.uint8)
            return PixelLayer(weights, self.codes.astype(np.int16))
        reads = self.rng.choice(list(self.shapes), int(self.rng.integers(1, 3)))
        return BitLayer([self._source(int(read), classes, self.shapes[int(read)][:2], 1, 0) for read in reads])


def conv_size(shape, kernel, stride: int, padding: int) -> list[int]:
    return [(size + 2 * padding - side) // stride + 1 for size, side in zip(shape[:2], kernel)]


def conv_sides(shape, source) -> list[int]:
    return conv_size(shape, source.weights.shape[1:3], source.stride, source.padding)


def slow_states(graph: Graph, image: np.ndarray) -> list[np.ndarray]:
    """Of each layer (H, W, C) bits, or (K,) sums, for one (H, W, C) picture."""
    maps = {} if graph.one_bit is None else {PICTURE: graph.one_bit[image].astype(np.int64)}
    states = []
    for index, layer in enumerate(graph.layers):
        if isinstance(layer, PixelLayer):
            acc = _conv(graph.codes[image], layer.weights, layer.stride, layer.padding, 0)
        else:
            acc = sum(_conv(2 * maps[source.map] - 1, source.weights, source.stride, source.padding,
                            {None: 0, 0: -1, 1: 1}[source.fill]) for source in layer.sources)
        if layer.thresholds is None:
            states.append(acc.reshape(-1))
            continue
        shortcut = None if isinstance(layer, PixelLayer) or layer.shortcut is None else maps[layer.shortcut]
        thresholds = layer.thresholds if shortcut is None else np.where(shortcut, *layer.thresholds[::-1])
        maps[index] = _pool(acc >= thresholds, layer.pool) ^ layer.invert
        states.append(maps[index].astype(np.uint8))
    return states


def _conv(values: np.ndarray, weights: np.ndarray, stride: int, padding: int, fill: int) -> np.ndarray:
    padded = np.pad(values, ((padding, padding), (padding, padding), (0, 0)), constant_values=fill)
    out, ky, kx, _ = weights.shape
    height, width = conv_size(values.shape, (ky, kx), stride, padding)
    acc = np.zeros((height, width, out), np.int64)
    for y in range(height):
        for x in range(width):
            window = padded[y * stride:y * stride + ky, x * stride:x * stride + kx]
            acc[y, x] = (window * (2 * weights.astype(np.int64) - 1)).sum(axis=(1, 2, 3))
    return acc


def _pool(bits: np.ndarray, pool: int) -> np.ndarray:
    height, width = bits.shape[0] // pool, bits.shape[1] // pool
    return np.array([[bits[y * pool:(y + 1) * pool, x * pool:(x + 1) * pool].any(axis=(0, 1)) for x in range(width)]
                     for y in range(height)])
