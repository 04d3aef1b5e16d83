"""Places of real data, from the environment: unset is a visible skip, a failure where PYNQ_BNN_STRICT=1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _place(variable: str, holds: str) -> Path:
    value = os.environ.get(variable)
    if value is None:
        stop = pytest.fail if os.environ.get("PYNQ_BNN_STRICT") == "1" else pytest.skip
        stop(f"{variable} is not set; it names the folder that holds {holds}")
    path = Path(value)
    if not (path / holds).exists():
        pytest.fail(f"{variable} is {value}, which holds no {holds}")
    return path


@pytest.fixture(scope="session")
def bnn_pynq_dir() -> Path:
    """Folder with cifar10/cnvW1A1, mnist/lfcW1A1 and pictures of the BNN-PYNQ project."""
    return _place("PYNQ_BNN_BNN_PYNQ_DIR", "cifar10/cnvW1A1")


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Folder with MNIST/raw."""
    return _place("PYNQ_BNN_DATA_DIR", "MNIST/raw")
