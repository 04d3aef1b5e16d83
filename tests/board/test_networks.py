"""Shipped networks on the simulated board of the default size, as they would run on a real one."""

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.classify.verify import verify_backend
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import MemoryTiming
from pynq_bnn.zoo import find_network


@pytest.fixture(scope="module")
def board(pynq, simulator):
    from pynq_bnn.simulation.pynq_device import SimulatedDevice
    with SimulatedDevice(Config(), MemoryTiming()) as device:
        yield device


@pytest.mark.parametrize(("name", "count"), [("cnv-cifar10", 3), ("lfc-mnist", 9)])
def test_scores_are_equal(board, noise, name, count):
    network = find_network(name)
    pixels = noise(network, count)
    with OverlayBackend(network, board.bitstream) as backend:
        backend.scores(pixels)
        allocations = board.allocations
        board.log.clear()
        assert np.array_equal(backend.scores(pixels), CpuBackend(network).scores(pixels))
        assert len(backend.last_cycles) == 1
        assert len(board.log) <= 12
        assert board.allocations == allocations
    assert not board.buffers


def test_the_golden_image_and_every_map_are_equal(board, noise):
    network = find_network("lfc-mnist")
    with OverlayBackend(network, board.bitstream) as backend:
        report = verify_backend(backend, pixels=noise(network, 2))
    assert report.ok, report.difference
    assert report.golden
    assert not board.buffers
