"""Whatever goes wrong: one clear exception, memory given back, and the next batch on the same device is right."""

import gc
import os
import signal
import threading

import numpy as np
import pytest

from pynq_bnn.backends.overlay import OverlayBackend, RunOptions
from pynq_bnn.errors import BackendError, ImageError
from pynq_bnn.network import InputSpec, Network, OutputSpec, Scores, one_bit_codes
from pynq_bnn.program.registers import BUSY, OFFSETS, RESET
from pynq_bnn.simulation import NO_ANSWER, SLAVE_ERROR

# A run that goes wrong


@pytest.mark.parametrize(("order", "error"), [
    ("fault_read", "answered a read with an error"), ("fault_write", "answered a write with an error")])
def test_an_error_of_the_memory_is_told_and_the_next_batch_is_right(device, new_backend, small_network, pixels,
                                                                     assert_right, order, error):
    backend = new_backend(small_network)
    assert_right(backend)
    getattr(device.core, order)(0, SLAVE_ERROR)
    with pytest.raises(BackendError, match=error):
        backend.scores(pixels)
    assert not device.buffers
    device.core.clear_faults()
    assert_right(backend)
    assert device.downloads == 1


def test_a_program_that_makes_no_sense_is_told(device, new_backend, small_network, pixels, assert_right):
    backend = new_backend(small_network)
    assert_right(backend)
    program = backend._resident._programs[0].words
    program.words[0] ^= np.uint64(1)
    program.flush(1)
    with pytest.raises(BackendError, match="stopped in stage 0: the program's first words"):
        backend.scores(pixels)
    assert_right(backend)


@pytest.mark.parametrize("order", ["fault_read", "fault_write"])
def test_a_run_that_never_ends_times_out_and_the_overlay_is_loaded_again(device, new_backend, small_network, pixels,
                                                                          assert_right, order):
    backend = new_backend(small_network)
    assert_right(backend)
    getattr(device.core, order)(0, NO_ANSWER)
    began = device.driver_clock.now()
    device.log.clear()
    with pytest.raises(BackendError, match="did not finish within"):
        backend.scores(pixels)
    assert device.driver_clock.now() - began < 0.1
    assert len(device.log) < 200, "it polls too often"
    assert not device.buffers
    device.core.clear_faults()
    assert_right(backend)


def test_the_time_out_can_be_given(device, new_backend, small_network, pixels, assert_right):
    backend = new_backend(small_network, timeout=2e-6)
    with pytest.raises(BackendError, match="did not finish within 2e-06 s"):
        backend.scores(pixels)
    assert ("write", "CONTROL", RESET) in device.log
    assert not device.buffers
    assert device.downloads == 1
    assert_right(new_backend(small_network))


def test_an_overlay_of_the_users_own_is_not_loaded_again_behind_their_back(pynq, device, small_network, pixels,
                                                                             assert_right, caplog):
    overlay = pynq.Overlay(device.bitstream)
    backend = OverlayBackend(small_network, overlay=overlay)
    assert_right(backend)
    device.core.fault_read(0, NO_ANSWER)
    with pytest.raises(BackendError, match="did not finish"):
        backend.scores(pixels)
    # What the accelerator may still write to is not given to anybody else.
    assert device.buffers
    assert "stay reserved" in caplog.text
    with pytest.raises(BackendError, match="load the overlay again"):
        backend.scores(pixels)
    device.core.clear_faults()
    overlay.download()
    assert_right(backend)
    backend.close()
    assert device.downloads == 2


def test_an_overlay_that_cannot_be_loaded_again_is_told_until_it_can(device, small_network, pixels, assert_right,
                                                                     monkeypatch):
    backend, download = OverlayBackend(small_network, device.bitstream), device.download

    def refuse(*_):
        raise OSError(16, "Device or resource busy")

    assert_right(backend)
    device.core.fault_read(0, NO_ANSWER)
    monkeypatch.setattr(device, "download", refuse)
    with pytest.raises(BackendError, match="did not finish within"):
        backend.scores(pixels)
    assert device.buffers, "the accelerator may still write there"
    for _ in range(2):
        began = device.driver_clock.now()
        with pytest.raises(BackendError, match="cannot be loaded again: .*resource busy; restart the board"):
            backend.scores(pixels)
        assert device.driver_clock.now() - began < 0.1
    device.core.clear_faults()
    monkeypatch.setattr(device, "download", download)
    assert_right(backend)
    backend.close()


def test_a_reset_by_somebody_else_is_noticed(device, new_backend, small_network, pixels, assert_right, monkeypatch):
    backend = new_backend(small_network)
    sleep, done = device.driver_clock.sleep, []

    def interfere(seconds):
        if not done:
            done.append(device.core.write(OFFSETS["CONTROL"], RESET))
        sleep(seconds)

    monkeypatch.setattr(device.driver_clock, "sleep", interfere)
    with pytest.raises(BackendError, match="reset by somebody else"):
        backend.scores(pixels)
    assert_right(backend)


# Exceptions of others


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_exception_at_any_register_access_leaves_all_in_order(device, small_network, pixels, assert_right, kind,
                                                                  monkeypatch):
    """Each access of a batch is interrupted once, by Ctrl-C or by a bus error."""
    backend = OverlayBackend(small_network, device.bitstream)
    read, write = device._read, device._write
    for point in range(11):  # the clock's setting, then ten of the accelerator's registers
        left = [point]

        def stop_at(function, left):
            def access(*arguments):
                left[0] -= 1
                if left[0] == -1:
                    raise kind("stopped")
                return function(*arguments)
            return access

        monkeypatch.setattr(device, "_read", stop_at(read, left))
        monkeypatch.setattr(device, "_write", stop_at(write, left))
        with pytest.raises(kind, match="stopped"):
            backend.scores(pixels)
        assert not device.buffers, f"access {point}"
        monkeypatch.setattr(device, "_read", read)
        monkeypatch.setattr(device, "_write", write)
        assert_right(backend, f"behind access {point}")
    assert device.downloads == 1
    backend.close()


@pytest.mark.parametrize("when", ["sleep", "second"])
def test_ctrl_c_while_waiting_resets_the_accelerator(device, new_backend, small_network, pixels, assert_right, when,
                                                      monkeypatch):
    backend, sleep, left = new_backend(small_network), device.driver_clock.sleep, [when == "second"]

    def interrupted(seconds):
        sleep(seconds / 3)
        if left[0]:
            left[0] -= 1
            return
        left[0] = 1 << 30
        raise KeyboardInterrupt

    monkeypatch.setattr(device.driver_clock, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.scores(pixels)
    assert ("write", "CONTROL", RESET) in device.log
    assert not device.buffers
    monkeypatch.undo()
    assert_right(backend)
    assert device.downloads == 1


def test_a_real_ctrl_c_in_the_middle(device, new_backend, small_network, noise, assert_right):
    backend = new_backend(small_network, memory_limit=3_000)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        backend.scores(noise(small_network, 20_000))
    timer.join()
    assert not device.buffers
    assert_right(backend)


def test_an_error_in_the_pictures_of_a_stream_ends_it_cleanly(device, new_backend, small_network, pixels,
                                                               assert_right):
    def pieces():
        yield pixels
        raise ImageError("broken picture")

    backend = new_backend(small_network)
    assert_right(backend)
    held = dict(device.buffers)
    stream = backend.stream(pieces())
    with pytest.raises(ImageError, match="broken picture"):
        next(stream)
    assert device.buffers == held, "kept for the next batch, as after any other"
    assert not device.core.read(OFFSETS["STATUS"]) & BUSY
    assert_right(backend)


def test_a_stream_that_is_not_at_its_end_blocks_nobody(new_backend, small_network, pixels, expected, assert_right):
    backend, other = new_backend(small_network), new_backend(small_network)
    stream = backend.stream([pixels] * 3)
    next(stream)
    assert_right(other)
    assert_right(backend)
    assert_right(other)
    assert np.array_equal(next(stream), expected), "computed between, by whoever wanted the device"
    stream.close()
    assert_right(backend)


def test_closing_in_the_middle_of_a_stream_ends_it(device, new_backend, small_network, pixels, expected):
    backend = new_backend(small_network)
    stream = backend.stream([pixels] * 3)
    next(stream)
    backend.close()
    assert not device.buffers
    assert np.array_equal(next(stream), expected), "was under way, and finished by close()"
    with pytest.raises(BackendError, match="closed"):
        next(stream)


@pytest.mark.parametrize("same", [False, True])
def test_what_gives_the_pieces_of_a_stream_may_use_the_device_itself(new_backend, small_network, pixels, expected,
                                                                     assert_right, same):
    backend, other = new_backend(small_network), new_backend(small_network)

    def pieces():
        for count in (5, 3, 4):
            assert_right(backend if same else other)
            yield pixels[:count]

    scores = list(backend.stream(pieces()))
    assert [found.tolist() for found in scores] == [expected[:count].tolist() for count in (5, 3, 4)]
    assert_right(backend)
    assert_right(other)


# Memory


def test_memory_that_runs_out_is_one_error_and_leaves_nothing_behind(new_device, small_network, noise, assert_right):
    device = new_device(memory=40_000)
    with OverlayBackend(small_network, device.bitstream) as backend:
        with pytest.raises(BackendError, match="contiguous memory are left"):
            backend.scores(noise(small_network, 5_000))
        assert not device.buffers
        assert_right(backend)


def test_smaller_batches_make_room_for_a_larger_one(new_device, small_network, noise, assert_right):
    device = new_device(memory=40_000)
    with OverlayBackend(small_network, device.bitstream) as backend:
        for count in (1, 2, 4, 8, 16, 32, 64, 128, 250):
            assert len(backend.scores(noise(small_network, count))) == count
        assert_right(backend)


def test_an_allocation_that_fails_at_any_point_leaves_nothing_behind(device, new_backend, small_network, pixels,
                                                                      assert_right, monkeypatch):
    backend, allocate = new_backend(small_network), device.allocate
    for point in range(3):
        left = [point]

        def fail(*arguments, left=left, **values):
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("Allocate failed: 12")
            return allocate(*arguments, **values)

        monkeypatch.setattr(device, "allocate", fail)
        with pytest.raises(BackendError, match="contiguous memory are left"):
            backend.scores(pixels)
        assert not device.buffers
        monkeypatch.setattr(device, "allocate", allocate)
    assert_right(backend)


def test_an_image_beyond_the_limit_is_refused(new_backend, small_network, pixels):
    with pytest.raises(BackendError, match="raise memory_limit"):
        new_backend(small_network, memory_limit=50).scores(pixels)


def test_a_forgotten_backend_frees_its_memory(device, small_network, pixels, assert_right):
    backend = OverlayBackend(small_network, device.bitstream)
    assert_right(backend)
    del backend
    gc.collect()
    assert not device.buffers


def test_closing_twice_is_harmless_and_a_closed_backend_says_so(device, small_network, pixels, assert_right):
    backend = OverlayBackend(small_network, device.bitstream)
    assert_right(backend)
    backend.close()
    backend.close()
    assert not device.buffers
    for call in (backend.scores, lambda p: next(backend.states(p)), lambda p: next(backend.stream([p]))):
        with pytest.raises(BackendError, match="closed"):
            call(pixels)


def test_a_network_that_does_not_fit_is_refused_and_nothing_held(device, small_network, assert_right):
    fan_in = 64 * device.config.ring_depth
    rng = np.random.default_rng(1)
    layers = (Scores(rng.integers(0, 2, (3, fan_in), dtype=np.uint8)),)
    network = Network("wide", InputSpec(64, fan_in // 64, 1, one_bit_codes(128)), layers,
                      OutputSpec(("a", "b", "c"), np.ones(3, np.float32), np.zeros(3, np.float32)))
    with pytest.raises(BackendError, match=r"wide, layer 0 \(scores\) does not fit"):
        OverlayBackend(network, device.bitstream)
    with OverlayBackend(small_network, device.bitstream) as backend:
        assert_right(backend)
    assert not device.buffers


def test_wrong_pixels_are_refused_before_the_device_is_touched(device, new_backend, small_network, pixels):
    backend = new_backend(small_network)
    device.log.clear()
    for wrong in (pixels.astype(np.float32), pixels[:, :3], pixels[0], [1, 2]):
        with pytest.raises(BackendError, match="uint8 fits"):
            backend.scores(wrong)
        with pytest.raises(BackendError, match="uint8 fits"):
            list(backend.stream([wrong]))
    assert not device.log


def test_options_are_kept(new_backend, small_network, pixels):
    backend = new_backend(small_network, counters=True)
    backend.scores(pixels)
    (counters,) = backend.last_counters
    assert counters.cycles == backend.last_cycles[0]
    assert RunOptions().counters is False
