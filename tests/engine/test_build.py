"""setup.py builds the engine, or goes on without it, whatever happens to the compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pynq_bnn.engine.native import load_library

ROOT = Path(__file__).parents[2]
# Compiles, and stops in the middle of linking.
HALF = """#!/bin/sh
case " $* " in *" -shared "*) ;; *) exec cc "$@" ;; esac
while [ $# -gt 0 ]; do
    [ "$1" = -o ] && echo half > "$2"
    shift
done
exit 1
"""


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    shutil.copytree(ROOT / "pynq_bnn" / "engine", folder / "pynq_bnn" / "engine",
                    ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "pynq_bnn" / "version.py", folder / "pynq_bnn")
    for name in ("setup.py", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def build(source, compiler=None):
    """What build_ext printed, and the libraries that it left in the package."""
    environment = dict(os.environ)
    if compiler:
        environment.update(CC=str(compiler), LDSHARED=f"{compiler} -shared")
    done = subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=source, env=environment,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, list((source / "pynq_bnn" / "engine").glob("*.so"))


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_with_a_compiler_the_library_lies_in_the_package(source):
    _, (path,) = build(source)
    assert "portable" in load_library(path).instruction_sets


@pytest.mark.parametrize("compiler", ["/bin/false", "/no/such/compiler", "half"])
def test_without_one_that_works_the_installation_goes_on(source, compiler, tmp_path):
    if compiler == "half":
        if shutil.which("cc") is None:
            pytest.skip("no C compiler")
        compiler = tmp_path / "half"
        compiler.write_text(HALF)
        compiler.chmod(0o755)
    printed, left = build(source, compiler)
    assert "the compiled engine cannot be built" in printed
    assert "will compute with NumPy" in printed
    assert left == []
