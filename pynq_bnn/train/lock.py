"""A lock that lets only one training at a time write into a folder."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError, TrainError
from ..files import is_dir

log = logging.getLogger(__name__)


@contextmanager
def training_folder(folder: Path, first: bool = True) -> Iterator[None]:
    """Create ``folder`` and lock it within a ``with`` statement; a new folder that stays empty is removed again.

    The kernel holds the lock, on the folder itself: it needs no file, and ends with the process, however that ends.

    Parameters
    ----------
    first : bool
        Whether this is the first of several processes that train together; only that one creates and locks the folder.

    Raises
    ------
    OutputError
        The folder cannot be created or written into.
    TrainError
        Another process is training into it.
    """
    if not first:
        yield
        return
    made = not is_dir(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot make the directory {folder}: {reason}; give another --out") from None
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write into the directory {folder}; give another --out")
    lock = _lock(folder)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)
        if made:
            with contextlib.suppress(OSError):  # usually: not empty
                folder.rmdir()


def _lock(folder: Path) -> int | None:
    try:
        import fcntl
    except ImportError:  # Windows
        log.info("this system cannot lock a folder; start no second training into %s", folder)
        return None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OutputError(f"cannot open the directory {folder}: {error.strerror}; give another --out") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise TrainError(f"another process trains into {folder}; wait for it, or give another --out") from None
        log.info("%s is on a file system without locks (%s); start no second training into it", folder,
                 error.strerror)
        return None
    return handle
