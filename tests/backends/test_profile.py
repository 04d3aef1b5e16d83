"""A profile is the network layer by layer; its cycles are those that the accelerator counted for each."""

import logging

import numpy as np
import pytest
from tools import needs_rtl

from pynq_bnn.backends import CpuBackend, PopcountBackend, RtlBackend, Simulation, auto, best_accelerator
from pynq_bnn.backends.profile import profile_layers
from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config
from pynq_bnn.program.schedule import schedule
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network

TINY = Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32)


@pytest.fixture(scope="module")
def network():
    return untrained_network(TOPOLOGIES["tfc-mnist"], seed=1)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)


def test_without_an_accelerator_maps_and_predictions_are_there_and_no_counts(network, pixels):
    profile = profile_layers(CpuBackend(network), pixels)
    assert [row.layer for row in profile] == [0, 1, 2, 3]
    assert [row.macs for row in profile] == [784 * 64, 64 * 64, 64 * 64, 64 * 10]
    for row, states in zip(profile, PopcountBackend(network).states(pixels)):
        assert np.array_equal(row.states, states)
        assert row.counters is None
        assert row.predicted > 0
        assert 0 < row.utilization < 1
    plan = schedule(network, Config(), 5, cuts=(0, 1, 2))
    assert sum(row.predicted for row in profile) == pytest.approx(plan.cost(5).cycles)


@needs_rtl
def test_on_the_simulated_accelerator_each_layer_has_the_cycles_counted_for_it(network, pixels):
    with RtlBackend(network, Simulation(TINY, seed=3)) as backend:
        profile = profile_layers(backend, pixels)
        # The same layers cut apart, run as one batch by the other way through the driver.
        with RtlBackend(network, Simulation(TINY, seed=3, cuts=(0, 1, 2))) as cut:
            cut.scores(pixels)
            steps = [counters.steps for counters in cut.last_counters]
    assert [row.counters.steps for row in profile] == steps
    for row, states in zip(profile, CpuBackend(network).states(pixels)):
        assert np.array_equal(row.states, states)
        assert row.counters.cycles >= row.counters.steps
        assert row.utilization == pytest.approx(row.macs * 5 / row.counters.cycles / TINY.bit_ops)


def test_the_best_accelerator_is_the_overlay_the_simulation_or_says_why_not(network, monkeypatch, caplog):
    def named(name):
        return lambda network, **_: name

    monkeypatch.setattr(auto, "OverlayBackend", named("overlay"))
    monkeypatch.setattr(auto, "RtlBackend", named("rtl"))
    monkeypatch.setattr(auto, "_is_board", lambda: True)
    assert best_accelerator(network) == "overlay"
    monkeypatch.setattr(auto, "_is_board", lambda: False)
    assert best_accelerator(network) == "rtl"

    def missing(network, **_):
        raise BackendError("no C++ compiler")

    monkeypatch.setattr(auto, "RtlBackend", missing)
    with caplog.at_level(logging.WARNING):
        backend = best_accelerator(network)
    assert backend.name == "popcount"
    assert "no C++ compiler" in caplog.text
