"""A topology with random weights: for speed, which does not depend on their values."""

from __future__ import annotations

import numpy as np

from ..network import BinConv, BinFc, FpConv, InputSpec, Layer, Network, OutputSpec, one_bit_codes, signed_codes
from .topology import Conv, Row, Topology


def untrained_network(topology: Topology, seed: int = 0) -> Network:
    """A network of this topology whose bits are drawn at random and whose thresholds spread like sums do."""
    rng = np.random.default_rng(seed)
    codes = signed_codes() if topology.input_bits == 8 else one_bit_codes()
    spec = InputSpec(*topology.input_shape, codes, topology.input_bits)
    classes = topology.classes or tuple(f"class {i}" for i in range(10))
    shape, layers = spec.shape, []
    for row in topology.rows:
        first_8_bit = not layers and spec.bits == 8
        layers.append(_random_layer(row, shape, first_8_bit, rng))
        shape = layers[-1].output_shape(shape)
    layers.append(BinFc(_bits(rng, (len(classes), int(np.prod(shape))))))
    ones = np.ones(len(classes), np.float32)
    return Network(topology.name, spec, tuple(layers), OutputSpec(classes, ones, 0 * ones))


def _random_layer(row: Row, shape: tuple[int, int, int], first_8_bit: bool, rng: np.random.Generator) -> Layer:
    conv = isinstance(row, Conv)
    count = row.channels if conv else row.units
    window = (row.kernel, row.kernel, shape[2]) if conv else (int(np.prod(shape)),)
    spread = np.sqrt(np.prod(window)) * (74 if first_8_bit else 1)  # 74: deviation of uniform int8 codes
    bound = np.prod(window) * (128 if first_8_bit else 1)
    thresholds = np.clip(np.rint(rng.normal(0, spread, count)), -bound, bound).astype(np.int32)
    weights = _bits(rng, (count, *window))
    if not conv:
        return BinFc(weights, thresholds, np.zeros(count, bool))
    kind, extra = (FpConv, {}) if first_8_bit else (BinConv, {"pad_value": row.pad_value})
    invert = _bits(rng, (count,)).astype(bool) if row.order == "pool-sign" else np.zeros(count, bool)
    return kind(weights, thresholds, invert, row.stride, row.padding, row.pool, **extra)


def _bits(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape, dtype=np.uint8)
