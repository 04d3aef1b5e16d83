"""One process at a time holds a board's accelerator."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import BackendError

LOCK_FILE = "pynq-bnn.lock"


class ProcessLock:
    """Held until :meth:`release`, or until the process ends, however it does.

    Only devices whose registers are mapped into memory are shared by processes; a simulated one is not.

    Raises
    ------
    BackendError
        When another process has it; the message names it.
    """

    def __init__(self, device: Any) -> None:
        self._file: int | None = None
        if not device.has_capability("MEMORY_MAPPED"):
            return
        import fcntl  # not on every computer that imports this package

        path = Path(tempfile.gettempdir()) / LOCK_FILE
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise BackendError(f"cannot open {path}: {error.strerror}; remove it, or run as root") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(file, 20).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise BackendError(f"the accelerator is in use by process {holder}; close its Classifier, or end it "
                               f"(in Jupyter: shut down the other notebook's kernel)") from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Let others have it; may be called twice."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)
