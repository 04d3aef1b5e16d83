"""An accelerator of another build, an overlay that is replaced, several owners of one device: each is told or works."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from pynq_bnn import Classifier, PynqBnnError
from pynq_bnn.backends import CpuBackend
from pynq_bnn.backends.overlay import OverlayBackend
from pynq_bnn.board.accelerator import _download_mark
from pynq_bnn.board.hwh import hwh_text
from pynq_bnn.board.owner import LOCK_FILE, ProcessLock
from pynq_bnn.errors import BackendError
from pynq_bnn.program.batch import OFFSETS
from pynq_bnn.program.config import Config

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
    monkeypatch.setattr(backend._accelerator, "_mark", _download_mark(device))
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


def test_another_process_is_told_who_holds_the_board(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock = ProcessLock(MappedDevice())
    code = f"""
import tempfile
tempfile.tempdir = {str(tmp_path)!r}
from pynq_bnn.board.owner import ProcessLock
from pynq_bnn.errors import BackendError
class Device:
    def has_capability(self, name): return True
try:
    ProcessLock(Device())
    print("taken")
except BackendError as error:
    print(error)
"""
    def ask():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert f"in use by process {os.getpid()}" in ask()
    lock.release()
    lock.release()
    assert "taken" in ask()
    ProcessLock(MappedDevice()).release()


def test_a_lock_file_that_is_a_link_is_not_followed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "precious").write_text("keep")
    (tmp_path / LOCK_FILE).symlink_to(tmp_path / "precious")
    with pytest.raises(BackendError, match="cannot open"):
        ProcessLock(MappedDevice())
    assert (tmp_path / "precious").read_text() == "keep"
