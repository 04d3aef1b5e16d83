"""The library under test: that of the package, or another build of it (``make sanitize``)."""

import os
from pathlib import Path

import pytest

from pynq_bnn.backends import compiled
from pynq_bnn.engine.native import find_library, load_library


@pytest.fixture(scope="session")
def library():
    path = os.environ.get("PYNQ_BNN_TEST_LIBRARY")
    found = load_library(Path(path)) if path else find_library()
    if found is None:
        stop = pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip
        stop("no compiled engine: there was no C compiler when pynq-bnn was installed")
    return found


@pytest.fixture(autouse=True)
def _backends_use_it(library, monkeypatch):
    monkeypatch.setattr(compiled, "find_library", lambda: library)
