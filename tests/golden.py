"""Binarized networks as slow loops, from the papers; shares no code with the package.

Courbariaux et al. 2016 (BinaryNet: pool before batch norm), Umuroglu et al. 2017 (CNV: batch norm and sign
before the pool). All values are real numbers: ±1 weights and activations, float64 batch norm.
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def convolve(x: np.ndarray, w: np.ndarray, stride: int, padding: int, pad_value: float) -> np.ndarray:
    """(H, W, C) values and (out, k, k, C) weights to (H', W', out) sums, tap by tap."""
    height, width, _ = x.shape
    out, k = w.shape[:2]
    rows = (height + 2 * padding - k) // stride + 1
    columns = (width + 2 * padding - k) // stride + 1
    sums = np.zeros((rows, columns, out))
    for r, c, ky, kx in itertools.product(range(rows), range(columns), range(k), range(k)):
        y, z = r * stride + ky - padding, c * stride + kx - padding
        inside = 0 <= y < height and 0 <= z < width
        for o in range(out):
            for channel in range(x.shape[2]):
                sums[r, c, o] += w[o, ky, kx, channel] * (x[y, z, channel] if inside else pad_value)
    return sums


def max_pool(x: np.ndarray, side: int) -> np.ndarray:
    rows, columns = x.shape[0] // side, x.shape[1] // side
    result = np.zeros((rows, columns, x.shape[2]))
    for r, c in itertools.product(range(rows), range(columns)):
        result[r, c] = x[r * side:(r + 1) * side, c * side:(c + 1) * side].max(axis=(0, 1))
    return result


def batch_norm(x: np.ndarray, gamma, beta, mean, variance, epsilon: float) -> np.ndarray:
    result = np.zeros(x.shape)
    for place in itertools.product(*(range(s) for s in x.shape)):
        o = place[-1]
        result[place] = (x[place] - mean[o]) / math.sqrt(variance[o] + epsilon) * gamma[o] + beta[o]
    return result


def sign(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1.0, -1.0)


def dense(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A map is read row by row, column by column, channel by channel."""
    flat = [value for row in x for column in row for value in column] if x.ndim == 3 else list(x)
    return np.array([sum(a * b for a, b in zip(flat, row)) for row in w])
