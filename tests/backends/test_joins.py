"""Networks that are graphs: terms, shortcuts and maps that several layers read, on the engines and in the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slow_layers import check_engines

from pynq_bnn.backends import CpuBackend, PopcountBackend, cpu_backend
from pynq_bnn.errors import BackendError, NetworkError
from pynq_bnn.network import (
    BinConv,
    BinFc,
    ConvTerm,
    FcTerm,
    Network,
    Scores,
    one_bit_codes,
    read_network,
    write_network,
)
from pynq_bnn.program.schedule import schedule

SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
def test_engines_give_what_slow_loops_give_in_every_map(random_graph, seed):
    network = random_graph(seed)
    check_engines((CpuBackend(network), PopcountBackend(network), cpu_backend(network)), seed)


def test_the_random_graphs_have_all_that_joins_can_be(random_graph):
    layers = [layer for seed in SEEDS for layer in random_graph(seed).layers]
    joins = [layer for layer in layers if isinstance(layer, BinConv) and layer.terms]
    assert {len(layer.terms) for layer in joins} == {1, 2, 3}
    assert {layer.shortcut is None for layer in joins} == {True, False}
    assert any(layer.shortcut is not None and not layer.terms for layer in layers if isinstance(layer, BinConv))
    assert any(layer.terms for layer in layers if isinstance(layer, Scores))


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_and_blocks_change_no_score(random_graph, seed, monkeypatch):
    network = random_graph(seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (5, *network.input.shape), dtype=np.uint8)
    expected = CpuBackend(network).scores(pixels)
    assert np.array_equal(PopcountBackend(network).scores(pixels), expected)
    assert np.array_equal(cpu_backend(network, threads=2).scores(pixels), expected)
    monkeypatch.setattr("pynq_bnn.backends.cpu._BLOCK_VALUES", 1)
    assert np.array_equal(CpuBackend(network).scores(pixels), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_graph_comes_back_from_its_file(random_graph, seed):
    network = random_graph(seed)
    content = write_network(network)
    assert content[8] == (1 if all(node.reads == (node.index - 1,) for node in network.nodes) else 2)
    back = read_network(content)
    assert write_network(back) == content
    assert [node.reads for node in back.nodes] == [node.reads for node in network.nodes]
    pixels = np.random.default_rng(seed).integers(0, 256, (2, *network.input.shape), dtype=np.uint8)
    assert np.array_equal(CpuBackend(back).scores(pixels), CpuBackend(network).scores(pixels))


def test_weight_bits_bounds_and_macs_count_the_terms(random_graph):
    network = next(random_graph(seed) for seed in SEEDS if any(layer.terms for layer in random_graph(seed).layers))
    for node in network.nodes:
        weights = [node.layer.weights, *(term.weights for term in node.layer.terms)]
        assert node.weight_bits == sum(array.size for array in weights)
        assert node.macs == node.weight_bits * node.sums[0] * node.sums[1]
        largest = 128 if node.source < 0 and network.input.bits == 8 else 1
        assert node.bound == weights[0][0].size * largest + sum(array[0].size for array in weights[1:])


def test_maps_are_dropped_after_their_last_use(random_graph):
    for seed in SEEDS:
        network, alive = random_graph(seed), {-1}
        for node, unused in zip(network.nodes, network.unused_after):
            assert set(node.reads) <= alive
            alive = (alive | {node.index}) - set(unused)
        assert alive == {len(network.layers) - 1}


def test_the_accelerator_of_chains_refuses_a_join(random_graph):
    network = next(random_graph(seed) for seed in SEEDS if any(layer.terms for layer in random_graph(seed).layers))
    with pytest.raises(BackendError, match="layer . .*joins several maps, which this accelerator cannot compute"):
        schedule(network)


def bits(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 2, shape, dtype=np.uint8)


def rule(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(shape, np.int32), np.zeros(shape[-1], bool)


def term(**changes):
    return {"weights": bits(4, 1, 1, 4), "source": 0, **changes}


BAD = {
    "a map of a later layer": (dict(source=2), "layer 2 .*reads the map 2"),
    "a map before the picture": (dict(source=-2), "reads the map -2"),
    "a term of the picture": (dict(terms=[term(source=-1, weights=bits(4, 1, 1, 1))]), "term 0: it reads the picture"),
    "a term of a later map": (dict(terms=[term(), term(source=5)]), "term 1: it reads the map 5"),
    "a term of other channels": (dict(terms=[term(weights=bits(4, 1, 1, 3))]), "term 0: 4 channels come in"),
    "a term of another size": (dict(terms=[term(stride=2)]), r"term 0: its sums are \(3, 3, 4\)"),
    "a term of other outputs": (dict(terms=[term(weights=bits(3, 1, 1, 4))]), "a term of 3 outputs"),
    "a term padded with nothing": (dict(terms=[term(pad_value="zero")]), "pad_value is 'zero'"),
    "a product as term": (dict(terms=[FcTerm(bits(4, 144), 0)]), "a term of type FcTerm"),
    "a shortcut of a later map": (dict(shortcut=2, rule=rule(2, 4)), "shortcut is the map 2"),
    "a shortcut that is the picture": (dict(shortcut=-1, rule=rule(2, 4)), "shortcut is the map -1"),
    "two thresholds without a shortcut": (dict(rule=rule(2, 4)), "thresholds of shape"),
    "one threshold with a shortcut": (dict(shortcut=0), "thresholds of shape"),
    "a shortcut and a pool": (dict(shortcut=0, rule=rule(2, 4), pool=2), "no pool"),
    "a shortcut of another shape": (dict(shortcut=0, rule=rule(2, 4), stride=2), "shortcut is a map of"),
}


@pytest.mark.parametrize(("changes", "says"), BAD.values(), ids=BAD)
def test_a_join_that_does_not_fit_is_refused_and_named(random_network, changes, says):
    changes = dict(changes)
    base = random_network(0)
    spec = replace(base.input, height=6, width=6, channels=1, encoding=one_bit_codes())
    with pytest.raises(NetworkError, match=says):
        joined(spec, base.output, changes)


def joined(spec, output, changes) -> Network:
    """Two convolutions of four channels, and a third with ``changes``."""
    terms = tuple(t if isinstance(t, FcTerm) else ConvTerm(**t) for t in changes.pop("terms", ()))
    join = BinConv(bits(4, 1, 1, 4), *changes.pop("rule", rule(4)), terms=terms, **changes)
    layers = (BinConv(bits(4, 1, 1, 1), *rule(4)), BinConv(bits(4, 1, 1, 4), *rule(4)), join)
    return Network("n", spec, (*layers, Scores(bits(len(output.classes), 144))), output)


def test_a_map_that_no_layer_reads_is_refused(random_network):
    base = random_network(0)
    spec = replace(base.input, height=2, width=2, channels=1, encoding=one_bit_codes())
    layers = (BinFc(bits(4, 4), *rule(4)), BinFc(bits(4, 4), *rule(4), source=-1))
    with pytest.raises(NetworkError, match="layer 0 .*no layer reads its map"):
        Network("n", spec, (*layers, Scores(bits(len(base.output.classes), 4))), base.output)
