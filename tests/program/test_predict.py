"""Predicted cycles against sums by hand; tests/backends/test_rtl_bench.py holds them against the simulated core."""

from __future__ import annotations

import numpy as np
import pytest

from pynq_bnn.network import BinFc, FpConv, InputSpec, Network, OutputSpec, Scores, one_bit_codes, signed_codes
from pynq_bnn.program.config import Config
from pynq_bnn.program.predict import MemoryRate
from pynq_bnn.program.schedule import schedule

# Cycles that hw/README.md gives for a layer, for a tile, for a run's start and end, for a group's results and for each
# 16 scores of an image besides their planes.
LAYER, TILE, RUN, END, RESULTS, SIXTEEN = 48, 9, 165, 60, 45, 6
AT_ONCE = MemoryRate(rate=1e12, latency=0)


def rules(count):
    return np.zeros(count, np.int32), np.zeros(count, bool)


def network_of(spec, *layers):
    count = layers[-1].outputs
    output = OutputSpec(tuple(str(c) for c in range(count)), np.ones(count), np.zeros(count))
    return Network("t", spec, layers, output)


def dense(classes=10):
    """1-bit pixels: 784 inputs (13 words), 100 units (2 words), and the scores."""
    return network_of(InputSpec(28, 28, 1, one_bit_codes()), BinFc(np.zeros((100, 784), np.uint8), *rules(100)),
                      Scores(np.zeros((classes, 100), np.uint8)))


def groups(images, lanes, slots):
    """Images of each group: as many as lanes and slots hold, and the rest."""
    return [min(lanes * slots, images - first) for first in range(0, images, lanes * slots)]


@pytest.mark.parametrize("images", [1, 7, 8, 9, 64, 65, 333])
@pytest.mark.parametrize("classes", [10, 17])
def test_with_memory_that_gives_all_at_once_cycles_are_steps_and_what_lies_between_them(images, classes):
    config = Config(lanes=4, pe=32)
    plan = schedule(dense(classes), config, cuts=(), slots=2)
    # 100 units are 4 tiles of 13 steps an image; the scores one tile of 2 words and the planes of the sum.
    tiles = [(4, 13), (1, 2 + config.acc_width - 1)]
    cycles, steps = RUN + END, 0
    for group in groups(images, 4, 2):
        slots = -(-group // 4)
        cycles += sum(LAYER + count * (slots * each + TILE) for count, each in tiles)
        cycles += RESULTS + group * (-(-classes // 16) * (config.acc_width + SIXTEEN) + -(-classes // 2))
        steps += slots * sum(count * each for count, each in tiles)
    cost = plan.cost(images, AT_ONCE)
    assert cost.steps == steps
    # An odd number of classes is rounded up to whole words, which may begin another 16.
    assert cost.cycles == pytest.approx(cycles, abs=1)
    assert cost.cycles_per_image == pytest.approx(cycles / images, abs=1)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.772])
@pytest.mark.parametrize("images", [1, 30, 500])
def test_no_batch_is_faster_than_its_memory_or_its_array_nor_slower_than_one_after_the_other(random_network, rate,
                                                                                             images):
    for seed in range(40):
        config = Config(lanes=3, pe=16, buffer_depth=1024, ring_depth=256)
        plan = schedule(random_network(seed), config, images, cuts=(), slots=1 + seed % 5)
        program, cost = plan.programs[0], plan.cost(images, MemoryRate(rate, 40))
        number = len(groups(images, 3, program.layout.slots))
        parameters = number * sum(stage.tiles * stage.rows * 16 for stage in program.stages if stage.rows)
        pixels = images * program.in_words
        # The model lets some parameters come while images do: up to 7 % too few cycles where both are equally heavy.
        assert cost.cycles >= 0.93 * max(cost.steps, (parameters + pixels) / rate), seed
        assert cost.cycles >= cost.steps, seed
        between = RUN + END + number * (RESULTS + sum(LAYER + TILE * stage.tiles for stage in program.stages))
        between += images * (4 * (config.acc_width + SIXTEEN) + program.out_words) + number * (40 + 200 / rate)
        gathering = sum(stage.gather * stage.tiles for stage in program.stages) * images
        assert cost.cycles <= cost.steps + gathering + (parameters + pixels) / rate + between, seed


def test_results_that_are_maps_are_written_at_the_rate_of_the_memory():
    spec = InputSpec(16, 16, 3, signed_codes())
    network = network_of(spec, FpConv(np.zeros((64, 3, 3, 3), np.uint8), *rules(64)),
                         Scores(np.zeros((2, 14 * 14 * 64), np.uint8)))
    plan = schedule(network, Config(), 80, cuts=(0,), slots=2)
    maps = plan.programs[0]
    assert (maps.in_words, maps.out_words) == (96, 196)
    slow, slower = (plan.cost(80, MemoryRate(rate, 40)).cycles for rate in (0.05, 0.025))
    # Images and maps of the first program, maps of the second; parameters of both, once a group.
    words = 80 * (96 + 2 * 196)
    for program in plan.programs:
        words += len(groups(80, 8, program.layout.slots)) * sum(32 * s.tiles * s.rows for s in program.stages)
    # Reading goes on while results are written, and the model lets parameters come while images do.
    assert 0.7 * words * (1 / 0.025 - 1 / 0.05) <= slower - slow <= 1.02 * words * (1 / 0.025 - 1 / 0.05)


def test_a_schedules_memory_for_an_image_is_its_pixels_the_maps_between_programs_and_its_scores():
    network = dense()
    assert schedule(network, cuts=()).image_bytes == 8 * (13 + 5)
    assert schedule(network, cuts=(0,)).image_bytes == 8 * (13 + 2 + 5)


def test_images_are_loaded_while_later_layers_compute_where_there_is_room():
    plan = schedule(dense(), Config(lanes=1), 100, cuts=(), slots=3)
    layout = plan.programs[0].layout
    assert layout.frees == 0
    # The same network where the memory holds barely two maps has to wait.
    spec = InputSpec(28, 28, 1, one_bit_codes())
    tight = network_of(spec, BinFc(np.zeros((3200, 784), np.uint8), *rules(3200)),
                       BinFc(np.zeros((832, 3200), np.uint8), *rules(832)), Scores(np.zeros((2, 832), np.uint8)))
    layout = schedule(tight, Config(lanes=1, pe=8, buffer_depth=64), 1, cuts=(), slots=1).programs[0].layout
    assert layout.frees > 0


@pytest.mark.parametrize("simd", [16, 32, 64])
@pytest.mark.parametrize(("channels", "kernel", "stride", "padding"), [(1, 7, 1, 3), (1, 7, 2, 0), (3, 4, 1, 2),
                                                                      (3, 3, 1, 1), (1, 1, 2, 0)])
def test_what_an_8_bit_window_takes_is_counted_window_by_window(channels, kernel, stride, padding, simd):
    """Of each row of a window the 64-bit words that hold its pixels are read, one a cycle, and one more cycle; eight
    planes in 64/SIMD parts are computed meanwhile. What counts as work are real pixels, in each plane and channel."""
    height, width, out = 11, 13, 9
    conv = FpConv(np.zeros((out, kernel, kernel, channels), np.uint8), *rules(out), stride, padding)
    rows, columns, _ = conv.output_shape((height, width, channels))
    network = network_of(InputSpec(height, width, channels, signed_codes()), conv,
                         Scores(np.zeros((2, rows * columns * out), np.uint8)))
    stage = schedule(network, Config(simd=simd, ring_depth=2048), 1, cuts=(0,)).programs[0].stages[0]
    parts, waits, pixels = 64 // simd, 0, 0
    for y, x in np.ndindex(rows, columns):
        taps = [(y * stride - padding + ky, x * stride - padding + kx) for ky, kx in np.ndindex(kernel, kernel)]
        taps = [(ty, tx) for ty, tx in taps if 0 <= ty < height and 0 <= tx < width]
        words = {(ty, ((ty * width + tx) * channels + c) // 8) for ty, tx in taps for c in range(channels)}
        waits += max(0, len(words) + 1 - 8 * parts)
        pixels += len(taps) * channels
    assert (stage.steps, stage.gather, stage.work) == (rows * columns * 8 * parts, waits, 8 * pixels * out)


@pytest.mark.parametrize("simd", [16, 32, 64])
def test_a_dense_first_layer_on_8_bit_pixels_takes_eight_planes_and_bytes_turned_into_them(simd):
    network = network_of(InputSpec(10, 10, 1, signed_codes()), BinFc(np.zeros((40, 100), np.uint8), *rules(40)),
                         Scores(np.zeros((2, 40), np.uint8)))
    turned, first, last = schedule(network, Config(simd=simd), 1, cuts=()).programs[0].stages
    assert (turned.steps, turned.work, turned.in_place) == (2 * 8 * 64 // simd, 0, True)
    assert (first.steps, first.work) == (2 * 8 * 64 // simd, 8 * 40 * 100)
    assert (last.steps, last.work) == (64 // simd + Config().acc_width - 1, 2 * 40)
    assert (first.gather, last.gather) == (0, 0)
