"""The backend "rtl" is the driver on a simulated board of its own, which nothing else in the process notices."""

import gc
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend, RtlBackend, Simulation, create_backend
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.errors import BackendError
from pynq_bnn.simulation import NO_ANSWER, MemoryTiming
from pynq_bnn.zoo import find_network


@pytest.fixture
def simulation(pynq, simulator, tiny):
    return Simulation(tiny, MemoryTiming(latency=12))


@pytest.fixture
def new_rtl(simulation, small_network):
    """``new_rtl(network, simulation)``: a backend, closed after the test, when its memory is given back."""
    backends = []

    def make(network=small_network, seed=1):
        backends.append(RtlBackend(network, replace(simulation, seed=seed)))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()
        assert not backend._device.buffers
        assert not Path(backend._device.bitstream).exists()


def test_a_batch_goes_through_pynq_and_the_drivers_registers(pynq, new_rtl, assert_right):
    backend = new_rtl()
    assert isinstance(backend, OverlayBackend)
    assert isinstance(backend._accelerator.overlay, pynq.Overlay)
    device = backend._device
    assert_right(backend)
    device.log.clear()
    assert_right(backend)
    assert [entry[:2] for entry in device.log] == [
        ("read", "ARRAY"),
        *(("write", name) for name in ("PROGRAM_ADDRESS", "PROGRAM_WORDS", "IMAGE_ADDRESS", "IMAGE_COUNT",
                                       "RESULT_ADDRESS", "RESULT_WORDS", "CONTROL")),
        *(("read", name) for name in ("STATUS", "CYCLES", "STEPS", "WAIT_PARAMETERS", "WAIT_IMAGES", "WAIT_RESULTS"))]
    assert backend.last_counters[0].cycles == device.log[9][2]


def test_it_forgets_no_coherency(new_rtl, small_network, pixels, monkeypatch):
    """Its buffers are cached, as the driver's are on a board."""
    backend = new_rtl()
    monkeypatch.setattr("pynq_bnn.board.buffers.Buffer.invalidate", lambda *_: None)
    assert not np.array_equal(backend.scores(pixels), CpuBackend(small_network).scores(pixels))


def test_pynqs_globals_are_those_of_before_and_a_hang_changes_nothing(pynq_globals, new_rtl, pixels, assert_right):
    before = pynq_globals()
    backend = new_rtl()
    assert pynq_globals() == before
    backend._device.core.fault_read(0, NO_ANSWER)
    with pytest.raises(BackendError, match="did not finish within"):
        backend.scores(pixels)
    backend._device.core.clear_faults()
    assert_right(backend)
    assert pynq_globals() == before


def test_several_run_side_by_side_and_are_closed_in_any_order(new_rtl, small_network, random_network, noise):
    network = random_network(3)
    backends = [new_rtl(), new_rtl(network), new_rtl(seed=2)]
    for left in (backends, backends[1:], backends[1:2]):
        for backend in left:
            pixels = noise(backend.network, 3)
            assert np.array_equal(backend.scores(pixels), CpuBackend(backend.network).scores(pixels))
        left[0 if left is backends else -1].close()


@pytest.mark.parametrize("first", ["board", "rtl"])
def test_beside_the_overlay_of_a_board_both_work(pynq, new_device, new_rtl, small_network, assert_right, first):
    rtl = new_rtl() if first == "rtl" else None
    board = new_device(mhz=50.0)  # pynq's active device, as a real one would be
    overlay = OverlayBackend(small_network, board.bitstream)
    clock = pynq.Clocks.fclk0_mhz
    rtl = rtl or new_rtl()
    for backend in (rtl, overlay, rtl):
        assert_right(backend)
    assert overlay._accelerator.device is board
    assert rtl._accelerator.device is rtl._device is not board
    assert (clock, pynq.Clocks.fclk0_mhz, rtl._device.mhz) == (50, 50, 100)
    rtl.close()
    assert pynq.Device.active_device is board
    assert_right(overlay)
    overlay.close()


def test_a_forgotten_one_frees_simulator_and_files(simulation, small_network):
    backend = RtlBackend(small_network, simulation)
    device = backend._device
    del backend
    gc.collect()
    assert device.core is None
    assert not Path(device.bitstream).exists()


def test_one_that_cannot_start_leaves_nothing_behind(pynq_globals, simulation, small_network, monkeypatch):
    from pynq_bnn.simulation import pynq_device
    made = []

    class Seen(pynq_device.SimulatedDevice):
        def __init__(self, *arguments, **values):
            made.append(self)
            super().__init__(*arguments, **values)

    def refuse(self, *arguments):
        raise RuntimeError("out of order")

    before = pynq_globals()
    monkeypatch.setattr(pynq_device, "SimulatedDevice", Seen)
    monkeypatch.setattr(Seen, "download", refuse)
    with pytest.raises(BackendError, match="out of order"):
        RtlBackend(small_network, simulation)
    assert made[0].core is None
    assert not Path(made[0].bitstream).exists()
    assert pynq_globals() == before


@pytest.mark.parametrize("broken", ["missing", "raises"])
def test_without_pynq_the_error_says_what_to_install(monkeypatch, tmp_path, broken):
    for name in [name for name in sys.modules if name.split(".")[0] == "pynq" or name.endswith("pynq_device")]:
        monkeypatch.delitem(sys.modules, name)
    if broken == "missing":
        monkeypatch.setitem(sys.modules, "pynq", None)
    else:
        (tmp_path / "pynq.py").write_text("raise RuntimeError('no such board')")
        monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=r"driven by pynq.*pip install 'pynq-bnn\[sim\]'"):
        create_backend("rtl", find_network("lfc-mnist"))


def test_nothing_is_printed(simulation):
    code = """
from pynq_bnn.backends import RtlBackend, Simulation
from pynq_bnn.program.config import Config
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network
import numpy as np
config = Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32)
with RtlBackend(untrained_network(TOPOLOGIES["tfc-mnist"]), Simulation(config)) as backend:
    backend.scores(np.zeros((1, 28, 28, 1), np.uint8))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
