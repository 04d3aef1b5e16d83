"""What importing and installing promise."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pynq_bnn
from pynq_bnn import zoo

PACKAGE = Path(pynq_bnn.__file__).parent


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_and_command_line_load_neither_torch_nor_brevitas_nor_pynq_nor_matplotlib():
    loaded = run_python("import sys, pynq_bnn, pynq_bnn.cli; pynq_bnn.cli.build_parser(); print(*sys.modules)").split()
    assert not {"torch", "brevitas", "pynq", "matplotlib", "tqdm", "cv2"} & {name.split(".")[0] for name in loaded}


def test_import_reads_no_environment_variable():
    code = """
import os, sys
seen = []
class Spy(type(os.environ)):
    def __getitem__(self, key):
        frame = sys._getframe(1)
        while frame and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        name = frame.f_globals.get("__name__", "") if frame else ""
        if name.startswith("pynq_bnn"):
            seen.append((name, key))
        return super().__getitem__(key)
os.environ.__class__ = Spy
import pynq_bnn, pynq_bnn.cli
print(seen)
"""
    assert run_python(code).strip() == "[]"
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        # Where a user's cache lies is told by the system's convention, as Path.home() is by HOME.
        text = text.replace('os.environ.get("XDG_CACHE_HOME", "")', "")
        assert "environ" not in text, path
        assert "getenv" not in text, path


def test_only_model_train_and_compile_import_torch():
    for path in PACKAGE.rglob("*.py"):
        folder = path.relative_to(PACKAGE).parts[0]
        text = path.read_text(encoding="utf-8")
        if folder not in ("model", "train", "compile"):
            assert "import torch" not in text and "import brevitas" not in text, path  # noqa: PT018


def test_no_pickle_is_read():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "pickle.load" not in text, path
        assert text.count("torch.load(") == text.count("weights_only=True)"), path


@pytest.mark.parametrize("name", zoo.shipped())
def test_shipped_networks_carry_classes_golden_image_and_provenance(name):
    network = zoo.find_network(name)
    assert network.name == name
    assert network.golden is not None
    assert {"dataset", "test_accuracy", "training"} <= set(network.provenance)
    assert pynq_bnn.Classifier(network).verify(images=2).ok


def test_the_two_first_networks_ship_and_cnv_is_small():
    files = zoo.shipped()
    assert {"cnv-cifar10", "lfc-mnist"} <= set(files)
    assert files["cnv-cifar10"].stat().st_size < 250_000


def test_version_is_that_of_the_installed_package():
    from importlib.metadata import version
    assert pynq_bnn.__version__ == version("pynq-bnn")


# Folders and files of the package, each importing only from those before it.
ORDER = ("version", "errors", "arrays", "files", "progress", "pillow", "network", "pictures", "data", "zoo", "engine",
         "program", "board", "simulation", "backends", "interop", "camera", "classify", "live", "model", "train",
         "compile", "charts", "commands", "cli", "__main__")


def test_folders_import_in_one_direction():
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if own == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # How far the import leaves its own folder: one dot more than it lies deep.
            if isinstance(node, ast.ImportFrom) and node.level == len(path.relative_to(PACKAGE).parts):
                for name in [node.module] if node.module else [alias.name for alias in node.names]:
                    other = name.split(".")[0]
                    assert ORDER.index(other) <= ORDER.index(own), f"{path} imports {other}"
