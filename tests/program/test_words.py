"""A program's words, read by the tables of hw/README.md and carried out in slow Python, give the network's integers."""

from __future__ import annotations

import numpy as np
import pytest
from lane import Lane

from pynq_bnn.backends import CpuBackend
from pynq_bnn.network import (
    BinConv,
    BinFc,
    ByteCodes,
    FpConv,
    InputSpec,
    Network,
    OutputSpec,
    Scores,
    one_bit_codes,
    signed_codes,
)
from pynq_bnn.program.config import Config
from pynq_bnn.program.pack import pack_images, pack_program, unpack_map, unpack_scores
from pynq_bnn.program.schedule import schedule


def check(network, config, images, note, **options):
    """Every program of the schedule gives the map or the scores behind its last layer."""
    pixels = np.random.default_rng(images).integers(0, 256, (images, *network.input.shape), dtype=np.uint8)
    expected, shapes = list(CpuBackend(network).states(pixels)), [node.input.shape for node in network.nodes]
    words = pack_images(network, pixels)
    plan = schedule(network, config, images * config.lanes, **options)
    for program in plan.programs:
        lane = Lane(pack_program(network, program, config), config.pe, config.buffer_depth, config.acc_width)
        words = lane.run(words)
        assert words.shape == (images, program.out_words)
        found = (unpack_scores(words, program.classes) if program.classes
                 else unpack_map(words, shapes[program.last + 1]))
        assert np.array_equal(found, expected[program.last]), f"{note}, layer {program.last}"
    return plan


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_whole_and_cut_behind_every_layer(random_network, seed):
    network = random_network(3000 + seed)
    config = Config(lanes=2, pe=(8, 16)[seed % 2], simd=64, buffer_depth=1024, ring_depth=256)
    check(network, config, 3, seed, cuts=(), slots=1 + seed % 3)
    check(network, config, 2, seed, cuts=tuple(range(len(network.layers) - 1)), slots=2)


def bits(rng, *shape):
    return rng.integers(0, 2, shape, dtype=np.uint8)


def rules(rng, count, spread):
    return rng.integers(-spread, spread + 1, count).astype(np.int32), bits(rng, count).astype(bool)


def network_of(spec, layers, classes):
    names = tuple(str(c) for c in range(classes))
    return Network("t", spec, layers, OutputSpec(names, np.ones(classes), np.zeros(classes)))


def test_more_than_64_channels_and_classes_and_padding_with_ones_are_right():
    rng = np.random.default_rng(1)
    layers = (FpConv(bits(rng, 70, 3, 3, 3), *rules(rng, 70, 900), padding=1, pool=2),
              BinConv(bits(rng, 67, 3, 3, 70), *rules(rng, 67, 20), padding=2, stride=2, pad_value="one"),
              Scores(bits(rng, 66, 9 * 67)))
    network = network_of(InputSpec(7, 6, 3, signed_codes()), layers, 66)
    plan = check(network, Config(lanes=1, pe=64, ring_depth=64), 2, "wide", cuts=())
    assert len(plan.programs) == 1


@pytest.mark.parametrize("codes", [signed_codes(), ByteCodes(np.arange(256)), ByteCodes(255 - np.arange(256))])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_fully_connected_first_layer_on_8_bit_pixels_is_right(codes, layers):
    rng = np.random.default_rng(layers)
    hidden = (BinFc(bits(rng, 9, 75), *rules(rng, 9, 3000)),) if layers == 2 else ()
    network = network_of(InputSpec(5, 5, 3, codes), (*hidden, Scores(bits(rng, 3, 9 if hidden else 75))), 3)
    check(network, Config(lanes=1, pe=8, acc_width=24), 3, "planes")


@pytest.mark.parametrize("threshold", [-49 * 128, -128, -127, -1, 0, 1, 127, 128, 49 * 128 + 1])
def test_thresholds_from_end_to_end_are_right_on_8_bit_pixels(threshold):
    rng = np.random.default_rng(abs(threshold))
    conv = FpConv(bits(rng, 9, 7, 7, 1), np.full(9, threshold, np.int32), bits(rng, 9).astype(bool), padding=3)
    network = network_of(InputSpec(4, 4, 1, signed_codes()), (conv, Scores(bits(rng, 2, 4 * 4 * 9))), 2)
    check(network, Config(lanes=1, pe=8), 3, threshold, cuts=(0,))


def test_one_bit_pixels_of_three_channels_are_right_in_either_first_layer():
    rng = np.random.default_rng(8)
    spec = InputSpec(5, 6, 3, one_bit_codes(100))
    conv = BinConv(bits(rng, 9, 2, 2, 3), *rules(rng, 9, 4))
    check(network_of(spec, (conv, Scores(bits(rng, 2, 4 * 5 * 9))), 2), Config(lanes=1, pe=8), 3, "conv")
    check(network_of(spec, (Scores(bits(rng, 2, 90)),), 2), Config(lanes=1, pe=8), 3, "fc")
