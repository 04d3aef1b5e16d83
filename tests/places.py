"""Where data sets lie that the repository does not hold; told by the environment, see .ci/run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def place(variable: str, what: str) -> Path:
    """The directory in an environment variable; without it a visible skip, or a failure where data are promised."""
    value = os.environ.get(variable)
    if value:
        return Path(value)
    message = f"{what} not given; set {variable} to its directory"
    if os.environ.get("PYNQ_BNN_STRICT"):
        pytest.fail(message)
    pytest.skip(message)
