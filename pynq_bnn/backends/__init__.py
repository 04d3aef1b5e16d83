"""Backends that run a network: one interface for several machines, made by ``create_backend(name, network)``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import BackendError
from ..network import Network
from .auto import best_accelerator, best_backend
from .base import Backend, BackendTime, Pending
from .compiled import CompiledBackend, cpu_backend
from .cpu import CpuBackend
from .overlay import OverlayBackend
from .popcount import PopcountBackend
from .rtl import RtlBackend, Simulation

BACKENDS: dict[str, Callable[[Network], Backend]] = {"cpu": cpu_backend, "popcount": PopcountBackend,
                                                     "rtl": RtlBackend, "overlay": OverlayBackend}

__all__ = ["BACKENDS", "Backend", "BackendTime", "CompiledBackend", "CpuBackend", "OverlayBackend", "Pending",
           "PopcountBackend", "RtlBackend", "Simulation", "best_accelerator", "best_backend", "cpu_backend",
           "create_backend"]


def create_backend(name: str, network: Network, *, trace: str | Path | None = None) -> Backend:
    """The backend called ``name`` ("auto" for :func:`best_backend`), holding ``network``.

    Parameters
    ----------
    trace : str or Path, optional
        FST file for the waves of the simulated core; only for "rtl".

    Raises
    ------
    BackendError
        No backend has this name, or it is not available here.
    """
    if name not in ("auto", *BACKENDS):
        raise BackendError(f"no backend {name!r}; there are auto, {', '.join(BACKENDS)}")
    if name == "rtl":
        return RtlBackend(network, Simulation(trace=trace))
    if trace is not None:
        raise BackendError(f"the backend {name} has no waves to trace; choose rtl")
    return best_backend(network) if name == "auto" else BACKENDS[name](network)
