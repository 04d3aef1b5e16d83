"""Charts show what they are given: measured by what is drawn, or by the colours that a change of the data moves."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from tools import needs_modules

from pynq_bnn import Classifier, charts
from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.profile import profile_layers
from pynq_bnn.errors import OutputError
from pynq_bnn.live.history import History
from pynq_bnn.program.config import Config
from pynq_bnn.program.registers import Counters
from pynq_bnn.program.schedule import schedule
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network

pytestmark = needs_modules("matplotlib")
BLUE, GREEN = (47, 126, 216), (127, 176, 105)


def count(picture, colour):
    return int((np.asarray(picture) == colour).all(-1).sum())


def reds(picture):
    red, green, blue = np.moveaxis(np.asarray(picture, int), -1, 0)
    return int(((red > 200) & (green < 120) & (blue < 120)).sum())


@pytest.fixture(scope="module")
def network():
    return untrained_network(TOPOLOGIES["cnv-cifar10"], seed=3)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def profile(network, pixels):
    return profile_layers(CpuBackend(network), pixels)


def test_the_answers_bar_is_blue_and_as_long_as_its_logit(network, pixels):
    with Classifier(network, "cpu") as classifier:
        result = classifier.classify(pixels[0])
    scores = np.full(10, -100, np.float32)
    areas = []
    for height in (100, 50):
        scores[4] = height
        areas.append(count(charts.score_chart([replace(result, index=4, scores=scores.copy())], ["a"]), BLUE))
    # The axis runs from −100 to the bar's end.
    assert areas[0] / areas[1] == pytest.approx((100 / 200) / (50 / 150), rel=0.05)
    assert charts.score_chart([result] * 5, list("abcde")).width > charts.score_chart([result], ["a"]).width


def test_a_bar_is_as_long_as_its_layers_cycles_and_parts_have_their_colours(profile):
    rows = [replace(row, counters=Counters(1000, 600, 0, 300, 0), predicted=1000.0) for row in profile]
    picture = charts.layer_chart(rows, 3, "title")
    computing, images = count(picture, (47, 93, 138)), count(picture, GREEN)
    assert computing / images == pytest.approx(2, rel=0.1)
    # A thousand cycles, of which 600 computed and 700 wrote results: 300 did both and are the computing's.
    both = [replace(row, counters=Counters(1000, 600, 0, 0, 700), predicted=1000.0) for row in profile]
    picture = charts.layer_chart(both, 3, "title")
    assert count(picture, (47, 93, 138)) / count(picture, (181, 101, 118)) == pytest.approx(600 / 400, rel=0.1)
    predicted = charts.layer_chart(profile, 3)
    assert count(predicted, (47, 93, 138)) == 0
    assert count(predicted, (184, 196, 206)) > 1000


def test_the_memory_chart_gives_each_map_the_area_of_its_words(network):
    config = Config()
    areas = []
    for slots in (1, 2):
        (program,) = schedule(network, config, 64, cuts=(), slots=slots).programs
        areas.append(count(charts.memory_chart(program, config), GREEN) / program.layout.slots)
    assert areas[0] == pytest.approx(areas[1], rel=0.1)
    assert areas[0] > 1000


def test_maps_that_differ_are_counted_in_red(network, profile):
    channels = [layer.outputs for layer in network.layers]
    assert reds(charts.maps_chart({"cpu": profile, "other": profile}, channels)) == 0
    states = profile[2].states.copy()
    states[0, 0, 0, 0] ^= 1
    other = [replace(row, states=states) if row.layer == 2 else row for row in profile]
    assert reds(charts.maps_chart({"cpu": profile, "other": other}, channels)) > 20


def test_resources_are_shares_of_the_chip():
    available = {"lut": 200, "dsp": 50}
    half, full = (count(charts.resource_chart({"a": {"lut": n, "dsp": 0}}, available), BLUE) for n in (100, 200))
    assert full / half == pytest.approx(2, rel=0.05)
    assert count(charts.resource_chart({"a": {"lut": 9, "dsp": 9}, "b": {"lut": 9, "dsp": 9}}, available), BLUE) > 0


def test_history_is_drawn_when_there_is_one():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 20).astype(np.float32)
    history = History(np.arange(20) / 10, np.full(20, 10.0), np.zeros(20, int), probabilities, ("a", "b", "c"))
    assert charts.history_chart(history).width > 500
    with pytest.raises(OutputError, match="no frame was seen"):
        charts.history_chart(History.of([]))


def test_pictures_of_a_grid_keep_their_colours(pixels):
    plain = [np.full((32, 32, 3), colour, np.uint8) for colour in (BLUE, GREEN)]
    picture = charts.picture_grid([*plain, pixels[0], np.zeros((28, 28, 1), np.uint8)], ["a", "b", "c", "d"], columns=2)
    assert count(picture, BLUE) > 500
    assert count(picture, GREEN) > 500


def test_nothing_to_draw_and_no_matplotlib_are_one_clear_error(monkeypatch):
    with pytest.raises(OutputError, match="no scores to draw"):
        charts.score_chart([], [])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OutputError, match=r"pip install 'pynq-bnn\[notebooks\]'"):
        charts.resource_chart({"a": {"lut": 1}}, {"lut": 2})
