"""One interface, several machines: ``create_backend(name, network)``."""

from __future__ import annotations

from pathlib import Path

from ..errors import BackendError
from ..network import Network
from .base import Backend, BackendTime
from .cpu import CpuBackend
from .overlay import OverlayBackend
from .popcount import PopcountBackend
from .rtl import RtlBackend, Simulation

BACKENDS: dict[str, type[Backend]] = {"cpu": CpuBackend, "popcount": PopcountBackend, "rtl": RtlBackend,
                                      "overlay": OverlayBackend}
# "auto" is the first of these that the machine has.
AUTO = ("cpu",)

__all__ = ["AUTO", "BACKENDS", "Backend", "BackendTime", "CpuBackend", "OverlayBackend", "PopcountBackend",
           "RtlBackend", "Simulation", "create_backend"]


def create_backend(name: str, network: Network, *, trace: str | Path | None = None) -> Backend:
    """The backend called ``name`` ("auto" for the best there is), holding ``network``.

    Parameters
    ----------
    trace : str or Path, optional
        FST file for the waves of the simulated core; for "rtl" alone.

    Raises
    ------
    BackendError
        When no backend has this name, or it cannot be had here.
    """
    if name == "auto":
        name = AUTO[0]
    if name not in BACKENDS:
        raise BackendError(f"no backend {name!r}; there are auto, {', '.join(BACKENDS)}")
    if name == "rtl":
        return RtlBackend(network, Simulation(trace=trace))
    if trace is not None:
        raise BackendError(f"the backend {name} has no waves to trace; choose rtl")
    return BACKENDS[name](network)
