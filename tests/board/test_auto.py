"""The backend "auto": the overlay on a board that has all it takes, else cpu; told where the user can do something."""

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pynq_bnn import Classifier
from pynq_bnn.backends import create_backend
from pynq_bnn.board.hwh import hwh_text
from pynq_bnn.network import InputSpec, Network, OutputSpec, Scores, one_bit_codes


@pytest.fixture
def package(monkeypatch, tmp_path):
    """The package's folder, as far as the search for a bitstream sees it."""
    monkeypatch.setattr("pynq_bnn.board.loading.__file__", str(tmp_path / "pynq_bnn" / "board" / "loading.py"))
    return tmp_path / "pynq_bnn"


@pytest.fixture
def board(monkeypatch, tmp_path, package):
    """This machine looks like a board, one without a bitstream."""
    (tmp_path / "firmware").touch()
    monkeypatch.setattr("platform.machine", lambda: "armv7l")
    monkeypatch.setattr("pynq_bnn.board.surroundings._FPGA_MANAGER", tmp_path / "firmware")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True if name == "pynq" else find_spec(name))
    return monkeypatch


@pytest.fixture
def bitstream(package, device):
    """The simulated device's .bit and .hwh, as the package's own."""
    (package / "overlays").mkdir(parents=True)
    for path in (Path(device.bitstream), Path(device.bitstream).with_suffix(".hwh")):
        (package / "overlays" / path.name).write_bytes(path.read_bytes())
    return package / "overlays" / "pynq-bnn.bit"


def chosen(network, caplog):
    """The backend's name, and what was told."""
    with caplog.at_level(logging.WARNING), create_backend("auto", network) as backend:
        return backend.name, caplog.text


def test_a_board_with_pynq_and_a_bitstream_uses_the_overlay(board, bitstream, device, small_network, assert_right,
                                                            caplog):
    with Classifier(small_network) as classifier:
        assert classifier.backend.name == "overlay"
        assert_right(classifier.backend)
    assert device.downloads == 1
    assert not caplog.records


@pytest.mark.parametrize("absent", ["processor", "logic", "pynq"])
def test_what_is_no_board_computes_by_itself_and_says_nothing(board, bitstream, device, small_network, caplog, absent):
    board.setattr(*{"processor": ("platform.machine", lambda: "x86_64"),
                    "logic": ("pynq_bnn.board.surroundings._FPGA_MANAGER", Path("/no such file")),
                    "pynq": ("importlib.util.find_spec", lambda _: None)}[absent])
    assert chosen(small_network, caplog) == ("cpu", "")
    assert device.downloads == 0


@pytest.fixture
def image(board, tmp_path):
    """Its system is that of PYNQ's image."""
    (tmp_path / "pynq_board").touch()
    board.setattr("pynq_bnn.board.surroundings._PYNQ_IMAGE", tmp_path / "pynq_board")
    return board


@pytest.fixture
def user(monkeypatch):
    """``user(number)``: who runs this."""
    return lambda number: monkeypatch.setattr("os.geteuid", lambda: number)


@pytest.mark.parametrize("error", ["ImportError('no module x')", "RuntimeError('broken')", "OSError(5, 'I/O error')"])
def test_a_broken_pynq_is_told_once(image, bitstream, small_network, caplog, capfd, tmp_path, error):
    for name in [name for name in sys.modules if name.split(".")[0] == "pynq"]:
        image.delitem(sys.modules, name)
    (tmp_path / "pynq.py").write_text(f"import warnings\nwarnings.warn('no devices')\nraise {error}")
    image.syspath_prepend(tmp_path)
    name, text = chosen(small_network, caplog)
    assert name == "cpu"
    assert "the processor computes instead: pynq cannot be imported (" in text
    assert "log in with sudo -i" in text
    assert len(caplog.records) == 1
    assert capfd.readouterr() == ("", "")


def test_on_a_pynq_image_a_python_without_pynq_is_told(image, bitstream, small_network, caplog, tmp_path):
    """``sudo pynq-bnn`` takes the system's Python, not that of PYNQ's environment."""
    image.setattr("importlib.util.find_spec", lambda name: None)
    image.setitem(sys.modules, "pynq", None)
    name, text = chosen(small_network, caplog)
    assert name == "cpu"
    assert f"{sys.executable} is not PYNQ's own Python, or not set up for it: log in with sudo -i" in text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("number", "listed", "there", "not_there"), [
    (0, False, "XILINX_XRT is not set", "as root"), (1000, False, "XILINX_XRT is not set", "dmesg"),
    (1000, True, "log in as root: sudo -i", "XILINX_XRT"), (0, True, "dmesg", "as root")])
def test_a_board_that_pynq_does_not_find_is_told_with_its_real_cause(pynq, image, bitstream, small_network, caplog,
                                                                     user, number, listed, there, not_there):
    """pynq imports the devices of boards only where XILINX_XRT is set."""
    user(number)
    with image.context() as patch:
        patch.setattr(pynq.Device, "_devices", [], raising=False)
        patch.delattr(pynq.Device, "_active_device")
        if listed:
            patch.setitem(sys.modules, "pynq.pl_server.embedded_device", True)
        name, text = chosen(small_network, caplog)
    assert name == "cpu"
    assert "pynq finds no board here (No Devices Found)" in text
    assert there in text
    assert not_there not in text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("number", "there", "not_there"), [(0, "dmesg", "as root"),
                                                            (1000, "as root: sudo -i", "dmesg")])
def test_root_is_not_told_to_become_root(board, bitstream, device, small_network, caplog, user, number, there,
                                         not_there):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    board.setattr(device, "download", refuse)
    user(number)
    name, text = chosen(small_network, caplog)
    assert name == "cpu"
    assert "Permission denied" in text
    assert there in text
    assert not_there not in text


def test_a_board_without_a_bitstream_is_told_and_does_not_import_pynq(board, small_network, caplog):
    board.setitem(sys.modules, "pynq", None)
    name, text = chosen(small_network, caplog)
    assert name == "cpu"
    assert "the processor computes instead: no pynq-bnn.bit" in text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("spoil", "message"), [("hwh", "belongs to another bitstream"), ("bit", "is no bitstream"),
                                                ("device", "pynq cannot load"), ("registers", "cannot be reached")])
def test_an_overlay_that_cannot_be_used_is_told(board, bitstream, device, small_network, caplog, spoil, message):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    if spoil == "hwh":
        bitstream.with_suffix(".hwh").write_text(hwh_text(device.config, 100.0, b"another"))
    elif spoil == "bit":
        bitstream.write_bytes(b"no bitstream")
    else:
        board.setattr(*(device, "download") if spoil == "device" else (device.core, "read"), refuse)
    name, text = chosen(small_network, caplog)
    assert name == "cpu"
    assert message in text
    assert not device.buffers


def test_a_network_that_does_not_fit_the_accelerator_goes_to_the_processor(board, bitstream, device, caplog):
    fan_in = 64 * device.config.ring_depth
    layers = (Scores(np.ones((3, fan_in), np.uint8)),)
    network = Network("wide", InputSpec(64, fan_in // 64, 1, one_bit_codes(128)), layers,
                      OutputSpec(("a", "b", "c"), np.ones(3, np.float32), np.zeros(3, np.float32)))
    name, text = chosen(network, caplog)
    assert name == "cpu"
    assert "does not fit" in text


def test_an_ordinary_computer_imports_nothing_of_pynq(tmp_path):
    (tmp_path / "pynq.py").write_text("print('imported')")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from pynq_bnn import Classifier
print(Classifier("lfc-mnist").backend.name, "pynq" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("cpu False\n", "")
