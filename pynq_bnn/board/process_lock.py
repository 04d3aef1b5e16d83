"""Only one process at a time holds a board's accelerator; it leaves a note for the next one in case it is killed."""

from __future__ import annotations

import contextlib
import os
from io import FileIO
from pathlib import Path
from typing import Any
from weakref import WeakSet

from ..errors import BackendError
from .surroundings import become_root

# /run belongs to root, who alone can use a board, and is emptied at boot. In the temporary folder, Linux refuses even
# root a file of another user.
LOCK_FILE = Path("/run/pynq-bnn.lock")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# pynq's records of the last download: by pynq 3.0, and by later versions.
_STATE_FILES = ("global_pl_state.json", "global_pl_state_.json")
_READ_BYTES = 1000

_locks: WeakSet[ProcessLock] = WeakSet()


class ProcessLock:
    """Held until :meth:`release`, or until the process ends, however it does.

    Only real devices, whose registers are mapped into memory, are locked; a simulated one belongs to its process. The
    file holds the process ID and what :meth:`note` adds; it is empty after a release.

    Raises
    ------
    BackendError
        Another process holds it (the message names it), or only root may open it.

    Attributes
    ----------
    left_running : int, optional
        The address of the accelerator's registers, if the last holder was killed and its overlay is still loaded.
    """

    def __init__(self, device: Any) -> None:
        self._file: FileIO | None = None  # closed by the garbage collector if an exception drops this lock
        self._pid, self._device = os.getpid(), device
        self.left_running: int | None = None
        if not device.has_capability("MEMORY_MAPPED"):
            return
        import fcntl  # not available on Windows

        file = _open(LOCK_FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = f"process {_lines(file)[0]}" if _lines(file)[0] else "another process"
            file.close()
            raise BackendError(f"the accelerator is in use by {holder}; close its Classifier, or end it (in Jupyter: "
                               f"shut down the other notebook's kernel)") from None
        self._file = file
        _locks.add(self)
        _, note = _lines(file)
        self._write(note)  # keep the note: this process may be killed before it has stopped that run
        address, _, mark = note.partition(" ")
        if mark and mark == self._mark() and address.isdecimal():
            self.left_running = int(address)

    def note(self, address: int) -> None:
        """Record the address of the loaded overlay's registers, for ``left_running`` of the next process."""
        if self._file is not None:
            self._write(f"{address} {self._mark()}")

    def _mark(self) -> str:
        boot = ""
        with contextlib.suppress(OSError):
            boot = _BOOT_ID.read_text().strip()
        return " ".join([boot, *map(str, download_mark(self._device))])

    def _write(self, note: str) -> None:
        file = self._file
        if file is None:
            return
        with contextlib.suppress(OSError):  # on a full /run the note is lost, but not the lock
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), f"{self._pid}\n{note}\n".encode(), 0)

    def release(self, clean: bool = True) -> None:
        """Release the lock; may be called twice.

        Parameters
        ----------
        clean : bool
            Whether the accelerator is idle, so that the next holder has nothing to stop.
        """
        file, self._file = self._file, None
        if file is None:
            return
        _locks.discard(self)
        with contextlib.suppress(OSError):
            if clean and os.getpid() == self._pid:
                os.ftruncate(file.fileno(), 0)
        file.close()

    def leave_to_parent(self) -> None:
        """After a fork, in the child: close the file; the lock stays with the parent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _leave_to_parent() -> None:
    for lock in list(_locks):
        lock.leave_to_parent()


if hasattr(os, "register_at_fork"):
    # Otherwise a child would keep the lock after the parent has released it or died.
    os.register_at_fork(after_in_child=_leave_to_parent)


def _open(path: Path) -> FileIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return FileIO(path, "r+", opener=lambda name, _: os.open(name, flags, 0o600))
    except PermissionError as error:
        raise BackendError(f"cannot open {path}: {error.strerror}; {become_root()}") from None
    except OSError as error:
        raise BackendError(f"cannot open {path}: {error.strerror}; remove what is there, or restart the board"
                           ) from None


def _lines(file: FileIO) -> tuple[str, str]:
    """The process ID and the note in the file; empty strings if it cannot be read."""
    content = b""
    with contextlib.suppress(OSError):
        content = os.pread(file.fileno(), _READ_BYTES, 0)
    number, note, *_ = [*content.decode(errors="replace").splitlines(), "", ""]
    return number.strip(), note.strip()


def download_mark(device: Any) -> tuple[int, ...]:
    """A value that changes when any process downloads a bitstream with pynq: the times of pynq's state files.

    Empty for a simulated device, which no other process can use.
    """
    if not device.has_capability("MEMORY_MAPPED"):
        return ()
    import pynq.pl_server

    folder, times = os.path.dirname(pynq.pl_server.__file__), []
    for name in _STATE_FILES:
        try:
            times.append(os.stat(os.path.join(folder, name)).st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)
