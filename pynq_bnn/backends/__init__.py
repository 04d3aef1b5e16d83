"""One interface, several machines: ``create_backend(name, network)``."""

from __future__ import annotations

from ..errors import BackendError
from ..network import Network
from .base import Backend, BackendTime
from .cpu import CpuBackend
from .popcount import PopcountBackend

BACKENDS: dict[str, type[Backend]] = {"cpu": CpuBackend, "popcount": PopcountBackend}
# "auto" is the first of these that the machine has.
AUTO = ("cpu",)

__all__ = ["AUTO", "BACKENDS", "Backend", "BackendTime", "CpuBackend", "PopcountBackend", "create_backend"]


def create_backend(name: str, network: Network) -> Backend:
    """The backend called ``name`` ("auto" for the best there is), holding ``network``.

    Raises
    ------
    BackendError
        When no backend has this name.
    """
    if name == "auto":
        name = AUTO[0]
    if name not in BACKENDS:
        raise BackendError(f"no backend {name!r}; there are auto, {', '.join(BACKENDS)}")
    return BACKENDS[name](network)
