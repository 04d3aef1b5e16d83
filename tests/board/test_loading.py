"""What is wrong with a board or its files is said in one line, before anything is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

import pynq_bnn
from pynq_bnn.backends.overlay import OverlayBackend, default_bitstream
from pynq_bnn.board.hwh import hwh_text
from pynq_bnn.board.loading import accelerator_ip, check_files, find_device
from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config


@pytest.fixture
def files(tmp_path, new_device):
    """A .bit and its .hwh that can be spoiled."""
    from pynq_bnn.simulation.pynq_device import write_bitstream
    return write_bitstream(tmp_path / "own.bit", Config())


def test_a_package_without_a_bitstream_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("pynq_bnn.board.loading.__file__", str(tmp_path / "pynq_bnn" / "board" / "loading.py"))
    with pytest.raises(BackendError, match=r"no pynq-bnn\.bit .* comes without a bitstream"):
        default_bitstream()


@pytest.mark.parametrize("place", ["pynq_bnn/overlays", "overlays"])
def test_the_bitstream_is_found_in_the_package_and_in_a_checkout(monkeypatch, tmp_path, place):
    monkeypatch.setattr("pynq_bnn.board.loading.__file__", str(tmp_path / "pynq_bnn" / "board" / "loading.py"))
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "pynq-bnn.bit").touch()
    assert default_bitstream() == tmp_path / place / "pynq-bnn.bit"


def test_without_pynq_the_error_says_how_to_get_it(monkeypatch, small_network):
    for name in [name for name in sys.modules if name.split(".")[0] == "pynq"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(BackendError, match=r"needs pynq .* pip install 'pynq-bnn\[board\]'"):
        OverlayBackend(small_network)


def test_without_a_board_the_error_says_so(pynq, small_network):
    from pynq.pl_server.device import Device
    if Device.devices:
        pytest.skip("there is a board")
    with pytest.raises(BackendError, match="finds no board here"):
        OverlayBackend(small_network)


def test_a_board_of_another_kind_is_refused(device):
    device.arch = "aarch64"
    with pytest.raises(BackendError, match="processor is aarch64"):
        find_device()


def test_good_files_pass(files):
    assert check_files(files).config == Config()


@pytest.mark.parametrize("spoil", ["missing", "empty", "short", "long", "text", "folder"])
def test_a_bitstream_that_is_none_is_refused(files, spoil):
    data = files.read_bytes()
    files.unlink()
    if spoil == "folder":
        files.mkdir()
    elif spoil != "missing":
        files.write_bytes({"empty": b"", "short": data[:-4], "long": data + bytes(4), "text": b"not a bitstream " * 9
                           }[spoil])
    with pytest.raises(BackendError, match=r"cannot read the bitstream|is no bitstream, or not a whole one"):
        check_files(files)


def test_every_cut_of_a_bitstream_is_refused(files):
    data = files.read_bytes()
    for length in range(len(data)):
        files.write_bytes(data[:length])
        with pytest.raises(BackendError, match="is no bitstream"):
            check_files(files)


def test_a_bitstream_of_another_chip_is_refused(files):
    files.write_bytes(files.read_bytes().replace(b"7z020clg400", b"7z010clg400"))
    with pytest.raises(BackendError, match="for the chip 7z010clg400"):
        check_files(files)


def test_a_missing_handoff_file_is_named(files):
    files.with_suffix(".hwh").unlink()
    with pytest.raises(BackendError, match=r"no file .*own\.hwh"):
        check_files(files)


def test_a_handoff_file_of_another_bitstream_is_refused(files):
    files.with_suffix(".hwh").write_text(hwh_text(Config(), 100.0, b"another"))
    with pytest.raises(BackendError, match="belongs to another bitstream"):
        check_files(files)


def test_an_accelerator_of_another_version_is_refused(files):
    text = files.with_suffix(".hwh").read_text()
    files.with_suffix(".hwh").write_text(text.replace('"VERSION" VALUE="1"', '"VERSION" VALUE="99"'))
    with pytest.raises(BackendError, match="version 99"):
        check_files(files)


def test_nothing_is_loaded_from_wrong_files(device, files, small_network):
    files.with_suffix(".hwh").write_text(hwh_text(Config(), 100.0, b"another"))
    with pytest.raises(BackendError):
        OverlayBackend(small_network, files)
    assert device.downloads == 0


def test_what_pynq_cannot_load_is_one_error(device, small_network, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(device, "download", refuse)
    with pytest.raises(BackendError, match=r"pynq cannot load .*Permission denied"):
        OverlayBackend(small_network, device.bitstream)


def test_an_overlay_without_the_accelerator_is_refused():
    class Overlay:
        bitfile_name, ip_dict = "base.bit", {"gpio": {"type": "xilinx.com:ip:axi_gpio:2.0"}}

    with pytest.raises(BackendError, match=r"base\.bit has no accelerator"):
        accelerator_ip(Overlay())


def test_the_package_does_not_import_pynq_by_itself():
    package = Path(pynq_bnn.__file__).parent
    users = {path.relative_to(package).as_posix() for path in package.rglob("*.py")
             if any(line.startswith(("import pynq\n", "import pynq.", "from pynq ", "from pynq."))
                    for line in path.read_text(encoding="utf-8").splitlines(keepends=True))}
    code = "import sys, pynq_bnn.backends.overlay; print('pynq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    assert users == {"board/ip.py", "board/pynq_globals.py", "simulation/pynq_device.py"}
