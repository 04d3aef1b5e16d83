"""Tools that some tests need: a visible skip where they are missing, a failure where PYNQ_BNN_STRICT promises them."""

from __future__ import annotations

import os

import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation.build import find_compiler, find_verilator


def _missing() -> str | None:
    try:
        find_verilator()
        find_compiler()
    except BackendError as error:
        return str(error)
    return None


_MISSING = None if os.environ.get("PYNQ_BNN_STRICT") else _missing()
needs_simulator = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")
