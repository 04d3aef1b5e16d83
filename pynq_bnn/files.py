"""Writing files so that a crash, a kill or a full disk never leaves a partial file."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from .errors import OutputError, first_line

# Precedes the system's reason in the messages of torch.save.
_STRERROR = "strerror: "


def is_file(path: Path) -> bool:
    """Whether ``path`` is a file; False also for impossible names and for folders that cannot be read."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Whether ``path`` is a directory; False in the same cases."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to the disk, then rename it to ``path``.

    Symbolic links are followed.

    Raises
    ------
    OutputError
        The disk is full, ``path`` cannot be written, or it is a device or folder; its old content is kept.
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
    # torch.save turns a failed write into a RuntimeError without errno.
    cut_short = isinstance(error, RuntimeError) and _STRERROR not in str(error)
    return cut_short or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _reason(error: Exception) -> str:
    if isinstance(error, RuntimeError):
        words = first_line(error)
        return words.split(_STRERROR)[-1].strip() if _STRERROR in words else f"not all of it could be written ({words})"
    return getattr(error, "strerror", None) or first_line(error)


def file_state(path: str | Path) -> tuple[str, int, int] | None:
    """What changes when a file is replaced: real path, modification time (ns) and size; None if there is no file."""
    try:
        real = os.path.realpath(path)
        state = os.stat(real)
    except (OSError, ValueError, TypeError):
        return None
    return real, state.st_mtime_ns, state.st_size
