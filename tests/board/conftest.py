"""A simulated board with pynq on it, and networks that fit it."""

import os
from functools import partial

import numpy as np
import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import MemoryTiming
from pynq_bnn.simulation.build import find_compiler, find_verilator

TINY = Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32)


@pytest.fixture(scope="session")
def pynq():
    """The pynq package; a visible skip where it is missing, a failure where PYNQ_BNN_STRICT promises it."""
    try:
        import pynq
    except ImportError as error:
        (pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip)(f"pynq is not installed: {error}")
    return pynq


@pytest.fixture
def pynq_globals(pynq):
    """``pynq_globals()``: what pynq keeps for the whole process."""
    clocks = pynq.ps.Clocks
    return lambda: (vars(pynq.Device).get("_active_device"), vars(clocks).get("_real_instance"),
                    vars(clocks).get("device"), pynq.ps.CPU_ARCH)


@pytest.fixture(scope="session")
def simulator():
    """Skips or fails where no simulator can be built."""
    try:
        find_verilator()
        find_compiler()
    except BackendError as error:
        (pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip)(str(error))


@pytest.fixture(scope="session")
def tiny():
    return TINY


@pytest.fixture
def new_device(pynq, simulator):
    """``new_device(config, ...)``: a SimulatedDevice, closed after the test."""
    from pynq_bnn.simulation.pynq_device import SimulatedDevice

    devices = []

    def make(config=TINY, **values):
        devices.append(SimulatedDevice(config, values.pop("timing", MemoryTiming(latency=12)), **values))
        return devices[-1]

    yield make
    for device in reversed(devices):
        device.close()


@pytest.fixture
def device(new_device):
    return new_device()


def _mapping(device, address, length):
    """What a board's mmap gives: an array of 32-bit words, of which each access reaches the device."""
    from pynq._3rdparty import tinynumpy
    from pynq.mmio import _AccessHook

    return tinynumpy.ndarray(shape=(length // 4,), dtype="u4", hook=_AccessHook(address, device))


@pytest.fixture
def mapped(new_device, monkeypatch, tmp_path):
    """``mapped(config, ...)``: a simulated device that looks like a board's.

    Its registers are mapped into memory, so that other processes count, and pynq writes down each download.
    """
    (tmp_path / "run").mkdir()
    monkeypatch.setattr("pynq_bnn.board.process_lock.LOCK_FILE", tmp_path / "run" / "pynq-bnn.lock")
    monkeypatch.setattr("pynq.pl_server.__file__", str(tmp_path / "__init__.py"))
    state, ticks = tmp_path / "global_pl_state_.json", iter(range(1, 1000))

    def make(*arguments, **values):
        device = new_device(*arguments, **values)
        device.capabilities["MEMORY_MAPPED"], download = True, device.download

        def written_down(*arguments):
            state.write_text("{}")
            tick = next(ticks)
            os.utime(state, ns=(tick, tick))
            device.log.append(("download", "", tick))
            download(*arguments)

        device.mmap, device.download = partial(_mapping, device), written_down
        return device

    return make


@pytest.fixture(scope="session")
def small_network():
    """One that fits TINY: 6×6 pixels, FP-Conv, Bin-Conv with a pool, two Bin-FC."""
    from pynq_bnn.network import BinConv, BinFc, FpConv, InputSpec, Network, OutputSpec, Scores, signed_codes

    rng = np.random.default_rng(7)

    def bits(*shape):
        return rng.integers(0, 2, shape, dtype=np.uint8)

    def thresholds(count):
        return rng.integers(-3, 4, count).astype(np.int32), bits(count).astype(bool)

    first = rng.integers(-200, 200, 12).astype(np.int32), bits(12).astype(bool)
    layers = (FpConv(bits(12, 3, 3, 1), *first, padding=1),
              BinConv(bits(20, 3, 3, 12), *thresholds(20), padding=1, pool=2, pad_value="one"),
              BinFc(bits(9, 9 * 20), *thresholds(9)), Scores(bits(5, 9)))
    output = OutputSpec(tuple("abcde"), np.ones(5, np.float32), np.zeros(5, np.float32))
    return Network("small", InputSpec(6, 6, 1, signed_codes()), layers, output)


@pytest.fixture(scope="session")
def noise():
    """``noise(network, count, seed)``: (count, H, W, C) uint8."""
    def make(network, count, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)

    return make


@pytest.fixture
def new_backend(device):
    """``new_backend(network, ...)`` on the device of the test; closed after it, when no buffer may be left."""
    from pynq_bnn.backends.overlay import OverlayBackend, RunOptions

    backends = []

    def make(network, overlay=None, **options):
        where = {"overlay": overlay} if overlay else {"bitstream": device.bitstream}
        backends.append(OverlayBackend(network, **where, options=RunOptions(**options)))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()
    assert not device.buffers, "memory was not given back"


@pytest.fixture
def pixels(small_network, noise):
    return noise(small_network, 5)


@pytest.fixture
def expected(small_network, pixels):
    """The scores of ``pixels``."""
    from pynq_bnn.backends import CpuBackend
    return CpuBackend(small_network).scores(pixels)


@pytest.fixture
def assert_right(pixels, expected):
    """``assert_right(backend)``: an undisturbed batch gives the right scores."""
    def check(backend, note=""):
        assert np.array_equal(backend.scores(pixels), expected), note

    return check
