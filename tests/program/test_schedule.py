"""Schedules: what fits, where maps lie, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from tools import CHAINS

from pynq_bnn.errors import BackendError
from pynq_bnn.network import BinConv, BinFc, FpConv, InputSpec, Network, OutputSpec, Scores, one_bit_codes, signed_codes
from pynq_bnn.program.config import Config
from pynq_bnn.program.layout import sizes
from pynq_bnn.program.schedule import schedule
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network

OUTPUT = OutputSpec(("a", "b"), np.ones(2, np.float32), np.zeros(2, np.float32))


def conv(kind, cin, out, kernel=1, **options):
    weights = np.zeros((out, kernel, kernel, cin), np.uint8)
    return kind(weights, np.zeros(out, np.int32), np.zeros(out, bool), **options)


def fc(fan_in, out=2, score=True):
    weights = np.zeros((out, fan_in), np.uint8)
    return Scores(weights) if score else BinFc(weights, np.zeros(out, np.int32), np.zeros(out, bool))


def check_places(plan):
    for program in plan.programs:
        spans = [size * program.layout.slots for size in sizes(program.stages)]
        places = [set(range(base, base + span)) for base, span in zip(program.layout.bases, spans)]
        assert all(not place or max(place) < plan.config.buffer_depth for place in places)
        for number, stage in enumerate(program.stages):
            assert stage.in_place or not places[number] & places[number + 1]
            if number > program.layout.frees:
                assert not places[0] & (places[number] | places[number + 1])
        assert not places[0] & places[-1]


def test_maps_of_random_networks_never_touch_what_is_still_used(random_network):
    for seed in range(150):
        network, rng = random_network(seed), np.random.default_rng(seed)
        config = Config(lanes=int(rng.integers(1, 9)), buffer_depth=1024, ring_depth=256)
        check_places(schedule(network, config, int(rng.integers(1, 100))))


@pytest.mark.parametrize("name", CHAINS)
def test_every_network_of_the_tables_fits_the_default_size(name):
    plan = schedule(untrained_network(TOPOLOGIES[name]), images=512)
    check_places(plan)
    assert [p.first for p in plan.programs] == [0, *(p.last + 1 for p in plan.programs[:-1])]


def test_a_large_batch_of_binarynet_is_cut_before_its_heavy_layers_and_one_image_is_not():
    network = untrained_network(TOPOLOGIES["binarynet-cifar10"])
    whole = schedule(network, images=512, cuts=())
    plan = schedule(network, images=512)
    assert len(plan.programs) > 1
    assert plan.cost(512).cycles < 0.8 * whole.cost(512).cycles
    assert len(schedule(network, images=1).programs) == 1


@pytest.mark.parametrize(("height", "layers", "message"), [
    (64, (conv(FpConv, 3, 64),), r"layer 0 \(fp_conv\).*maps need 5,632 of a lane's 4,096 words.*45×45 fit"),
    (8, (conv(FpConv, 3, 8, kernel=5),), "layer 0.*window has 75 pixel values; up to 64 fit"),
    (32, (fc(32 * 32 * 3, 4, False),), "layer 0.*3072 inputs overflow the accumulators"),
    (8, (conv(FpConv, 3, 600), conv(BinConv, 600, 600, kernel=7)), "layer 1.*491 rows|layer 1.*rows of the parameter"),
])
def test_a_network_over_a_limit_is_refused_with_layer_and_limit(height, layers, message):
    shape = height, height, 3
    for layer in layers:
        shape = layer.output_shape(shape)
    network = Network("big", InputSpec(height, height, 3, signed_codes()), (*layers, fc(int(np.prod(shape)))), OUTPUT)
    config = Config(ring_depth=256)
    with pytest.raises(BackendError, match=message):
        schedule(network, config)


def test_the_promised_64_channel_map_of_45_by_45_fits():
    spec = InputSpec(45, 45, 1, one_bit_codes())
    layers = (conv(BinConv, 1, 64), conv(BinConv, 64, 64, pool=4), fc(11 * 11 * 64))
    check_places(schedule(Network("large", spec, layers, OUTPUT), images=1))


def test_cuts_outside_the_network_are_refused(random_network):
    with pytest.raises(BackendError, match="can be cut after layers 0 to"):
        schedule(random_network(1), cuts=(9,))
