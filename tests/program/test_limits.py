"""What the accelerator takes and what it does not, at the last size that fits and the first that does not."""

from __future__ import annotations

import numpy as np
import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.network import BinConv, BinFc, FpConv, InputSpec, Network, OutputSpec, Scores, one_bit_codes, signed_codes
from pynq_bnn.program.config import Config
from pynq_bnn.program.fits import accelerator_refusal
from pynq_bnn.program.schedule import schedule


def rules(count):
    return np.zeros(count, np.int32), np.zeros(count, bool)


def fc(fan_in, out=2, score=True):
    weights = np.zeros((out, fan_in), np.uint8)
    return Scores(weights) if score else BinFc(weights, *rules(out))


def network_of(spec, *layers):
    count = layers[-1].outputs
    return Network("t", spec, layers,
                   OutputSpec(tuple(str(c) for c in range(count)), np.ones(count), np.zeros(count)))


def test_the_answer_for_a_network_that_does_not_fit_is_the_schedulers_own():
    network = network_of(InputSpec(8, 8, 3, signed_codes()),
                         FpConv(np.zeros((4, 5, 5, 3), np.uint8), *rules(4)), fc(64))
    with pytest.raises(BackendError) as caught:
        schedule(network)
    assert accelerator_refusal(network) == str(caught.value)
    assert "layer 0 (fp_conv)" in str(caught.value)
    assert accelerator_refusal(network_of(InputSpec(2, 2, 1, signed_codes()), fc(4))) is None


@pytest.mark.parametrize(("width", "eight_bit"), [(12, True), (16, True), (20, True), (12, False), (16, False)])
def test_as_many_inputs_as_an_accumulator_holds_fit_and_one_more_does_not(width, eight_bit):
    """A sum and its threshold lie apart by up to 510 for each 8-bit input and one (1 for a bit, halved, and one)."""
    most = next(n for n in range(1 << width, 0, -1) if (510 if eight_bit else 1) * n + 1 <= 2**(width - 1) - 1)
    for inputs, fits in ((most, True), (most + 1, False)):
        sides = next((h, inputs // h) for h in range(1, 4097) if inputs % h == 0 and inputs // h <= 4096)
        spec = (InputSpec(*sides, 1, signed_codes()) if eight_bit else InputSpec(*sides, 1, one_bit_codes()))
        config = Config(acc_width=width, buffer_depth=8192, ring_depth=4096)
        network = network_of(spec, fc(inputs, 3, score=False), fc(3))
        refusal = accelerator_refusal(network, config)
        assert (refusal is None) == fits, inputs
        assert fits or f"up to {most:,} fit" in refusal


def test_the_ring_holds_thresholds_weights_and_for_scores_a_row_more():
    for words, score, fits in ((31, False, True), (32, False, False), (30, True, True), (31, True, False)):
        layers = (fc(64 * words, score=score),) if score else (fc(64 * words, 3, score=False), fc(3))
        network = network_of(InputSpec(8, 8 * words, 1, one_bit_codes()), *layers)
        refusal = accelerator_refusal(network, Config(ring_depth=32))
        assert (refusal is None) == fits, (words, score)
        assert fits or "up to 1,920 inputs" in refusal


@pytest.mark.parametrize(("height", "width", "kernel", "pool", "words"),
                         [(9, 6, 5, 1, 54 + 10), (2, 26, 1, 2, 52 + 13)])
def test_a_map_and_the_next_fill_a_lane_to_its_last_word_and_not_beyond(height, width, kernel, pool, words):
    """A pixel of up to 64 channels takes a word, before the layer and behind it."""
    conv = BinConv(np.zeros((8, kernel, kernel, 1), np.uint8), *rules(8), pool=pool)
    network = network_of(InputSpec(height, width, 1, one_bit_codes()), conv, fc(8 * (words - height * width)))
    refusal = accelerator_refusal(network, Config(buffer_depth=64))
    assert refusal is None if words == 64 else f"maps need {words} of a lane's 64 words" in refusal


@pytest.mark.parametrize(("height", "fits"), [(34, True), (35, False), (40, False)])
def test_results_lie_beside_the_next_images_or_in_a_program_of_their_own(height, fits):
    """80 × 34 pixels are 43 words, the hidden map one, and 20 planes of scores: 64 in all."""
    network = network_of(InputSpec(height, 80, 1, one_bit_codes()), fc(height * 80, 5, score=False), fc(5))
    config = Config(buffer_depth=64)
    assert [program.last for program in schedule(network, config, cuts=(0,)).programs] == [0, 1]
    if fits:
        assert len(schedule(network, config, cuts=()).programs) == 1
    else:
        with pytest.raises(BackendError, match="does not fit the accelerator with cuts"):
            schedule(network, config, cuts=())
