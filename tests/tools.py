"""Tools that some tests need: a visible skip where they are missing, a failure where PYNQ_BNN_STRICT promises them."""

from __future__ import annotations

import importlib.util
import os

import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation.build import find_compiler, find_verilator
from pynq_bnn.zoo import TOPOLOGIES

# Published networks that the accelerator takes: it computes chains.
CHAINS = [name for name, topology in TOPOLOGIES.items() if topology.is_chain]


def _simulator_missing() -> str | None:
    try:
        find_verilator()
        find_compiler()
    except BackendError as error:
        return str(error)
    return None


def _needs(missing: str | None) -> pytest.MarkDecorator:
    return pytest.mark.skipif(missing is not None and not os.environ.get("PYNQ_BNN_STRICT"), reason=missing or "")


# The simulated core alone; the backend "rtl", which drives it by pynq.
needs_simulator = _needs(_simulator_missing())
needs_rtl = _needs(_simulator_missing() if importlib.util.find_spec("pynq") else "pynq is not installed")


def needs_modules(*modules: str) -> pytest.MarkDecorator:
    """For tests of what optional packages do."""
    absent = [module for module in modules if not importlib.util.find_spec(module)]
    return _needs(f"{' and '.join(absent)} missing; make test-env installs all" if absent else None)


needs_opencv = needs_modules("cv2")
