"""An accelerator of another build, an overlay that is replaced, several owners of one device: each is told or works."""

import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pynq_bnn import Classifier, PynqBnnError
from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.board.hwh import hwh_text
from pynq_bnn.board.process_lock import LOCK_FILE, ProcessLock, download_mark
from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config
from pynq_bnn.program.registers import OFFSETS

OTHER = Config(lanes=2, pe=16, simd=32, buffer_depth=1024, ring_depth=256)


def test_a_handoff_file_of_another_build_is_refused(device, small_network, tmp_path):
    text = hwh_text(OTHER, 100.0)  # names no bitstream, so only the registers can tell
    (tmp_path / "a.bit").write_bytes(Path(device.bitstream).read_bytes())
    (tmp_path / "a.hwh").write_text(text)
    with pytest.raises(BackendError, match=r"\.hwh is of another build: .*PE=16.* accelerator .*PE=8"):
        OverlayBackend(small_network, tmp_path / "a.bit")
    assert not device.buffers


def test_a_bitstream_of_something_else_is_refused(device, small_network, tmp_path):
    from pynq_bnn.simulation.pynq_device import write_bitstream
    with pytest.raises(BackendError, match="its ID register reads 0x00000000"):
        OverlayBackend(small_network, write_bitstream(tmp_path / "a.bit", OTHER))


@pytest.mark.parametrize(("name", "value", "message"), [
    ("ID", 0x1234, "ID register reads 0x00001234"), ("VERSION", 77, "of version 77"),
    ("ARRAY", 0x14401004, "another build")])
def test_registers_of_another_accelerator_are_refused(device, small_network, monkeypatch, name, value, message):
    read = device.core.read
    monkeypatch.setattr(device.core, "read", lambda offset: value if offset == OFFSETS[name] else read(offset))
    with pytest.raises(BackendError, match=message):
        OverlayBackend(small_network, device.bitstream)
    assert {kind for kind, *_ in device.log} == {"read"}


def test_metadata_that_pynq_remembers_of_an_older_file_are_noticed(device, small_network, monkeypatch):
    parse = device.get_bitfile_metadata

    def stale(*arguments):
        parser = parse(*arguments)
        parser.ip_dict["bnn"]["parameters"]["CLOCK_MHZ"] = "50.0"
        return parser

    monkeypatch.setattr(device, "get_bitfile_metadata", stale)
    with pytest.raises(BackendError, match="remembers another"):
        OverlayBackend(small_network, device.bitstream)


def test_a_clock_beyond_the_designs_is_refused(pynq, device, small_network):
    overlay = pynq.Overlay(device.bitstream)
    pynq.Clocks.fclk0_mhz = 200.0
    with pytest.raises(BackendError, match="FCLK0 is set to 200 MHz, the design is made for 100 MHz"):
        OverlayBackend(small_network, overlay=overlay)
    pynq.Clocks.fclk0_mhz = 50.0
    with OverlayBackend(small_network, overlay=overlay) as backend:
        assert backend._accelerator.mhz == 50


def set_clock(device, mhz):
    """As another program does it, by the register alone."""
    device.system_registers[0xF800_0170] = 0x0010_0000 | round(1000 / mhz) << 8


def test_a_clock_set_by_another_program_after_opening_is_noticed_at_the_next_batch(device, new_backend, small_network,
                                                                                   pixels, assert_right):
    backend = new_backend(small_network)
    assert_right(backend)
    set_clock(device, 200)
    for _ in range(2):
        device.log.clear()
        with pytest.raises(BackendError, match="FCLK0 is set to 200 MHz, the design is made for 100 MHz; set pynq.Cl"):
            backend.scores(pixels)
        assert not [entry for entry in device.log if entry[0] == "write"]
        assert not device.buffers
    set_clock(device, 100)
    assert_right(backend)
    set_clock(device, 25)
    assert_right(backend)
    assert backend._accelerator.mhz == 25, "what is waited for, and what is told, is by the clock that is set"
    assert device.downloads == 1


def test_the_clock_and_the_overlay_take_two_reads_of_a_batch(device, new_backend, small_network, pixels, monkeypatch):
    backend, asked, read = new_backend(small_network), [], device._read
    backend.scores(pixels)
    monkeypatch.setattr(device, "_read", lambda address: asked.append(address) or read(address))
    backend.scores(pixels)
    before = asked[:asked.index(0x43C0_0014)]
    assert sorted(before) == sorted([0x43C0_0008, 0xF800_0170]), [hex(address) for address in asked]


@pytest.mark.parametrize("reads", [0, 0xFFFF_FFFF, 0x1440_1002])
def test_an_overlay_replaced_past_pynq_is_noticed_and_not_written_to(device, small_network, pixels, assert_right,
                                                                     monkeypatch, reads):
    """By fpga_manager itself, or by a program in C."""
    backend = OverlayBackend(small_network, device.bitstream)
    assert_right(backend)
    with monkeypatch.context() as patch:
        read = device.core.read
        patch.setattr(device.core, "read", lambda offset: reads if offset == OFFSETS["ARRAY"] else read(offset))
        device.log.clear()
        with pytest.raises(BackendError, match="replaced while in use"):
            backend.scores(pixels)
        assert list(device.log) == [("read", "ARRAY", reads)]
        assert not device.buffers
    with pytest.raises(BackendError, match="replaced while in use"):
        backend.scores(pixels)
    with OverlayBackend(small_network, device.bitstream) as again:
        assert_right(again)
    assert device.downloads == 2
    backend.close()


def test_an_overlay_replaced_while_in_use_is_noticed(pynq, device, small_network, pixels, assert_right, tmp_path):
    from pynq_bnn.simulation.pynq_device import write_bitstream
    backend = OverlayBackend(small_network, device.bitstream)
    assert_right(backend)
    pynq.Overlay(str(write_bitstream(tmp_path / "other.bit", OTHER)))
    device.log.clear()
    with pytest.raises(BackendError, match="replaced while in use"):
        backend.scores(pixels)
    assert not device.log
    again = OverlayBackend(small_network, device.bitstream)
    assert_right(again)
    with pytest.raises(BackendError, match="replaced while in use"):
        backend.scores(pixels)
    backend.close()
    assert_right(again)
    again.close()
    assert not device.buffers


def test_an_overlay_replaced_by_another_process_is_noticed(device, new_backend, small_network, pixels, assert_right,
                                                            monkeypatch, tmp_path):
    monkeypatch.setattr("pynq.pl_server.__file__", str(tmp_path / "__init__.py"))
    state = tmp_path / "global_pl_state_.json"
    state.write_text("{}")
    backend = new_backend(small_network)
    os.utime(state, ns=(1, 1))
    assert_right(backend, "of this simulated device there is no other process")
    # From here on a board, whose registers are mapped into memory.
    monkeypatch.setitem(device.capabilities, "MEMORY_MAPPED", True)
    monkeypatch.setattr(backend._accelerator, "_mark", download_mark(device))
    assert_right(backend)
    os.utime(state, ns=(2, 2))
    with pytest.raises(BackendError, match="replaced while in use"):
        backend.scores(pixels)


def test_two_owners_of_one_device_take_turns(device, new_backend, random_network, small_network, noise, assert_right):
    first, second = new_backend(small_network), new_backend(small_network, cacheable=False)
    assert device.downloads == 1
    for _ in range(2):
        assert_right(first)
        assert_right(second)
    first.close()
    assert_right(second)
    assert device.buffers
    assert_right(new_backend(small_network))
    assert device.downloads == 1


def test_two_classifiers_share_a_device(device, small_network, random_network, pixels, monkeypatch):
    monkeypatch.setattr("pynq_bnn.board.accelerator.default_bitstream", lambda: Path(device.bitstream))
    expected = CpuBackend(small_network).scores(pixels)
    with Classifier(small_network, "overlay") as first:
        with Classifier(small_network, "overlay") as second:
            for classifier in (first, second, first):
                assert np.array_equal(classifier.classify(pixels).sums, expected)
        with pytest.raises(PynqBnnError, match="closed"):
            second.classify(pixels)
        assert np.array_equal(first.classify(pixels).sums, expected)
    assert device.downloads == 1
    assert not device.buffers


def test_threads_take_turns(new_backend, small_network, assert_right):
    backends, failed = [new_backend(small_network) for _ in range(2)], []

    def work(backend):
        try:
            for _ in range(20):
                assert_right(backend)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(backend,)) for backend in backends * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_second_owner_with_another_bitstream_is_refused(pynq, device, new_backend, small_network, tmp_path,
                                                           assert_right):
    from pynq_bnn.simulation.pynq_device import write_bitstream
    backend = new_backend(small_network)
    other = write_bitstream(tmp_path / "other.bit", device.config)
    with pytest.raises(BackendError, match="close their Classifiers first"):
        OverlayBackend(small_network, other)
    with pytest.raises(BackendError, match="give one of them"):
        OverlayBackend(small_network, other, overlay=object())
    with pytest.raises(BackendError, match="a pynq.Overlay fits"):
        OverlayBackend(small_network, overlay="pynq-bnn.bit")
    assert_right(backend)
    backend.close()
    with OverlayBackend(small_network, other) as later:
        assert_right(later)


def test_a_child_process_cannot_use_its_parents_accelerator(new_backend, small_network, pixels, assert_right):
    backend = new_backend(small_network)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child():
        try:
            backend.scores(pixels)
            answers.put("ran")
        except BackendError as error:
            answers.put(str(error))
        os._exit(0) if answers.close() or answers.join_thread() else os._exit(0)

    process = context.Process(target=child)
    process.start()
    assert "parent of this process" in answers.get(timeout=30)
    process.join()
    assert_right(backend)


class MappedDevice:
    """As far as the lock sees it, a board."""

    def has_capability(self, name):
        return name == "MEMORY_MAPPED"


@pytest.fixture
def lock_file(pynq, monkeypatch, tmp_path):
    monkeypatch.setattr("pynq_bnn.board.process_lock.LOCK_FILE", tmp_path / "pynq-bnn.lock")
    return tmp_path / "pynq-bnn.lock"


@pytest.fixture
def ask(lock_file):
    """``ask()``: what another process is told that wants the board too."""
    code = f"""
from pathlib import Path
from pynq_bnn.board import process_lock as owner
from pynq_bnn.errors import BackendError
owner.LOCK_FILE = Path({str(lock_file)!r})
class Device:
    def has_capability(self, name): return True
try:
    owner.ProcessLock(Device())
    print("taken")
except BackendError as error:
    print(error)
"""
    return lambda **values: subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True,
                                           check=True, **values).stdout.strip()


def test_another_process_is_told_who_holds_the_board(ask):
    lock = ProcessLock(MappedDevice())
    assert f"in use by process {os.getpid()}" in ask()
    lock.release()
    lock.release()
    assert ask() == "taken"
    ProcessLock(MappedDevice()).release()


def test_a_child_process_does_not_hold_the_board_on(ask):
    lock, context = ProcessLock(MappedDevice()), multiprocessing.get_context("fork")
    go = context.Event()
    process = context.Process(target=go.wait, args=(30,))
    process.start()
    assert "in use by process" in ask(), "the child has let go of it, the parent has not"
    lock.release()
    try:
        assert ask() == "taken"
    finally:
        go.set()
        process.join()


def test_a_child_process_that_lets_go_leaves_the_parents_lock_and_its_word_alone(lock_file, ask):
    lock = ProcessLock(MappedDevice())
    lock.note(1000)
    written = lock_file.read_bytes()
    process = multiprocessing.get_context("fork").Process(target=lock.release)
    process.start()
    process.join()
    assert lock_file.read_bytes() == written
    assert "in use by process" in ask()
    lock.release()
    assert lock_file.read_bytes() == b""


def test_a_lock_file_that_is_a_link_is_not_followed(lock_file, tmp_path):
    (tmp_path / "precious").write_text("keep")
    lock_file.symlink_to(tmp_path / "precious")
    with pytest.raises(BackendError, match="cannot open .*remove what is there"):
        ProcessLock(MappedDevice())
    assert (tmp_path / "precious").read_text() == "keep"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_root_gets_the_lock_whoever_used_it_before_and_others_are_told_to_become_root(lock_file, ask):
    """The folder is root's own: no file of another user can lie there, which Linux would refuse even root."""
    assert LOCK_FILE.parent == Path("/run")
    ProcessLock(MappedDevice()).release()
    lock_file.parent.chmod(0o755)
    assert "Permission denied; log in as root: sudo -i" in ask_as_nobody(lock_file)
    assert ask() == "taken"


def ask_as_nobody(path):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def nobody():
        os.setuid(65534)
        try:
            ProcessLock(MappedDevice())
        except BackendError as error:
            answers.put(str(error))
        else:
            answers.put("taken")

    process = context.Process(target=nobody)
    process.start()
    answer = answers.get(timeout=30)
    process.join()
    return answer


@pytest.mark.parametrize("content", ["", "\n\n", "no number", "12\n", "12\n100", "12\nx 1 2", "\0" * 300, "9" * 2000,
                                     "12\n1124073472 another-boot 0 0"])
def test_whatever_the_lock_file_holds_it_is_no_reason_to_touch_registers(lock_file, content):
    lock_file.write_text(content)
    lock = ProcessLock(MappedDevice())
    assert lock.left_running is None
    lock.release()
    assert lock_file.read_bytes() == b""


def test_an_interrupt_while_the_lock_is_taken_lets_go_of_it(lock_file, ask, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pynq_bnn.board.process_lock._lines", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ProcessLock(MappedDevice())
    assert ask() == "taken"


def test_what_is_no_file_in_the_locks_place_is_told_or_used(lock_file, ask):
    lock_file.mkdir()
    with pytest.raises(BackendError, match="Is a directory; remove what is there"):
        ProcessLock(MappedDevice())
    lock_file.rmdir()
    os.mkfifo(lock_file)
    lock = ProcessLock(MappedDevice())
    assert lock.left_running is None
    assert "in use by another process" in ask()
    lock.release()
