"""Synthetic BNN-PYNQ folders, and a slow evaluation of that format's own rule.

Written from the description of the format; nothing here comes from the reader in ``pynq_bnn.interop``.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

# (MW inputs, MH neurons, SIMD, PE)
SHAPES = {
    "cnvW1A1": [(27, 64, 3, 16), (576, 64, 32, 32), (576, 128, 32, 16), (1152, 128, 32, 16), (1152, 256, 32, 4),
                (2304, 256, 32, 1), (256, 512, 4, 1), (512, 512, 8, 1), (512, 64, 1, 4)],
    "lfcW1A1": [(832, 1024, 64, 32), (1024, 1024, 32, 64), (1024, 1024, 64, 32), (1024, 64, 8, 16)],
}


@dataclass
class Parameters:
    """Per layer: weights (MH, MW) of 0 and 1, thresholds (MH,) or None."""

    kind: str
    weights: list
    thresholds: list


def random_parameters(kind: str, seed: int) -> Parameters:
    """Weights at random; thresholds near the middle of the sums, some at and beyond the ends of their range."""
    rng = np.random.default_rng(seed)
    weights, thresholds = [], []
    for layer, (mw, mh, _, _) in enumerate(SHAPES[kind]):
        bits = rng.integers(0, 2, (mh, mw))
        middle, width, ends = mw // 2, int(math.sqrt(mw)), [-5, -1, 0, mw - 1, mw, mw + 1, 32767]
        if kind == "lfcW1A1" and layer == 0:
            bits[:, 784:], middle = 1, 392
        if kind == "cnvW1A1" and layer == 0:
            middle, width, ends = 0, 900, [-32768, -6913, -6912, 6911, 6912, 32767]
        values = middle + rng.integers(-width, width + 1, mh)
        extreme = rng.random(mh) < 0.1
        values[extreme] = rng.choice(ends, int(extreme.sum()))
        weights.append(bits)
        thresholds.append(None if kind == "cnvW1A1" and layer == 8 else values)
    return Parameters(kind, weights, thresholds)


def write_folder(folder: Path, parameters: Parameters, classes: int, *, short: bool = False) -> Path:
    """Write the folder; ``short`` drops the zero words at the end of each file."""
    folder.mkdir(parents=True)
    for layer, (mw, mh, simd, pe_count) in enumerate(SHAPES[parameters.kind]):
        for pe in range(pe_count):
            words, limits = [], []
            for nf in range(mh // pe_count):
                neuron = nf * pe_count + pe
                row = parameters.weights[layer][neuron].tolist()
                for sf in range(mw // simd):
                    words.append(sum(row[sf * simd + i] << i for i in range(simd)))
                if parameters.thresholds[layer] is not None:
                    limits.append(int(parameters.thresholds[layer][neuron]))
            _write(folder / f"{layer}-{pe}-weights.bin", "<Q", words, short)
            if limits:
                _write(folder / f"{layer}-{pe}-thres.bin", "<q", limits, short)
    (folder / "classes.txt").write_bytes("\r\n".join(f"sign {i}" for i in range(classes)).encode() + b"\r\n\r\n")
    return folder


def _write(path: Path, word: str, values: list[int], short: bool) -> None:
    while short and values and values[-1] == 0:
        values.pop()
    path.write_bytes(b"".join(struct.pack(word, value) for value in values))


# --- the format's own rule ---------------------------------------------------------------------------

def cnv_code(pixel: int) -> int:
    """q = clamp(floor(128·(2p/255 − 1) + 0.5), −128, 127) in exact fractions."""
    value = 128 * (Fraction(2 * pixel, 255) - 1) + Fraction(1, 2)
    return max(-128, min(127, math.floor(value)))


def cnv_maps(parameters: Parameters, image: np.ndarray) -> list[np.ndarray]:
    """The bits behind each hidden layer, then the popcounts of all 64 rows, for one (32, 32, 3) image."""
    codes = np.array([cnv_code(p) for p in range(256)])[image]
    signs = 2 * parameters.weights[0] - 1
    sums = _slide(codes, lambda window: 2 * (signs * window).sum(axis=1))
    bits = parameters.thresholds[0] < sums
    maps = [bits]
    for layer in range(1, 6):
        counts = _slide(bits, partial(_popcounts, parameters.weights[layer]))
        bits = parameters.thresholds[layer] < counts
        if layer in (1, 3):
            bits = _or_pool(bits)
        maps.append(bits)
    assert bits.shape == (1, 1, 256)
    return maps + _dense(parameters, (6, 7, 8), bits.reshape(-1))


def lfc_maps(parameters: Parameters, image: np.ndarray) -> list[np.ndarray]:
    """The bits behind each hidden layer, then the popcounts of all 64 rows, for one (28, 28, 1) image."""
    inputs = [int(p >= 128) for p in image.reshape(-1)] + [0] * 48
    return _dense(parameters, (0, 1, 2, 3), np.array(inputs))


def lfc_class(parameters: Parameters, popcounts: np.ndarray, classes: int) -> int:
    """Highest set bit among the first rows; the host code of that project starts from 0."""
    answer = 0
    for row in range(classes):
        if parameters.thresholds[3][row] < popcounts[row]:
            answer = row
    return answer


def _dense(parameters: Parameters, layers: tuple[int, ...], bits: np.ndarray) -> list[np.ndarray]:
    maps = []
    for layer in layers:
        counts = _popcounts(parameters.weights[layer], bits)
        if layer == layers[-1]:
            maps.append(counts)
        else:
            bits = parameters.thresholds[layer] < counts
            maps.append(bits)
    return maps


def _popcounts(weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Number of equal bits in each row."""
    return (weights == inputs[None]).sum(axis=1)


def _slide(maps: np.ndarray, rule) -> np.ndarray:
    """``rule`` of each 3×3 window, its values in the order ky, kx, channel; no padding."""
    height, width, _ = maps.shape
    rows = []
    for y in range(height - 2):
        rows.append([rule(maps[y:y + 3, x:x + 3].reshape(-1)) for x in range(width - 2)])
    return np.array(rows)


def _or_pool(bits: np.ndarray) -> np.ndarray:
    height, width, channels = bits.shape
    pooled = np.zeros((height // 2, width // 2, channels), bool)
    for y in range(height // 2):
        for x in range(width // 2):
            pooled[y, x] = bits[2 * y:2 * y + 2, 2 * x:2 * x + 2].any(axis=(0, 1))
    return pooled
