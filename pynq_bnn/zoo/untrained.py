"""A topology with random weights, for benchmarks, since speed does not depend on the values of weights."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..network import InputSpec, Layer, Network, OutputSpec, Scores
from ..network.layers import RowNode
from ..network.topology import Topology

# Standard deviation of uniform 8-bit codes.
_CODE_SPREAD = 74


def untrained_network(topology: Topology, seed: int = 0) -> Network:
    """A network of this topology with random bits, and thresholds distributed like the sums."""
    rng = np.random.default_rng(seed)
    spec = InputSpec(*topology.input_shape, topology.encoding)
    classes = topology.classes or tuple(f"class {i}" for i in range(10))
    *hidden, last = topology.nodes(len(classes))
    layers: list[Layer] = [_random_layer(node, rng) for node in hidden]
    layers.append(Scores(_bits(rng, (len(classes), last.fan_in))))
    ones = np.ones(len(classes), np.float32)
    return Network(topology.name, spec, tuple(layers), OutputSpec(classes, ones, 0 * ones))


def _random_layer(node: RowNode, rng: np.random.Generator) -> Layer:
    row, count, bits = node.layer, node.layer.outputs, node.input.bits
    spread = np.sqrt(node.fan_in) * (_CODE_SPREAD if bits == 8 else 1)
    shape = (count,) if row.shortcut is None else (2, count)
    thresholds = np.clip(np.rint(rng.normal(0, spread, shape)), -node.bound, node.bound).astype(np.int32)
    weights = _bits(rng, row.weights_shape(node.input.shape))
    invert = _bits(rng, (count,)).astype(bool) if row.pools_first else np.zeros(count, bool)
    terms = [_bits(rng, term.layer.weights_shape(term.input.shape)) for term in node.terms]
    return row.folded(node.input, weights, thresholds, invert, terms)


def _bits(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, 2, shape, dtype=np.uint8)
