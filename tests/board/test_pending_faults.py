"""Pending batches when something goes wrong: runs that fail or hang, Ctrl-C anywhere, signals, closing, forks."""

import dis
import gc
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend, RunOptions
from pynq_bnn.errors import BackendError
from pynq_bnn.program.registers import BUSY, OFFSETS, RESET
from pynq_bnn.simulation import NO_ANSWER, SLAVE_ERROR

RESET_WRITTEN = ("write", "CONTROL", RESET)


def at_work(device):
    return bool(device.core.read(OFFSETS["STATUS"]) & BUSY)


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
    assert [name for _, name, _ in device.log] == ["STATUS", "CYCLES"]


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
