"""The simulated board is as strict as a real one: caches, addresses, order, and pynq's globals."""

import gc

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.board.hwh import BASE_ADDRESS
from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config
from pynq_bnn.program.registers import DONE, OFFSETS, start

SMALL = Config(lanes=2, pe=16, simd=32, buffer_depth=1024, ring_depth=256)


def test_globals_are_put_back(pynq, pynq_globals, new_device):
    before = pynq_globals()
    device = new_device()
    pynq.Overlay(device.bitstream)
    assert pynq.Device.active_device is device
    assert pynq_globals() != before
    device.close()
    device.close()
    assert pynq_globals() == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_devices_are_closed_in_any_order(pynq, pynq_globals, new_device, order):
    before = pynq_globals()
    devices = [new_device(), new_device()]
    devices[order[0]].close()
    assert pynq.Device.active_device is devices[order[1]]
    devices[order[1]].close()
    assert pynq_globals() == before


def test_two_devices_run_side_by_side(new_device, random_network, small_network, noise):
    """Each has its own clock, registers and memory, whichever is pynq's active one."""
    first, second = new_device(mhz=50.0), new_device(SMALL, mhz=125.0)
    network = random_network(3)
    with OverlayBackend(small_network, first.bitstream, device=first) as a, \
            OverlayBackend(network, second.bitstream, device=second) as b:
        for _ in range(2):
            for backend in (a, b):
                pixels = noise(backend.network, 5)
                assert np.array_equal(backend.scores(pixels), CpuBackend(backend.network).scores(pixels))
        assert (first.mhz, second.mhz) == (50, 125)
        assert (a.config, b.config) == (first.config, second.config)


def test_registers_hang_before_a_bitstream_is_loaded(pynq, device):
    registers = pynq.MMIO(BASE_ADDRESS, 0x10000)
    with pytest.raises(RuntimeError, match="hangs"):
        registers.read(0)
    with pytest.raises(RuntimeError, match="hangs"):
        registers.write(OFFSETS["CONTROL"], 1)


def test_an_address_of_nothing_is_a_bus_error(pynq, device):
    pynq.Overlay(device.bitstream)
    with pytest.raises(RuntimeError, match="bus error"):
        pynq.MMIO(BASE_ADDRESS - 4096).read(0)


def seen_by_core(device, buffer):
    return device._copies[buffer.bo].view(buffer.dtype)[:buffer.size]


def test_a_cached_buffer_reaches_memory_when_it_is_flushed(pynq, device):
    buffer = pynq.allocate((64,), "u8", cacheable=1)
    buffer[:] = np.arange(64)
    assert not np.array_equal(seen_by_core(device, buffer), buffer)
    buffer[16:32].flush()
    assert np.array_equal(seen_by_core(device, buffer)[16:32], buffer[16:32])
    assert not np.array_equal(seen_by_core(device, buffer)[:16], buffer[:16])
    assert not np.array_equal(seen_by_core(device, buffer)[32:], buffer[32:])


def test_a_cached_buffer_shows_memory_when_it_is_invalidated(pynq, device):
    buffer = pynq.allocate((64,), "u8", cacheable=1)
    seen_by_core(device, buffer)[:] = np.arange(64)
    buffer[:] = 7
    buffer[:32].invalidate()
    assert np.array_equal(buffer[:32], np.arange(32))
    assert (buffer[32:] == 7).all()


def test_an_uncached_buffer_is_memory(pynq, device):
    buffer = pynq.allocate((64,), "u8")
    buffer[:] = np.arange(64)
    assert np.array_equal(seen_by_core(device, buffer), buffer)


def test_buffers_lie_apart_and_their_room_is_used_again(pynq, device):
    buffers = [pynq.allocate((size,), "u1") for size in (5, 4096, 10_000, 8)]
    spans = [(b.device_address, b.device_address + b.nbytes) for b in buffers]
    assert all(a % 4096 == 0 for a, _ in spans)
    assert all(end + 4096 <= start for (_, end), (start, _) in zip(spans, spans[1:]))
    address = buffers[1].device_address
    buffers[1].freebuffer()
    buffers[1].freebuffer()
    assert pynq.allocate((100,), "u1").device_address == address
    del buffers
    gc.collect()
    assert not device.buffers


def test_the_core_cannot_reach_what_is_freed(pynq, device):
    overlay = pynq.Overlay(device.bitstream)
    buffer = pynq.allocate((64,), "u8")
    address = buffer.device_address
    buffer.freebuffer()

    def run():
        start(overlay.bnn, (address, 64), (address, 1), (address, 8))
        device.driver_clock.sleep(1e-4)

    with pytest.raises(BackendError, match="lies in no readable region"):
        run()


def test_a_slice_knows_its_address(pynq, device):
    buffer = pynq.allocate((8, 8), "u8")
    assert buffer[3:].device_address == buffer.device_address + 3 * 64


def test_memory_is_limited(pynq, new_device):
    new_device(memory=10_000)
    held = pynq.allocate((9_000,), "u1")
    with pytest.raises(RuntimeError, match="Allocate failed"):
        pynq.allocate((2_000,), "u1")
    del held
    assert pynq.allocate((10_000,), "u1").nbytes == 10_000


def test_time_passes_while_sleeping_and_stops_at_the_end_of_a_run(pynq, device, small_network, noise):
    clock = device.driver_clock
    began = clock.now()
    pynq.Overlay(device.bitstream)
    clock.sleep(1e-5)
    assert clock.now() - began >= 1e-5
    with OverlayBackend(small_network, device.bitstream) as backend:
        backend.scores(noise(small_network, 3))
        before = clock.now()
        clock.sleep(1.0)
        assert 0 < clock.now() - before < 1e-3, "the interrupt of the run before is still high"


def test_polling_alone_brings_a_run_to_its_end(device, small_network, noise):
    """Software that never sleeps gets there too, in few reads."""
    with OverlayBackend(small_network, device.bitstream) as backend:
        device.driver_clock.sleep = lambda seconds: None
        pixels = noise(small_network, 3)
        assert np.array_equal(backend.scores(pixels), CpuBackend(small_network).scores(pixels))
        looks = [value for kind, name, value in device.log if name == "STATUS"]
        assert 1 <= len(looks) < 200
        assert looks[-1] & DONE


def test_a_device_leaves_no_files_behind(new_device):
    from pathlib import Path
    device = new_device()
    assert Path(device.bitstream).with_suffix(".hwh").is_file()
    device.close()
    assert not Path(device.bitstream).parent.exists()
