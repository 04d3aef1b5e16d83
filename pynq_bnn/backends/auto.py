"""The best backend of this machine: the board's overlay if there is one."""

from __future__ import annotations

import importlib.util
import logging
import warnings

from ..board.loading import default_bitstream
from ..board.surroundings import has_logic, is_pynq_image, without_pynq
from ..errors import BackendError, first_line
from ..network import Network
from .base import Backend
from .compiled import cpu_backend
from .overlay import OverlayBackend, RunOptions
from .popcount import PopcountBackend
from .rtl import RtlBackend

log = logging.getLogger(__name__)


def best_backend(network: Network) -> Backend:
    """The overlay on a board that has pynq, else cpu.

    If a board's overlay cannot be used, a warning says why, also when pynq is missing or broken. Any other machine is
    treated as an ordinary computer, on which pynq is not imported at all.

    Raises
    ------
    PynqBnnError
        No backend can run the network.
    """
    if _is_board():
        try:
            default_bitstream()  # first, since importing pynq takes seconds on a board
            _import_pynq()
            return OverlayBackend(network)
        except BackendError as error:
            log.warning("the board's overlay is not used, the processor computes instead: %s", error)
    return cpu_backend(network)


def best_accelerator(network: Network) -> Backend:
    """An accelerator with counters, for profiling: the overlay on a board, else its simulation.

    If neither is available, a warning says why and the XNOR-popcount engine is used, which does the same arithmetic as
    the accelerator but counts no cycles.

    Raises
    ------
    PynqBnnError
        No backend can run the network.
    """
    try:
        if _is_board():
            return OverlayBackend(network, options=RunOptions(counters=True))
        return RtlBackend(network)
    except BackendError as error:
        log.warning("no accelerator here, using XNOR and popcount on the processor instead: %s", error)
        return PopcountBackend(network)


def _is_board() -> bool:
    """Whether this machine is a PYNQ board, or looks like one and has pynq; a cheap check that imports nothing."""
    return is_pynq_image() or (has_logic() and importlib.util.find_spec("pynq") is not None)


def _import_pynq() -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pynq  # noqa: F401
    except Exception as error:  # a broken installation may raise anything
        raise BackendError(f"pynq cannot be imported ({first_line(error)}); {without_pynq()}") from None
