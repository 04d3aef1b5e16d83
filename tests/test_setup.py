"""setup.py on a Python that is too old or too new: it starts there, and says which Python and image are needed."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "setup.py"
# What the Pythons of older images cannot parse: f-strings, annotations, and stars within displays and calls.
NEWER_THAN_PYTHON_2 = (ast.JoinedStr, ast.AnnAssign, ast.Starred, ast.NamedExpr, ast.AsyncFunctionDef, ast.Nonlocal)


def answer(version, monkeypatch):
    """What setup.py says under ``version``, with no module of later Pythons or of setuptools to be had."""
    for name in ("pathlib", "setuptools"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "version_info", (*version, 5, "final", 0))
    monkeypatch.setattr(sys, "version", f"{version[0]}.{version[1]}.5 (of a test)")
    with pytest.raises((SystemExit, ImportError)) as raised:
        exec(compile(SETUP.read_text(), str(SETUP), "exec"), {"__file__": str(SETUP), "__name__": "__main__"})
    return str(raised.value)


@pytest.mark.parametrize("version", [(2, 7), (3, 4), (3, 6), (3, 8), (3, 9), (3, 13), (4, 0)])
def test_other_pythons_are_told_which_python_and_image_are_needed(version, monkeypatch):
    text = answer(version, monkeypatch)
    assert f"needs Python 3.10 to 3.12; this is {version[0]}.{version[1]}.5" in text
    assert "image 3.0.1 or 3.1" in text


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12)])
def test_pythons_that_fit_go_on(version, monkeypatch):
    assert "import of pathlib halted" in answer(version, monkeypatch)


def test_the_syntax_is_that_of_old_pythons():
    for node in ast.walk(ast.parse(SETUP.read_bytes())):
        assert not isinstance(node, NEWER_THAN_PYTHON_2), ast.dump(node)
        assert not isinstance(node, ast.Dict) or None not in node.keys, ast.dump(node)
        assert not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.MatMult | ast.BitOr), ast.dump(node)
        assert not isinstance(node, ast.AugAssign), ast.dump(node)
    assert SETUP.read_text().isascii()


def test_old_pythons_that_are_here_say_the_same():
    names = ["python2.7", *(f"python3.{minor}" for minor in (6, 7, 8, 9, 13, 14))]
    found = [path for path in map(shutil.which, names) if path and not status(path, "-c", "").returncode]
    if not found:
        pytest.skip(f"none of {', '.join(names)} is here")
    for python in found:
        done = status(python, SETUP.name, "--version")
        assert done.returncode == 1, python
        assert done.stderr.startswith("pynq-bnn needs Python 3.10 to 3.12; this is "), python
        assert len(done.stderr.splitlines()) == 1, python


def status(*command):
    return subprocess.run(command, cwd=SETUP.parent, capture_output=True, text=True, check=False)
