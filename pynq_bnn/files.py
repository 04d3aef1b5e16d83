"""Writing files so that a crash, a kill or a full disk never leaves half of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import OutputError, first_line


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a neighbour of ``path``, flush it to the disk, then rename it.

    Raises
    ------
    OutputError
        When the disk is full or the place cannot be written; ``path`` keeps its old content.
    """
    path = Path(path)
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        write(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError, ValueError) as error:  # a full disk in torch.save; a NUL byte in the name
        reason = getattr(error, "strerror", None) or first_line(error)
        raise OutputError(f"cannot write {path}: {reason}; free some space or choose another place") from None
    finally:
        with contextlib.suppress(OSError, ValueError):  # not there, or a name that no file can have
            partial.unlink()
