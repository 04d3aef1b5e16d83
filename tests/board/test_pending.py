"""Batches that were started and not yet waited for: whoever wants the device finishes them, and nothing is locked."""

import dis
import gc
import itertools
import os
import random
import signal
import sys
import threading
import time

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend, RunOptions
from pynq_bnn.errors import BackendError
from pynq_bnn.program.batch import BUSY, OFFSETS, RESET
from pynq_bnn.simulation import NO_ANSWER, SLAVE_ERROR

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

    monkeypatch.setattr("pynq_bnn.board.resident.pack_images", pack)


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
        device.core.run(5_000, until_irq=True)  # the user takes his time, and the device computes
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


@pytest.mark.parametrize("cuts", [None, (0, 1, 2)])
@pytest.mark.parametrize("limit", [32 << 20, 4_000])
def test_handles_of_two_networks_are_waited_for_in_any_order(new_device, random_network, noise, cuts, limit):
    from pynq_bnn.program.config import Config
    device = new_device(Config(lanes=2, pe=16, simd=32, buffer_depth=1024, ring_depth=256))
    networks = [random_network(3003), random_network(3005)]
    backends = [OverlayBackend(network, device.bitstream, options=RunOptions(cuts=(), memory_limit=1 << 20))
                for network in networks]
    backends[0].close()
    most = len(networks[0].layers) - 1
    options = RunOptions(cuts=cuts and tuple(cut for cut in cuts if cut < most), memory_limit=max(limit, 40_000))
    backends[0] = OverlayBackend(networks[0], device.bitstream, options=options)
    batches = [noise(networks[number % 2], 3 + 4 * number, number) for number in range(4)]
    right = [CpuBackend(networks[number % 2]).scores(pixels) for number, pixels in enumerate(batches)]
    for order in itertools.permutations(range(4)):
        pending = [backends[number % 2].start(pixels) for number, pixels in enumerate(batches)]
        for number in order:
            assert np.array_equal(pending[number].wait(), right[number]), f"order {order}, batch {number}"
    for backend in backends:
        backend.close()
    assert not device.buffers


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


# Going wrong


def test_a_run_that_fails_is_the_error_of_its_own_handle(device, new_backend, small_network, pixels, expected,
                                                         assert_right):
    backend, other = new_backend(small_network), new_backend(small_network)
    assert_right(other)
    for wanted in (other, backend):
        device.core.fault_write(0, SLAVE_ERROR)
        pending = backend.start(pixels)
        device.core.run(20_000, until_irq=True)
        device.core.clear_faults()
        assert np.array_equal(wanted.scores(pixels), expected)
        for _ in range(2):
            with pytest.raises(BackendError, match="answered a write with an error"):
                pending.wait()
    assert device.downloads == 1


def test_a_run_that_hangs_holds_up_another_network_until_its_time_out(device, new_backend, small_network, pixels,
                                                                      assert_right):
    backend, other = new_backend(small_network), new_backend(small_network)
    assert_right(other)
    device.core.fault_read(0, NO_ANSWER)
    pending = backend.start(pixels)
    device.core.run(200, until_irq=False)
    began = device.driver_clock.now()
    downloaded = device.download

    def healed(*arguments):
        device.core.clear_faults()
        downloaded(*arguments)

    device.download = healed
    assert_right(other)
    assert device.driver_clock.now() - began < 0.1
    with pytest.raises(BackendError, match="did not finish within"):
        pending.wait()
    assert_right(backend)


def test_a_run_that_ended_long_before_it_is_waited_for_is_no_time_out(device, new_backend, small_network, pixels,
                                                                      expected):
    backend = new_backend(small_network, timeout=5e-4)
    pending = backend.start(pixels)
    device.core.run(20_000, until_irq=True)
    device.core.run(60_000, until_irq=False)
    device.log.clear()
    assert np.array_equal(pending.wait(), expected)
    assert events(device) == "W"


def test_ctrl_c_while_another_networks_run_is_waited_for_leaves_it_alone(device, new_backend, small_network, pixels,
                                                                         expected, assert_right, monkeypatch):
    backend, other = new_backend(small_network), new_backend(small_network)
    assert_right(other)
    pending = backend.start(pixels)

    def interrupted(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(device.driver_clock, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            other.scores(pixels)
    assert RESET_WRITTEN not in device.log
    assert np.array_equal(pending.wait(), expected)
    assert_right(other)


def test_an_overlay_replaced_between_start_and_wait_is_not_touched(pynq, device, small_network, pixels, tmp_path):
    from pynq_bnn.program.config import Config
    from pynq_bnn.simulation.pynq_device import write_bitstream
    backend = OverlayBackend(small_network, device.bitstream)
    pending = backend.start(pixels)
    pynq.Overlay(str(write_bitstream(tmp_path / "other.bit", Config(lanes=2, pe=16, simd=32))))
    device.log.clear()
    for _ in range(2):
        with pytest.raises(BackendError, match="replaced while in use"):
            pending.wait()
    backend.close()
    assert not device.log
    assert not device.buffers


class Interrupter:
    """Raises KeyboardInterrupt in the driver where Python looks for signals: after calls, and where loops turn back."""

    LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")

    def __init__(self, left):
        self.left, self.before, self.where = left, {}, ""

    def trace(self, frame, event, _):
        if f"{os.sep}pynq_bnn{os.sep}board{os.sep}" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            before = self.before.get(id(frame))
            self.before[id(frame)] = frame.f_lasti
            if before is not None and dis.opname[frame.f_code.co_code[before]].startswith(self.LOOKS):
                self.left -= 1
                if not self.left:
                    self.where = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
                    raise KeyboardInterrupt
        elif event == "return":
            self.before.pop(id(frame), None)
        return self.trace

    def call(self, function):
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            function()
        finally:
            sys.settrace(before)


def test_an_interrupt_at_any_moment_leaves_all_in_order(device, small_network, pixels, assert_right, expected, caplog):
    """Ctrl-C wherever the driver may notice it, in a stream on one network that another one's batch waits for.

    At every 37th such moment; PYNQ_BNN_INTERRUPTS=1 takes all, for some two minutes.
    """
    backend, other = (OverlayBackend(small_network, device.bitstream, options=RunOptions(cuts=cuts))
                      for cuts in ((1,), None))

    def work():
        pending = other.start(pixels)
        for scores in backend.stream([pixels] * 2):
            assert np.array_equal(scores, expected)
        assert np.array_equal(pending.wait(), expected)
        other.start(pixels).cancel()

    work()
    counter = Interrupter(1 << 30)
    counter.call(work)
    total = (1 << 30) - counter.left
    assert total > 400
    for point in range(1, total, int(os.environ.get("PYNQ_BNN_INTERRUPTS", "37"))):
        interrupter = Interrupter(point)
        with pytest.raises(KeyboardInterrupt):
            interrupter.call(work)
        note = f"moment {point} of {total}, {interrupter.where}"
        assert not backend._accelerator._turn._lock.locked(), note
        assert not backend._resident._turn._lock.locked(), note
        # A reset that was interrupted itself is made up for by the next run, or when memory is freed.
        assert not at_work(device) or backend._accelerator._reset_due, note
        assert not caplog.text, note
        assert_right(other, note)
        assert_right(backend, note)
    backend.close()
    other.close()
    assert not device.buffers


# Closing, threads, processes


def test_closing_finishes_what_is_under_way_and_keeps_its_scores(device, new_backend, small_network, pixels, expected):
    backend = new_backend(small_network, memory_limit=3_000)
    many = np.concatenate([pixels] * 6)
    pending = backend.start(many)
    thread = threading.Thread(target=backend.close)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert not device.buffers
    assert np.array_equal(pending.wait(), np.concatenate([expected] * 6))
    with pytest.raises(BackendError, match="closed"):
        backend.start(pixels)


def test_closing_by_a_signal_handler_waits_for_the_call_it_interrupts(device, new_backend, small_network, noise):
    backend, pixels = new_backend(small_network, memory_limit=3_000), noise(small_network, 60)
    sleep, closed = device.driver_clock.sleep, []

    def interrupted(seconds):
        if not closed:
            closed.append(backend._resident.close())
        sleep(seconds)

    device.driver_clock.sleep = interrupted
    assert np.array_equal(backend.scores(pixels), CpuBackend(small_network).scores(pixels))
    assert closed
    assert not device.buffers
    with pytest.raises(BackendError, match="closed"):
        backend.scores(pixels)


def test_a_batch_asked_for_by_a_signal_handler_within_a_call_is_refused(device, new_backend, small_network, pixels,
                                                                        expected, assert_right):
    backend, other = new_backend(small_network), new_backend(small_network)
    sleep, refused = device.driver_clock.sleep, []

    def interrupted(seconds):
        for one in (backend, other) if not refused else ():
            with pytest.raises(BackendError, match="has interrupted; let it finish"):
                one.scores(pixels)
            refused.append(one)
        sleep(seconds)

    device.driver_clock.sleep = interrupted
    assert np.array_equal(backend.scores(pixels), expected)
    assert refused == [backend, other]
    assert_right(other)


def test_a_child_process_leaves_its_parents_pending_batch_alone(device, new_backend, small_network, pixels, expected):
    backend = new_backend(small_network)
    pending, stream = backend.start(pixels), backend.stream([pixels] * 2)
    assert np.array_equal(next(stream), expected)
    under_way = backend.start(pixels)
    accesses = len(device.log)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = "done handles are there" if np.array_equal(pending.wait(), expected) else "wrong"
            for call in (under_way.wait, lambda: backend.start(pixels)):
                try:
                    call()
                except BackendError as error:
                    answer += f"; {error}"
            under_way.cancel()
            stream.close()
            del under_way
            gc.collect()
            backend.close()
            os.write(writer, f"{answer}; {len(device.log) - accesses} accesses".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(reader, 10_000).decode()
    assert answer.startswith("done handles are there; ")
    assert answer.count("opened by the parent of this process") == 2
    assert answer.endswith("; 0 accesses")
    assert at_work(device)
    assert np.array_equal(under_way.wait(), expected)
    assert np.array_equal(np.concatenate(list(stream)), expected)
    for end in (reader, writer):
        os.close(end)


def test_a_real_ctrl_c_between_the_results_of_a_stream_leaves_the_device_usable(device, new_backend, small_network,
                                                                                pixels, assert_right):
    backend, other = new_backend(small_network), new_backend(small_network)
    stream = backend.stream([pixels] * 3)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the signal comes between two statements
        for _ in stream:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
    assert_right(other)
    assert_right(backend)
    stream.close()
    assert_right(backend)
