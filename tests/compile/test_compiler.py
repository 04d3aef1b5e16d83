"""From torch to integers: the folded network gives torch's sums, layer by layer and for every table."""

import math

import numpy as np
import pytest
import torch
from golden import batch_norm, convolve, dense, max_pool, sign
from models import random_joins, random_topology, randomize

from pynq_bnn.backends import CpuBackend, PopcountBackend, cpu_backend
from pynq_bnn.compile.compiler import check_pictures, compile_checkpoint, pack_model, torch_scores, with_golden
from pynq_bnn.errors import TrainError
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.model.blocks import ConvBlock
from pynq_bnn.network import read_network, write_network
from pynq_bnn.train.checkpoint import input_spec, load_checkpoint, save_checkpoint
from pynq_bnn.zoo import TOPOLOGIES, Conv, Topology

CLASSES = ("a", "b", "c")


def packed(topology, seed, **kwargs):
    model = randomize(BinaryChain(topology, len(CLASSES)), seed, **kwargs)
    return model, pack_model(model, input_spec(topology, "letterbox"), CLASSES, name="t")


RANDOM = [*(pytest.param(random_topology, seed, id=f"chain-{seed}") for seed in range(40)),
          *(pytest.param(random_joins, seed, id=f"joins-{seed}") for seed in range(24))]


@pytest.mark.parametrize(("table", "seed"), RANDOM)
def test_random_networks_equal_torch_in_every_map_and_score(table, seed):
    model, network = packed(table(seed), seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (5, *network.input.shape), dtype=np.uint8)
    network = read_network(write_network(network))
    maps = [torch.from_numpy(network.input.encode(pixels).astype(np.float32)).permute(0, 3, 1, 2).contiguous()]
    with torch.no_grad():
        for node, block in zip(network.nodes, model.blocks):
            maps.append(block(*(maps[source + 1] for source in node.reads)))
    for engine in (CpuBackend(network), PopcountBackend(network), cpu_backend(network)):
        for number, (x, packed_map) in enumerate(zip(maps[1:], engine.states(pixels))):
            expected = (x.permute(0, 2, 3, 1) if x.dim() == 4 else x[:, None, None]) > 0
            found = np.unpackbits(packed_map, axis=-1, bitorder="little")
            assert np.array_equal(found[..., :expected.shape[3]], expected.numpy()), f"layer {number}, {engine.name}"
        assert np.array_equal(engine.scores(pixels), torch_scores(model, network.input, pixels))


def slow_scores(model, topology, q):
    """The chain in slow loops and float64, from the papers (see golden.py)."""
    maps = [q]
    for node, block in zip(topology.nodes(len(CLASSES)), model.blocks):
        x, *others = (maps[source + 1] for source in node.reads)
        norm = [t.detach().double().numpy() for t in (block.norm.weight, block.norm.bias, block.norm.running_mean,
                                                      block.norm.running_var)]
        if isinstance(block, ConvBlock):
            row = block.row
            weights = sign(block.conv.weight.detach().double().numpy()).transpose(0, 2, 3, 1)
            acc = convolve(x, weights, row.stride, row.padding, 1.0 if row.pad_value == "one" else 0.0)
            for term, layer, other in zip(row.terms, block.binary_terms, others):
                weights = sign(layer.weight.detach().double().numpy()).transpose(0, 2, 3, 1)
                acc = acc + convolve(other, weights, term.stride, term.padding, 1.0)
            if row.shortcut is not None:
                acc = acc + (row.shortcut_scale or round(3 * math.sqrt(row.channels))) * others[-1]
            if row.order == "pool-sign":
                x = sign(batch_norm(max_pool(acc, row.pool), *norm, block.norm.eps))
            else:
                x = max_pool(sign(batch_norm(acc, *norm, block.norm.eps)), row.pool)
        else:
            weights = sign(block.fc.weight.detach().double().numpy())
            x = sign(batch_norm(dense(x, weights), *norm, block.norm.eps))
        maps.append(x)
    return dense(maps[-1], sign(model.head.fc.weight.detach().double().numpy()))


@pytest.mark.parametrize("table", [random_topology, random_joins])
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_equal_the_papers_in_slow_loops(table, seed):
    topology = table(1000 + seed)
    model, network = packed(topology, seed, halves=True)
    pixels = np.random.default_rng(seed).integers(0, 256, network.input.shape, dtype=np.uint8)
    q = pixels.astype(float) - 128 if topology.input_bits == 8 else np.where(pixels >= 128, 1.0, -1.0)
    expected = slow_scores(model, topology, q)
    assert CpuBackend(network).scores(pixels[None])[0].tolist() == expected.tolist(), f"seed {seed}"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_published_network_equals_torch(name, seed):
    model, network = packed(TOPOLOGIES[name], seed)
    pixels = check_pictures(network.input.shape, 4)
    assert np.array_equal(CpuBackend(network).scores(pixels), torch_scores(model, network.input, pixels)), seed


def test_golden_image_is_refused_when_integers_and_torch_differ():
    topology = Topology("t", "", 8, 8, 3, 8, (Conv(4),))
    model, network = packed(topology, 1)
    assert with_golden(network, model).golden.scores.tolist() == \
        torch_scores(model, network.input, check_pictures((8, 8, 3), 1))[0].tolist()
    with torch.no_grad():
        model.head.fc.weight.neg_()
    with pytest.raises(TrainError, match="differ on"):
        with_golden(network, model)


@pytest.fixture
def checkpoint(tmp_path):
    topology = Topology("t", "", 8, 8, 3, 8, (Conv(4),), ())
    model = randomize(BinaryChain(topology, 3), 1)
    state = {"topology": topology.to_dict(), "classes": list(CLASSES), "fit": "crop", "config": {}, "temperature": 2.0,
             "model": model.state_dict(), "validation_accuracy": 0.5}
    save_checkpoint(tmp_path / "best.pt", state)
    return tmp_path / "best.pt"


def test_checkpoint_compiles_with_its_classes_fit_and_temperature(checkpoint):
    network = compile_checkpoint(checkpoint.parent, "mine")
    assert (network.name, network.output.classes, network.input.fit) == ("mine", CLASSES, "crop")
    assert network.output.temperature == 2.0
    assert network.provenance["validation_accuracy"] == 0.5


@pytest.mark.parametrize("change", [
    {"topology": Topology("t", "", 8, 8, 3, 8, (Conv(5),)).to_dict()}, {"topology": {"name": "t"}},
    {"classes": ["a", "b"]}, {"model": {}}, {"classes": ["", "b", "c"]}, {"classes": 3}])
def test_checkpoint_that_contradicts_itself_is_refused(checkpoint, change):
    state = {**load_checkpoint(checkpoint), **change}
    save_checkpoint(checkpoint, state)
    with pytest.raises(TrainError):
        compile_checkpoint(checkpoint)


def test_checkpoint_with_values_that_are_not_finite_is_refused(checkpoint):
    state = load_checkpoint(checkpoint)
    state["model"]["blocks.0.norm.running_var"][0] = float("nan")
    save_checkpoint(checkpoint, state)
    with pytest.raises(TrainError, match="running_var holds values that are not finite"):
        compile_checkpoint(checkpoint)
