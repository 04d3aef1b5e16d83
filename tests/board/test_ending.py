"""A process that ends in the middle of a run leaves an accelerator at rest, or word for the next process."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.board import ending
from pynq_bnn.board.hwh import BASE_ADDRESS
from pynq_bnn.board.process_lock import ProcessLock
from pynq_bnn.errors import BackendError
from pynq_bnn.program.registers import BUSY, OFFSETS, RESET
from pynq_bnn.simulation import NO_ANSWER

BOARD = Path(__file__).parent
RESET_WRITTEN = ("write", "CONTROL", RESET)


def leave_running(device, backend, pixels):
    """As if the process were killed within a run: the accelerator works on, and only the system tidies up."""
    device.core.fault_read(0, NO_ANSWER)
    accelerator = backend._accelerator

    def killed(*_):
        raise SystemExit

    accelerator._finish, accelerator._try_to_recover = killed, lambda: None
    with pytest.raises(SystemExit):
        backend.scores(pixels)
    del accelerator._finish, accelerator._try_to_recover
    device.core.clear_faults()
    assert device.core.read(OFFSETS["STATUS"]) & BUSY
    file, accelerator._process_lock._file = accelerator._process_lock._file, None
    if file is not None:
        file.close()
    ending.forget(accelerator)
    accelerator._user, accelerator._gone = None, True


@pytest.fixture
def killed(mapped, small_network, pixels):
    """A device on which a killed process has left a run."""
    device = mapped()
    leave_running(device, OverlayBackend(small_network, device.bitstream, device=device), pixels)
    device.log.clear()
    return device


def test_what_a_killed_process_left_is_stopped_before_the_overlay_is_loaded(killed, small_network, assert_right):
    with OverlayBackend(small_network, killed.bitstream, device=killed) as backend:
        kinds = list(killed.log)
        assert RESET_WRITTEN in kinds
        loaded = next(place for place, entry in enumerate(kinds) if entry[0] == "download")
        status = [entry for entry in kinds[:loaded] if entry[1] == "STATUS"]
        assert kinds.index(RESET_WRITTEN) < loaded
        assert not status[-1][2] & BUSY, "waited for"
        assert_right(backend)
    assert killed.log[-1] != RESET_WRITTEN


def test_after_a_clean_end_nothing_is_stopped(mapped, small_network, assert_right):
    device = mapped()
    for _ in range(2):
        with OverlayBackend(small_network, device.bitstream, device=device) as backend:
            assert_right(backend)
    assert RESET_WRITTEN not in device.log


def test_an_overlay_loaded_since_by_somebody_else_is_not_touched(killed, small_network, tmp_path, monkeypatch):
    """Nothing may answer where our registers were, and then the processor hangs."""
    os.utime(tmp_path / "global_pl_state_.json", ns=(10**15, 10**15))
    OverlayBackend(small_network, killed.bitstream, device=killed).close()
    assert killed.log[0][0] == "download"
    assert RESET_WRITTEN not in killed.log


def test_after_a_restart_of_the_board_no_register_is_touched(killed, small_network, tmp_path, monkeypatch):
    (tmp_path / "boot").write_text("another boot\n")
    monkeypatch.setattr("pynq_bnn.board.process_lock._BOOT_ID", tmp_path / "boot")
    OverlayBackend(small_network, killed.bitstream, device=killed).close()
    assert killed.log[0][0] == "download"


def test_what_does_not_come_to_rest_is_loaded_over_with_a_warning(killed, small_network, assert_right, caplog):
    killed.core.fault_read(0, NO_ANSWER)  # what was running waits for ever
    read = killed.core.read
    killed.core.read = lambda offset: read(offset) | (BUSY if offset == OFFSETS["STATUS"] else 0)
    killed.core.clear_faults()
    download = killed.download

    def healed(*arguments):
        killed.core.read = read
        download(*arguments)

    killed.download = healed
    with OverlayBackend(small_network, killed.bitstream, device=killed) as backend:
        assert_right(backend)
    assert "left running by a process that was killed" in caplog.text


def test_the_word_stays_until_what_was_left_is_stopped(killed, small_network, tmp_path):
    """The next process may be killed too, or fail, before it gets that far."""
    first = ProcessLock(killed)
    assert first.left_running == BASE_ADDRESS
    first._file.close()
    first._file = None
    (tmp_path / "bad.bit").write_bytes(b"no bitstream")
    with pytest.raises(BackendError, match="is no bitstream"):
        OverlayBackend(small_network, tmp_path / "bad.bit", device=killed)
    again = ProcessLock(killed)
    assert again.left_running == BASE_ADDRESS
    again.release()
    assert ProcessLock(killed).left_running is None


def test_an_overlay_given_with_a_run_under_way_is_stopped(pynq, device, small_network, pixels, assert_right):
    overlay = pynq.Overlay(device.bitstream)
    leave_running(device, OverlayBackend(small_network, overlay=overlay), pixels)
    device.log.clear()
    with OverlayBackend(small_network, overlay=overlay) as backend:
        assert RESET_WRITTEN in device.log
        assert_right(backend)
    assert device.downloads == 1


def test_ctrl_c_while_the_overlay_is_loaded_lets_go_of_the_board(mapped, small_network, assert_right, monkeypatch):
    device = mapped()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(device, "get_bitfile_metadata", interrupted)
        with pytest.raises(KeyboardInterrupt):
            OverlayBackend(small_network, device.bitstream, device=device)
    with OverlayBackend(small_network, device.bitstream, device=device) as backend:
        assert_right(backend)


# Signals


@pytest.fixture
def default_handlers():
    before = {number: signal.getsignal(number) for number in ending._SIGNALS}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_are_watched_while_a_board_is_open_and_no_longer(mapped, small_network, default_handlers):
    device = mapped()
    with OverlayBackend(small_network, device.bitstream, device=device):
        assert [signal.getsignal(number) for number in ending._SIGNALS] == [ending._ended_by] * 2
    assert [signal.getsignal(number) for number in ending._SIGNALS] == [signal.SIG_DFL] * 2


def test_a_users_own_handler_is_left_alone(mapped, small_network, default_handlers):
    def own(*_):
        """The user's."""

    signal.signal(signal.SIGTERM, own)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    device = mapped()
    with OverlayBackend(small_network, device.bitstream, device=device):
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is own
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_simulated_device_ends_with_its_process_and_no_signal_is_watched(device, new_backend, small_network,
                                                                           default_handlers):
    new_backend(small_network)
    assert [signal.getsignal(number) for number in ending._SIGNALS] == [signal.SIG_DFL] * 2


def test_a_board_opened_in_a_thread_works_without_watching_signals(mapped, small_network, assert_right,
                                                                   default_handlers):
    device, failed = mapped(), []

    def work():
        try:
            with OverlayBackend(small_network, device.bitstream, device=device) as backend:
                assert_right(backend)
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed


SCRIPT = """
import os, signal, sys, threading, time
from functools import partial
from pathlib import Path
import numpy as np
from conftest import _mapping
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.board import process_lock as owner
from pynq_bnn.network import BinFc, InputSpec, Network, OutputSpec, Scores, one_bit_codes
from pynq_bnn.program.config import Config
from pynq_bnn.simulation.pynq_device import SimulatedDevice
import pynq.pl_server

folder = Path(sys.argv[1])
owner.LOCK_FILE = folder / "lock"
pynq.pl_server.__file__ = str(folder / "__init__.py")
device = SimulatedDevice(Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32))

device.capabilities["MEMORY_MAPPED"] = True
device.mmap = partial(_mapping, device)
out, write, read = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), device._write, device._read
one = threading.RLock()  # the simulated core is no hardware: two threads at once would damage it

def tell(text):
    os.write(out, (text + "\\n").encode())

def tell_write(address, value):
    with one:
        if address == 0x43C00010:
            tell({1: "start", 2: "reset"}[value])
        write(address, value)
        if address == 0x43C00010 and value == 2:
            run(2000, until_irq=False)  # time enough for the reset to end

def tell_read(address):
    with one:
        value = read(address)
        if address == 0x43C00014 and not value & 1:
            tell("rests")
        return value

device._write, device._read = tell_write, tell_read
network = Network("small", InputSpec(8, 8, 1, one_bit_codes(128)), (Scores(np.ones((3, 64), np.uint8)),),
                  OutputSpec(tuple("abc"), np.ones(3, np.float32), np.zeros(3, np.float32)))
backend = OverlayBackend(network, device.bitstream, device=device)
pixels = np.zeros((200, 8, 8, 1), np.uint8)
device.core.run, run = (lambda *_, **__: time.sleep(0.001) or 0), device.core.run  # a run that takes for ever
device.driver_clock.now = time.monotonic
device.driver_clock.patience = 60.0
threading.Thread(target=lambda: (time.sleep(0.3), print("go", flush=True)), daemon=True).start()
"""


def ended(tmp_path, ends, send=None):
    """Run SCRIPT with ``ends``: its exit status, what happened, and what lies in the lock file."""
    (tmp_path / "script.py").write_text(SCRIPT + textwrap.dedent(ends))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BOARD.parents[1]), str(BOARD)])}
    with subprocess.Popen([sys.executable, "-W", "ignore", tmp_path / "script.py", tmp_path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True) as process:
        assert process.stdout.readline() == "go\n", process.stderr.read()
        if send:
            process.send_signal(send)
        _, err = process.communicate(timeout=60)
    return process.returncode, (tmp_path / "log").read_text().split(), (tmp_path / "lock").read_text(), err


@pytest.mark.parametrize(("number", "thread"), [(signal.SIGTERM, "main"), (signal.SIGHUP, "another")])
def test_a_signal_in_the_middle_of_a_run_stops_it_and_ends_the_process_as_ever(simulator, pynq, tmp_path, number,
                                                                               thread):
    work = "backend.scores(pixels)" if thread == "main" else """
threading.Thread(target=backend.scores, args=(pixels,), daemon=True).start()
time.sleep(60)
"""
    status, log, lock, err = ended(tmp_path, work, number)
    assert status == -number, err
    assert "start" in log
    assert log[log.index("start") + 1:][:2] == ["reset", "rests"]
    assert "start" not in log[log.index("reset"):]
    assert (lock, err) == ("", "") if thread == "main" else lock == ""


def test_an_exit_stops_what_was_started_and_not_waited_for(simulator, pynq, tmp_path):
    status, log, lock, err = ended(tmp_path, """
pending = backend.start(pixels)
time.sleep(0.6)
import atexit
atexit.register(lambda: os.write(2, b"first"))  # called before the driver's
sys.exit(3)
""")
    assert (status, err) == (3, "first")
    assert log[log.index("start") + 1:][:2] == ["reset", "rests"]
    assert "start" not in log[log.index("reset"):]
    assert lock == ""


@pytest.mark.parametrize("end", ["sys.exit(3)", "signal.raise_signal(signal.SIGTERM)"])
def test_an_exit_while_a_thread_runs_stops_it(simulator, pynq, tmp_path, end):
    status, log, lock, err = ended(tmp_path, f"""
threading.Thread(target=backend.scores, args=(pixels,), daemon=True).start()
time.sleep(0.6)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # the user's own
{end}
""")
    assert status == 3, err
    assert log[log.index("start") + 1:][:2] == ["reset", "rests"]
    assert "start" not in log[log.index("reset"):]
    assert lock == ""


def test_a_process_that_is_killed_leaves_word(simulator, pynq, tmp_path):
    status, log, lock, _ = ended(tmp_path, "backend.scores(pixels)", signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert log[-1] == "start"
    assert lock.splitlines()[1].startswith(f"{BASE_ADDRESS} ")


def test_a_child_process_ends_without_touching_its_parents_run(simulator, pynq, tmp_path):
    status, log, lock, err = ended(tmp_path, """
threading.Thread(target=backend.scores, args=(pixels,), daemon=True).start()
time.sleep(0.6)
child = os.fork()
if not child:
    backend.close()
    sys.exit(0)
print(os.waitpid(child, 0)[1])
tell("child gone")
""")
    assert status == 0, err
    assert log.index("child") < log.index("reset")
    assert lock == ""
