"""Where data lie that the repository does not hold; told by the environment, see .ci/run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def place(variable: str, holds: str) -> Path:
    """The directory that ``variable`` names, in which ``holds`` lies.

    Unset it is a visible skip, and a failure where PYNQ_BNN_STRICT promises data.
    """
    value = os.environ.get(variable)
    if not value:
        stop = pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip
        stop(f"{variable} is not set; it names the folder that holds {holds}")
    if not (Path(value) / holds).exists():
        pytest.fail(f"{variable} is {value}, which holds no {holds}")
    return Path(value)


def data_dir() -> Path:
    """The folder with the binary CIFAR-10 batches and MNIST/raw."""
    place("PYNQ_BNN_DATA_DIR", "cifar-10-batches-bin")
    return place("PYNQ_BNN_DATA_DIR", "MNIST/raw")


def bnn_pynq_dir() -> Path:
    """The folder with cifar10/cnvW1A1, mnist/lfcW1A1 and pictures of the BNN-PYNQ project."""
    return place("PYNQ_BNN_BNN_PYNQ_DIR", "cifar10/cnvW1A1")
