"""The best backend of this machine: the board's overlay where there is one."""

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

    What keeps a board's overlay from use is logged as a warning, pynq that is missing or broken included. Any other
    machine is taken for an ordinary computer, on which nothing of pynq is imported.

    Raises
    ------
    PynqBnnError
        The network suits no backend.
    """
    if _is_board():
        try:
            default_bitstream()  # before pynq is imported, which takes seconds on a board
            _import_pynq()
            return OverlayBackend(network)
        except BackendError as error:
            log.warning("the board's overlay is not used, the processor computes instead: %s", error)
    return cpu_backend(network)


def best_accelerator(network: Network) -> Backend:
    """The accelerator to look into, with its counters: the overlay on a board, else its simulation.

    Where neither can be had, a warning says why, and the engine of XNOR and popcount takes its place, which does the
    accelerator's arithmetic and has no clock.

    Raises
    ------
    PynqBnnError
        The network suits no backend.
    """
    try:
        if _is_board():
            return OverlayBackend(network, options=RunOptions(counters=True))
        return RtlBackend(network)
    except BackendError as error:
        log.warning("no accelerator here, XNOR and popcount on the processor take its place: %s", error)
        return PopcountBackend(network)


def _is_board() -> bool:
    """Whether this machine is a PYNQ board, or looks like one and has pynq, by what costs nothing to ask."""
    return is_pynq_image() or (has_logic() and importlib.util.find_spec("pynq") is not None)


def _import_pynq() -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pynq  # noqa: F401
    except Exception as error:  # whatever it stumbles over
        raise BackendError(f"pynq cannot be imported ({first_line(error)}); {without_pynq()}") from None
