"""Finds the compiled library and calls it; ctypes lets other Python threads run meanwhile."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..arrays import Array
from ..errors import BackendError, first_line

log = logging.getLogger(__name__)

_HERE = Path(__file__).resolve().parent
# Those of engine.h.
_INTERFACE = 1
PACK_PIXELS, PIXEL_SUMS, BIT_SUMS = range(3)
BIT_LANES, PIXEL_LANES = 8, 16


class SourceStruct(ctypes.Structure):
    """``struct bnn_source`` of engine.h."""

    _fields_ = [("map", ctypes.c_int64), ("words", ctypes.c_int64),
                *((name, ctypes.c_int32) for name in ("height", "width", "channels", "kernel_height", "kernel_width",
                                                      "stride", "padding", "fill"))]


class LayerStruct(ctypes.Structure):
    """``struct bnn_layer`` of engine.h."""

    _fields_ = [("kind", ctypes.c_int32), ("sources", ctypes.c_int32), ("source", ctypes.POINTER(SourceStruct)),
                *((name, ctypes.c_int32) for name in ("out_height", "out_width", "pool", "channels")),
                ("row_words", ctypes.c_int64),
                *((name, ctypes.c_void_p) for name in ("weights", "levels", "shortcut_levels", "row_class",
                                                       "column_class", "invert")),
                *((name, ctypes.c_int64) for name in ("shortcut", "output", "output_words")),
                ("table", ctypes.c_void_p)]


@dataclass(frozen=True, eq=False)
class Library:
    """The loaded library.

    Parameters
    ----------
    path : Path
    handle : ctypes.CDLL
    instruction_sets : tuple of str
        Those compiled in that this processor has, the fastest first; the last is "portable".
    """

    path: Path
    handle: ctypes.CDLL
    instruction_sets: tuple[str, ...]

    def number(self, instruction_set: str | None = None) -> int:
        """The library's number of an instruction set, of the best one by default.

        Raises
        ------
        BackendError
            This processor lacks it, or the library does.
        """
        name = instruction_set or self.instruction_sets[0]
        if name not in self.instruction_sets:
            raise BackendError(f"no instruction set {name!r} here; this processor and library have "
                               f"{', '.join(self.instruction_sets)}")
        names = _all_names(self.handle)
        return names.index(name)

    def pixel_taps(self, number: int) -> int:
        """4: pixels are uint8 and their weights lie in groups of four taps; 1: pixels are int8."""
        return int(self.handle.bnn_pixel_taps(number))

    def work_words(self, layers: ctypes.Array[LayerStruct]) -> int:
        """uint64 words that one call needs in addition to the maps."""
        return int(self.handle.bnn_work_words(layers, len(layers)))

    def run(self, number: int, layers: ctypes.Array[LayerStruct], first: int, count: int, pixels: Array,
            arena: Array, work: Array, scores: Array) -> None:
        """Layers ``first`` to ``first + count - 1`` on the pictures of ``pixels``; all arrays contiguous.

        ``arena`` holds the maps of all layers for ``len(pixels)`` images, ``scores`` takes (N, K) int32.
        """
        part = ctypes.byref(layers, first * ctypes.sizeof(LayerStruct))
        if self.handle.bnn_run(number, part, count, pixels.ctypes.data, len(pixels), arena.ctypes.data,
                               work.ctypes.data, scores.ctypes.data):
            raise BackendError("this processor lacks the instruction set chosen")


@lru_cache(maxsize=1)
def find_library() -> Library | None:
    """The library beside this file, or None where the package was built without a compiler."""
    for suffix in EXTENSION_SUFFIXES:
        path = _HERE / f"_kernels{suffix}"
        if path.exists():
            return load_library(path)
    return None


def load_library(path: Path) -> Library | None:
    """The library at ``path``; None, with a warning that says why, where it cannot be used."""
    try:
        handle = ctypes.CDLL(str(path))
        _declare(handle)
    except (OSError, AttributeError) as error:
        log.warning("the compiled engine %s is not used, NumPy computes instead: %s", path, first_line(error))
        return None
    found = handle.bnn_interface(), handle.bnn_sizes(0), handle.bnn_sizes(1)
    if found != (_INTERFACE, ctypes.sizeof(SourceStruct), ctypes.sizeof(LayerStruct)):
        log.warning("the compiled engine %s is of another version of pynq-bnn and is not used, NumPy computes instead; "
                    "install again", path)
        return None
    usable = [name for number, name in enumerate(_all_names(handle)) if handle.bnn_instruction_set_usable(number)]
    return Library(path, handle, tuple(usable))


def _declare(handle: ctypes.CDLL) -> None:
    pointer, number, large = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    for name, result, arguments in (
            ("bnn_interface", number, []), ("bnn_sizes", number, [number]), ("bnn_instruction_sets", number, []),
            ("bnn_instruction_set_name", ctypes.c_char_p, [number]), ("bnn_instruction_set_usable", number, [number]),
            ("bnn_pixel_taps", number, [number]), ("bnn_work_words", large, [pointer, number]),
            ("bnn_run", number, [number, pointer, number, pointer, large, pointer, pointer, pointer])):
        function = getattr(handle, name)
        function.restype, function.argtypes = result, arguments


def _all_names(handle: ctypes.CDLL) -> list[str]:
    return [handle.bnn_instruction_set_name(number).decode() for number in range(handle.bnn_instruction_sets())]


def default_threads() -> int:
    """As many as this process may use cores, 1 in a worker process of multiprocessing."""
    if multiprocessing.parent_process() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
