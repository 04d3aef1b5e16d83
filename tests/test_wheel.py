"""The wheel as a board's owner builds and installs it: without network, with the overlay and notebooks when present."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from tools import needs_rtl

import pynq_bnn
from pynq_bnn.program.config import Config

ROOT = Path(__file__).parents[1]
TINY = Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32)
OFFLINE = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "made", "*.so")
NOTEBOOKS = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
PYNQ = {"pynq.lib": "pynq_bnn.board.ip", "pynq.notebooks": "pynq_bnn.notebooks", "pynq.overlays": "pynq_bnn.overlays"}
OVERLAY = {f"pynq_bnn/overlays/pynq-bnn.{kind}" for kind in ("bit", "hwh", "json")}


def pip(*arguments):
    # Python's own folder of the moment is no part of a user's path.
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments)], check=True,
                   env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})


def build(source, folder):
    pip("wheel", *OFFLINE, "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


def names(wheel):
    with ZipFile(wheel) as file:
        return {name for name in file.namelist() if ".dist-info/" not in name}


def metadata(wheel, name):
    with ZipFile(wheel) as file:
        return file.read(f"pynq_bnn-{pynq_bnn.__version__}.dist-info/{name}").decode()


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """A copy of the sources without bitstream and notebooks, and its wheel."""
    source = tmp_path_factory.mktemp("plain")
    for folder in ("pynq_bnn", "hw", "overlays", "notebooks"):
        shutil.copytree(ROOT / folder, source / folder, ignore=IGNORED)
    for path in [*source.glob("overlays/pynq-bnn.*"), *source.glob("notebooks/*.ipynb")]:
        path.unlink()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return source, build(source, tmp_path_factory.mktemp("plain-wheel"))


@pytest.fixture(scope="session")
def full(plain, tmp_path_factory):
    """The same with a bitstream (where pynq is there, that of a simulated device) and the notebooks."""
    source = tmp_path_factory.mktemp("full") / "source"
    shutil.copytree(plain[0], source)
    for kind in ("bit", "hwh", "json"):
        (source / "overlays" / f"pynq-bnn.{kind}").write_text("{}")
    if importlib.util.find_spec("pynq"):
        from pynq_bnn.simulation.pynq_device import write_bitstream
        write_bitstream(source / "overlays" / "pynq-bnn.bit", TINY)
    for name in NOTEBOOKS:
        shutil.copy(ROOT / "notebooks" / name, source / "notebooks")
    return source, build(source, tmp_path_factory.mktemp("full-wheel"))


def test_the_wheel_holds_the_package_the_networks_and_what_the_simulator_is_built_from(plain):
    source, wheel = plain
    expected = {path.relative_to(source).as_posix() for path in source.glob("pynq_bnn/**/*.py")}
    expected |= {path.relative_to(source).as_posix() for path in source.glob("pynq_bnn/**/*.bnn")}
    expected |= {path.relative_to(source).as_posix() for path in source.glob("pynq_bnn/engine/*.[ch]")}
    expected |= {f"pynq_bnn/hw/{path.parent.name}/{path.name}" for folder in ("rtl", "sim")
                 for path in (source / "hw" / folder).iterdir()}
    expected.add("pynq_bnn/py.typed")  # the types in it are for others too
    found = names(wheel)
    assert expected <= found
    assert "pynq_bnn/notebooks/photos/cat.jpg" in found
    assert bool([name for name in found if name.startswith("pynq_bnn/engine/_kernels.")]) == bool(shutil.which("cc"))
    for name in found:
        assert name.startswith("pynq_bnn/")
        assert "test" not in name


def test_bitstream_and_notebooks_are_in_the_wheel_when_they_are_present(plain, full):
    assert len(NOTEBOOKS) == 6
    assert names(full[1]) - names(plain[1]) == OVERLAY | {f"pynq_bnn/notebooks/{name}" for name in NOTEBOOKS}


def test_the_metadata_name_what_pynq_looks_for_and_what_the_boards_image_has(plain):
    text = metadata(plain[1], "entry_points.txt")
    for group, module in PYNQ.items():
        assert f"[{group}]\npynq-bnn = {module}\n" in text + "\n"
    needed = [line.split(":")[1].replace(" ", "") for line in metadata(plain[1], "METADATA").splitlines()
              if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert sorted(needed) == ["numpy>=1.21", "pillow>=9.0"]
    assert f"Tag: cp{sys.version_info[0]}{sys.version_info[1]}-" in metadata(plain[1], "WHEEL")


def test_a_wheel_from_the_source_distribution_is_the_same(full, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(full[0], source, ignore=IGNORED)
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=source, check=True, capture_output=True)
    assert names(build(next(tmp_path.glob("*.tar.gz")), tmp_path / "wheel")) == names(full[1])


@pytest.fixture(scope="session")
def installed(full, tmp_path_factory):
    """``installed(command)``: run outside the sources, where the installed wheel comes first; what it printed."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", *OFFLINE, "--target", folder / "site", full[1])
    shutil.copy(ROOT / "notebooks" / "photos" / "cat.jpg", folder)

    def run(*command):
        done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, check=False, capture_output=True,
                              text=True, env={**os.environ, "PYTHONPATH": str(folder / "site")})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert str(folder) in run("-c", "import pynq_bnn; print(pynq_bnn.__file__)")
    run.folder = folder
    return run


def test_the_installed_package_classifies(installed):
    assert "cat.jpg  cat" in installed("-m", "pynq_bnn", "classify", "cat.jpg")


@needs_rtl
def test_the_installed_package_classifies_on_the_simulated_board(installed):
    assert installed("-m", "pynq_bnn", "classify", "cat.jpg", "--backend", "rtl", "--json") == installed(
        "-m", "pynq_bnn", "classify", "cat.jpg", "--backend", "cpu", "--json")


@needs_rtl
def test_pynq_finds_overlay_driver_and_notebooks_of_the_installed_package(installed):
    code = """
import pynq
from pynq_bnn.board.loading import default_bitstream
from pynq_bnn.program.config import Config
from pynq_bnn.simulation.pynq_device import SimulatedDevice
with SimulatedDevice(Config(lanes=2, pe=8, simd=64, buffer_depth=256, ring_depth=32)):
    overlay = pynq.Overlay("pynq-bnn.bit")
    print(overlay.bitfile_name == str(default_bitstream()), overlay.bitfile_name, type(overlay.bnn).__name__)
"""
    assert installed("-c", code).split() == ["True", str(installed.folder / "site" / "pynq_bnn" / "overlays" /
                                                         "pynq-bnn.bit"), "BnnIp"]
    command = "from pynq._cli.get_notebooks import main; main()"
    installed("-c", command, "pynq-bnn", "--ignore-overlays", "--quiet", "--path", "given")
    given = {path.relative_to(installed.folder / "given" / "pynq-bnn").as_posix()
             for path in (installed.folder / "given" / "pynq-bnn").rglob("*") if path.is_file()}
    assert NOTEBOOKS | {"README.md", "photos/cat.jpg"} <= given


@needs_rtl
def test_pynq_finds_them_in_an_editable_installation_too(full, tmp_path):
    """Where they cannot be imported, pynq fails for overlays of others as well."""
    make = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", make, str(tmp_path)], cwd=full[0], check=True, capture_output=True)
    site = tmp_path / "site"
    with ZipFile(next(tmp_path.glob("*.whl"))) as file:
        file.extractall(site)
    code = f"""
import site, sys
# The tests' own editable installation steps aside.
for name in [name for name in sys.modules if name.startswith("__editable__")]:
    del sys.modules[name]
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
sys.path.insert(0, {str(site)!r})
site.addsitedir({str(site)!r})
from pynqutils.setup_utils import ExtensionsManager
for module in ("pynq_bnn.overlays", "pynq_bnn.notebooks"):
    print(ExtensionsManager.extension_path(module))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
    assert done.stdout.split() == [str(full[0] / "overlays"), str(full[0] / "notebooks")], done.stderr
