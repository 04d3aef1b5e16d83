"""Batches that were started and not yet waited for: whoever wants the device finishes them, and nothing is locked."""

import gc
import itertools
import random
import threading
import time

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.errors import BackendError
from pynq_bnn.program.registers import BUSY, OFFSETS, RESET
from pynq_bnn.simulation import NO_ANSWER

RESET_WRITTEN = ("write", "CONTROL", RESET)


def events(device):
    """S for a start, W for a look at STATUS, P for images packed, in order."""
    letters = {"CONTROL": "S", "STATUS": "W", "": "P"}
    return "".join(letters.get(name, "") for _, name, _ in device.log)


@pytest.fixture
def noted_packs(device, monkeypatch):
    from pynq_bnn.program.pack import pack_images

    def pack(*arguments):
        device.log.append(("pack", "", 0))
        return pack_images(*arguments)

    monkeypatch.setattr("pynq_bnn.board.loaded_network.pack_images", pack)


def at_work(device):
    return bool(device.core.read(OFFSETS["STATUS"]) & BUSY)


# Order


def test_a_started_batch_is_on_the_device_and_is_waited_for_once(device, new_backend, small_network, pixels, expected,
                                                                 noted_packs):
    backend = new_backend(small_network)
    backend.scores(pixels)
    device.log.clear()
    pending = backend.start(pixels)
    assert not pending.done
    assert at_work(device)
    assert events(device) == "PS"
    assert np.array_equal(pending.wait(), expected)
    assert pending.done
    assert np.array_equal(pending.wait(), expected)
    assert events(device) == "PSW"
    assert len(device.log) == 1 + 10, "as many register accesses as ever, and the note of packing"


def test_the_next_batch_of_a_stream_is_under_way_while_a_result_is_used(device, new_backend, small_network, pixels,
                                                                        expected, noted_packs):
    backend = new_backend(small_network)
    backend.scores(pixels)
    device.log.clear()
    seen = []
    for scores in backend.stream([pixels] * 4):
        seen.append((events(device), at_work(device)))
        assert np.array_equal(scores, expected)
        device.core.run(5_000, until_irq=True)  # the user takes some time, and the device computes
    assert seen == [("PSPWS", True), ("PSPWSPWS", True), ("PSPWSPWSPWS", True), ("PSPWSPWSPWSW", False)]
    assert backend.last_time.compute > 0


def test_a_smaller_batch_shares_the_room_of_the_one_under_way(device, new_backend, small_network, noise, noted_packs):
    backend = new_backend(small_network)
    pieces = [noise(small_network, count, count) for count in (20, 20, 3, 1)]
    list(backend.stream(pieces[:2]))
    allocations = device.allocations
    device.log.clear()
    scores = list(backend.stream(pieces))
    assert events(device) == "PSPWSPWSPWSW"
    assert device.allocations == allocations
    for found, piece in zip(scores, pieces, strict=True):
        assert np.array_equal(found, CpuBackend(small_network).scores(piece))


# Several handles


@pytest.mark.parametrize("options", [{}, {"cuts": (0, 1)}, {"memory_limit": 4_000},
                                     {"cuts": (1,), "memory_limit": 3_000}])
def test_handles_of_two_networks_are_waited_for_in_any_order(new_backend, random_network, small_network, noise,
                                                             options):
    backends = [new_backend(small_network, **options), new_backend(random_network(3))] * 2
    batches = [noise(backend.network, 3 + 4 * number, number) for number, backend in enumerate(backends)]
    right = [CpuBackend(backend.network).scores(pixels) for backend, pixels in zip(backends, batches)]
    for order in itertools.permutations(range(4)):
        pending = [backend.start(pixels) for backend, pixels in zip(backends, batches)]
        for number in order:
            assert np.array_equal(pending[number].wait(), right[number]), f"order {order}, batch {number}"


@pytest.mark.parametrize("steps", range(4))
def test_a_batch_in_parts_and_programs_may_be_overtaken_at_any_step(device, new_backend, small_network, noise, steps):
    """Neither spoils the images of the other, and those of a batch that was started may be changed."""
    backend = new_backend(small_network, cuts=(0, 2), memory_limit=4_000)
    large, small = noise(small_network, 25, 1), noise(small_network, 4, 2)
    given = large.copy()
    first = backend.start(given)
    given[...] = 0
    assert at_work(device)
    for _ in range(steps):
        first._batch.step()
    assert first.done == (steps == 3)
    second = backend.start(small)
    assert first.done
    assert not second.done
    assert np.array_equal(second.wait(), CpuBackend(small_network).scores(small))
    assert np.array_equal(first.wait(), CpuBackend(small_network).scores(large))
    assert len(first._batch.cycles) == 9, "parts of the large batch, times programs"


def test_layers_and_maps_are_there_while_a_batch_is_pending(new_backend, small_network, pixels, expected):
    backend = new_backend(small_network)
    pending = backend.start(pixels)
    for found, right in zip(backend.states(pixels), CpuBackend(small_network).states(pixels), strict=True):
        assert np.array_equal(found, right)
    assert np.array_equal(pending.wait(), expected)


def test_threads_start_and_wait_as_they_like(new_backend, small_network, noise):
    backends, failed = [new_backend(small_network, cuts=cuts) for cuts in (None, (1,))], []

    def work(seed):
        rng = random.Random(seed)
        try:
            for number in range(12):
                pixels = noise(small_network, rng.randint(1, 9), 100 * seed + number)
                pending = rng.choice(backends).start(pixels)
                time.sleep(rng.choice((0, 0, 0.002)))
                if rng.random() < 0.2:
                    pending.cancel()
                    continue
                if not np.array_equal(pending.wait(), CpuBackend(small_network).scores(pixels)):
                    failed.append((seed, number))
        except BaseException as error:
            failed.append((seed, error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a deadlock"
    assert not failed


# Given up


def test_a_cancelled_batch_is_reset_and_says_so(device, new_backend, small_network, pixels, assert_right):
    backend = new_backend(small_network)
    assert_right(backend)
    held, allocations = dict(device.buffers), device.allocations
    pending = backend.start(pixels)
    assert at_work(device)
    pending.cancel()
    assert device.log[-2] == RESET_WRITTEN
    assert not at_work(device)
    pending.cancel()
    for _ in range(2):
        with pytest.raises(BackendError, match="the batch was cancelled; start it again"):
            pending.wait()
    assert_right(backend)
    assert (device.buffers, device.allocations) == (held, allocations), "its programs are still there"
    assert device.downloads == 1


def test_cancelling_what_does_not_come_to_rest_gives_its_memory_to_nobody(pynq, device, small_network, pixels,
                                                                          assert_right, caplog):
    overlay = pynq.Overlay(device.bitstream)
    backend = OverlayBackend(small_network, overlay=overlay)
    assert_right(backend)
    device.core.fault_read(0, NO_ANSWER)
    pending = backend.start(pixels)
    device.core.run(500, until_irq=False)
    held = dict(device.buffers)
    pending.cancel()
    assert device.buffers == held
    assert "stay reserved" in caplog.text
    device.core.clear_faults()
    overlay.download()
    assert_right(backend)
    assert device.buffers.keys() > held.keys()
    backend.close()
    assert device.buffers == held


def test_cancelling_what_is_done_changes_nothing(device, new_backend, small_network, pixels, expected, assert_right):
    backend, other = new_backend(small_network), new_backend(small_network)
    pending = backend.start(pixels)
    assert_right(backend)  # finishes the other one first
    pending.cancel()
    assert RESET_WRITTEN not in device.log
    assert np.array_equal(pending.wait(), expected)
    pending = backend.start(pixels)
    assert_right(other)
    assert not at_work(device)
    pending.cancel()  # its run has ended, its results were not yet taken
    assert RESET_WRITTEN not in device.log
    with pytest.raises(BackendError, match="cancelled"):
        pending.wait()


@pytest.mark.parametrize("cyclic", [False, True])
def test_a_forgotten_handle_stops_its_run(device, new_backend, small_network, pixels, assert_right, cyclic):
    backend, other = new_backend(small_network), new_backend(small_network)
    gc.disable()  # for it to come when it is called
    try:
        pending = backend.start(pixels)
        if cyclic:
            pending.itself = pending
        del pending
        assert at_work(device) == cyclic
        gc.collect()
        assert not at_work(device)
    finally:
        gc.enable()
    assert RESET_WRITTEN in device.log
    assert_right(other)
    assert_right(backend)
    assert device.downloads == 1


@pytest.mark.parametrize("who", ["same", "other", "nobody"])
def test_a_handle_forgotten_while_a_thread_has_its_turn_is_seen_to_by_the_next(device, new_backend, small_network,
                                                                              pixels, assert_right, who):
    """The garbage collector may strike anywhere; it neither waits for another thread nor disturbs it."""
    backend, other = new_backend(small_network), new_backend(small_network)
    pending = backend.start(pixels)
    with backend._accelerator._turn.take():
        began = time.perf_counter()
        del pending
        assert time.perf_counter() - began < 1
        assert at_work(device)
        assert RESET_WRITTEN not in device.log
    if who == "nobody":
        backend.close()  # its memory is given back only when nothing writes there
    else:
        assert_right(backend if who == "same" else other)
    assert RESET_WRITTEN in device.log
    assert not at_work(device)


def test_a_forgotten_backend_with_a_pending_batch_gives_everything_back(device, small_network, pixels):
    backend = OverlayBackend(small_network, device.bitstream)
    pending = backend.start(pixels)
    del backend
    gc.collect()
    assert device.buffers, "the handle keeps it"
    assert pending.wait().shape == (5, 5)
    del pending
    gc.collect()
    assert not device.buffers


def test_a_stream_given_up_leaves_the_device_at_rest(device, new_backend, small_network, pixels, assert_right):
    backend = new_backend(small_network)
    for _ in backend.stream([pixels] * 3):
        assert at_work(device)
        held, allocations = dict(device.buffers), device.allocations
        break
    assert not at_work(device)
    assert_right(backend)
    assert (device.buffers, device.allocations) == (held, allocations), "its programs are still there"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_goes_wrong_with_the_pieces_stops_the_run(device, new_backend, small_network, pixels, assert_right, error):
    def pieces():
        yield pixels
        assert at_work(device)
        raise error("in the pieces")

    backend = new_backend(small_network)
    assert_right(backend)
    held = dict(device.buffers)
    with pytest.raises(error, match="in the pieces"):
        list(backend.stream(pieces()))
    assert not at_work(device)
    assert device.buffers == held
    assert_right(backend)
