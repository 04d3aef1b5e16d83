"""The Brevitas model of a table: integer sums, both orders, 1-bit weights everywhere."""

import pytest
import torch
from models import random_topology, randomize

from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.zoo import TOPOLOGIES, Conv, Fc, Topology


@pytest.mark.parametrize("seed", range(10))
def test_every_sum_is_an_integer(seed):
    topology = random_topology(seed)
    model = randomize(BinaryChain(topology, 3), seed)
    x = torch.randint(-128, 128, (2, topology.channels, topology.height, topology.width)).float()
    with torch.no_grad():
        for block in (*model.blocks, model.head):
            acc = block.accumulate(x)
            assert torch.equal(acc, acc.round()), f"seed {seed}"
            x = block(x)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_published_tables_have_as_many_binary_weights_as_published(name):
    topology = TOPOLOGIES[name]
    with torch.device("meta"):
        model = BinaryChain(topology, 10)
    assert sum(layer.weight.numel() for layer in model.binary_layers()) == \
        sum(row.weight_bits for row in topology.nodes())
    assert all(layer.bias is None for layer in model.binary_layers())


def test_a_map_is_flattened_as_y_x_channel():
    model = BinaryChain(Topology("t", "", 2, 2, 3, 8, (Fc(4),)), 2)
    x = torch.arange(12.0).reshape(1, 3, 2, 2)
    weights = model.blocks[0].fc.quant_weight().value
    expected = weights @ torch.tensor([float(x[0, c, y, z]) for y in (0, 1) for z in (0, 1) for c in range(3)])
    assert torch.equal(model.blocks[0].accumulate(x)[0], expected)


def test_order_decides_whether_the_pool_sees_sums_or_signs():
    for order, expected in (("sign-pool", 1.0), ("pool-sign", -1.0)):
        topology = Topology("t", "", 2, 2, 1, 8, (Conv(1, kernel=1, pool=2, order=order),))
        block = BinaryChain(topology, 2).eval().blocks[0]
        with torch.no_grad():
            block.conv.weight.fill_(1)
            block.norm.weight.fill_(-1)  # falling: the largest sum gives −1, the smallest +1
        assert block(torch.tensor([[[[-1.0, 1.0], [1.0, 1.0]]]])).item() == expected


def test_clipping_keeps_latent_weights_in_reach():
    model = BinaryChain(Topology("t", "", 4, 4, 1, 8, (Conv(2),)), 2)
    with torch.no_grad():
        model.head.fc.weight.fill_(3)
    model.clip_weights()
    assert max(float(layer.weight.detach().abs().max()) for layer in model.binary_layers()) == 1
