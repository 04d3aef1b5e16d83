"""Writing files so that a crash, a kill or a full disk never leaves half of one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from .errors import OutputError, first_line

# Ahead of the system's reason in the messages of torch.save.
_STRERROR = "strerror: "


def is_file(path: Path) -> bool:
    """Whether a file lies there; False for names that no file can have and places that cannot be looked into."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Whether a directory lies there, in the same way."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a neighbour of ``path``, flush it to the disk, then rename it.

    Raises
    ------
    OutputError
        When the disk is full or the place cannot be written; ``path`` keeps its old content. Symbolic
        links are followed; what is there and no regular file (a device, a folder) is left alone.
    """
    path = _real_place(Path(path))
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        write(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError, ValueError) as error:  # a full disk in torch.save; a NUL byte in the name
        advice = "free some space or choose another place" if _is_full(error) else "choose another place"
        raise OutputError(f"cannot write {path}: {_reason(error)}; {advice}") from None
    finally:
        with contextlib.suppress(OSError, ValueError):  # not there, or a name that no file can have
            partial.unlink()


def _real_place(path: Path) -> Path:
    try:
        real = Path(os.path.realpath(path))
        unfit = real.exists() and not real.is_file()
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}; choose another place") from None
    if unfit:
        raise OutputError(f"cannot write {path}: a folder or a device is there; choose another place")
    return real


def _is_full(error: Exception) -> bool:
    # torch.save turns a failed write into RuntimeError without a number.
    cut_short = isinstance(error, RuntimeError) and _STRERROR not in str(error)
    return cut_short or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _reason(error: Exception) -> str:
    if isinstance(error, RuntimeError):
        words = first_line(error)
        return words.split(_STRERROR)[-1].strip() if _STRERROR in words else f"not all of it could be written ({words})"
    return getattr(error, "strerror", None) or first_line(error)


def file_state(path: str | Path) -> tuple[str, int, int] | None:
    """What changes when a file is replaced: real place, time of change (ns) and size; None where no file lies."""
    try:
        real = os.path.realpath(path)
        state = os.stat(real)
    except (OSError, ValueError, TypeError):
        return None
    return real, state.st_mtime_ns, state.st_size
