"""The accelerator of one device: its registers, and who may use them when.

All networks of a process share one :class:`Accelerator` per device and take turns, run by run. Another process is
refused while one holds the board. Whatever ends a run early (an error, a time-out, Ctrl-C), the accelerator is reset
before the exception goes on: nothing writes into memory that is about to be freed, and the next run starts clean.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from ..errors import BackendError, first_line
from ..program.batch import (
    BUSY,
    DONE,
    OFFSETS,
    RESET,
    Counters,
    Registers,
    check_status,
    read_config,
    read_counters,
    start,
)
from ..program.fields import VERSION
from .afi import ensure_64_bit
from .clock import device_clock, fclk0_mhz
from .loading import accelerator_ip, default_bitstream, find_device, load_overlay, overlay_handoff
from .owner import ProcessLock

log = logging.getLogger(__name__)

# A run is hopeless beyond this many times its predicted time, and the clock's patience.
_PATIENCE = 8
# The first look at STATUS comes after the predicted time, the next after 1/8 of it, then ever later.
_FIRST_WAIT, _SHORTEST_WAIT, _LONGEST_WAIT = 1 / 8, 20e-6, 10e-3
_CLOCK_TOLERANCE = 1.005
# Of pynq 3.0; of later versions.
_STATE_FILES = ("global_pl_state.json", "global_pl_state_.json")

_shared: WeakKeyDictionary[Any, Accelerator] = WeakKeyDictionary()
_shared_lock = threading.RLock()  # a forgotten backend may be collected, and release, within acquire


def acquire(user: object, bitstream: str | Path | None = None, overlay: Any = None, device: Any = None) -> Accelerator:
    """The accelerator of a device, loaded now or shared with those who have it already.

    Each call is to be followed by one of :meth:`Accelerator.release`.

    Parameters
    ----------
    user : object
        Who wants it; one that is gone without releasing is forgotten.
    bitstream : path, optional
        A .bit file with its .hwh beside it; the package's own where none is given.
    overlay : pynq.Overlay, optional
        One that is loaded already, instead of a bitstream.
    device : pynq.Device, optional
        pynq's active device where none is given.

    Raises
    ------
    BackendError
        No board, wrong or missing files, an accelerator of another version or build, or a device in use.
    """
    if overlay is not None and bitstream is not None:
        raise BackendError("a bitstream and an overlay were given; give one of them")
    if overlay is not None:
        device = getattr(overlay, "device", None)
        if device is None:
            raise BackendError(f"the overlay is a {type(overlay).__name__}; a pynq.Overlay fits")
    device = find_device() if device is None else device
    with _shared_lock:
        held = _shared.get(device)
        if held is None or not held.loaded or not len(held.users):
            if held is not None:
                held.give_up()
            path = None if overlay is not None else Path(bitstream) if bitstream is not None else default_bitstream()
            held = Accelerator(device, path, overlay)
        elif (overlay is not None and overlay is not held.overlay) or not _same_file(bitstream, held.overlay):
            raise BackendError(f"the device runs {held.overlay.bitfile_name} for {len(held.users)} other user(s); "
                               f"close their Classifiers first, or use the same bitstream")
        held.users.add(user)
        _shared[device] = held
        return held


def _same_file(bitstream: str | Path | None, overlay: Any) -> bool:
    return bitstream is None or Path(bitstream).resolve() == Path(overlay.bitfile_name).resolve()


class Accelerator:
    """Registers, clock and lock of a device's accelerator; made by :func:`acquire`.

    Attributes
    ----------
    config : Config
        As its registers tell.
    mhz : float
        Its clock.
    users : WeakSet
        Who has acquired it and not yet released.
    """

    def __init__(self, device: Any, path: Path | None, overlay: Any) -> None:
        self.device, self.clock = device, device_clock(device)
        self.users: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()
        self._thread = 0  # that holds the lock, while it is locked
        self._user: object = None  # whose run is not at its end, or ended early without a reset
        self._pid, self._owns = os.getpid(), overlay is None
        self._process_lock = ProcessLock(device)
        try:
            self.overlay = load_overlay(path, device) if overlay is None else overlay
            self.registers: Registers = accelerator_ip(self.overlay)
            self._check_build()
            ensure_64_bit(device)
        except BackendError:
            self._process_lock.release()
            raise
        except Exception as error:  # registers that pynq cannot reach
            self._process_lock.release()
            raise BackendError(f"the accelerator's registers cannot be reached: {first_line(error)}; run as root on a "
                               f"PYNQ-Z1 or Z2") from None
        self._mark = _download_mark(device)

    def _check_build(self) -> None:
        handoff = overlay_handoff(self.overlay)
        self.config = read_config(self.registers)
        if (handoff.config, handoff.version) != (self.config, VERSION):
            raise BackendError(f"the .hwh is of another build: it says version {handoff.version}, {handoff.config}; "
                               f"the accelerator {VERSION}, {self.config}; take the .bit and the .hwh of one build")
        self.mhz = fclk0_mhz(self.device)
        if self.mhz > handoff.mhz * _CLOCK_TOLERANCE:
            raise BackendError(f"FCLK0 is set to {self.mhz:g} MHz, the design is made for {handoff.mhz:g} MHz; "
                               f"set pynq.Clocks.fclk0_mhz to that")

    def may_write(self, user: object) -> bool:
        """Whether the accelerator may still write to the memory of ``user``, whose run ended early."""
        return self._user is user and self.loaded

    @property
    def loaded(self) -> bool:
        """Whether the overlay is still the one that was loaded, as far as this process and pynq's files tell."""
        return bool(self.overlay.is_loaded()) and self._mark == _download_mark(self.device)

    def release(self, user: object) -> None:
        """Undo :func:`acquire`; behind the last user the device is free for others."""
        with _shared_lock:
            self.users.discard(user)
            if not len(self.users):
                self.give_up()
                if _shared.get(self.device) is self:
                    del _shared[self.device]

    def give_up(self) -> None:
        """Let other processes have the board."""
        self._process_lock.release()

    def run(self, program: tuple[int, int], images: tuple[int, int], results: tuple[int, int], cycles: float,
            user: object, *, timeout: float | None = None, meanwhile: Callable[[], None] | None = None,
            counters: bool = False) -> Counters | int:
        """Run a program to its end.

        Takes 8 register accesses (12 with ``counters``) and one for each look at STATUS: one when the prediction holds,
        three more until the run has taken 1.9 times as long.

        Parameters
        ----------
        program, results : (address, 64-bit words)
        images : (address, count)
        cycles : float
            Predicted.
        user : object
            Whose memory it is, for :meth:`may_write`.
        timeout : float, optional
            Seconds; a generous multiple of the prediction where none is given.
        meanwhile : callable, optional
            Called once while the accelerator runs.
        counters : bool
            Read all five counters.

        Returns
        -------
        The cycles it took, or all counters.

        Raises
        ------
        BackendError
            The run failed or did not end; the overlay was replaced.
        """
        if self._lock.locked() and self._thread == threading.get_ident():
            raise BackendError("the accelerator is asked to run by what is called while it runs; finish one batch, "
                               "then begin the next")
        with self._lock, self._guard(user):
            expected = cycles / (self.mhz * 1e6)
            limit = _PATIENCE * expected + self.clock.patience if timeout is None else timeout
            began = self.clock.now()
            start(self.registers, program, images, results)
            if meanwhile is not None:
                meanwhile()
            status = self._wait(began, expected, limit)
            check_status(status)
            if not status & DONE:
                raise BackendError("the accelerator was reset by somebody else while it ran; let one program use it")
            return read_counters(self.registers) if counters else self.registers.read(OFFSETS["CYCLES"])

    def _wait(self, began: float, expected: float, limit: float) -> int:
        """STATUS at the end of the run."""
        clock = self.clock
        pause = began + min(expected, limit) - clock.now()
        step = max(_SHORTEST_WAIT, expected * _FIRST_WAIT)
        while True:
            if pause > 0:
                clock.sleep(pause)
            # The time is taken first: a run that ended while this process slept long is no time-out.
            late = clock.now() - began >= limit
            status = self.registers.read(OFFSETS["STATUS"])
            if not status & BUSY:
                return status
            if late:
                raise BackendError(f"the accelerator did not finish within {limit:.3g} s (stage "
                                   f"{status >> 16 & 0xFF}, {expected:.3g} s were expected); it was reset. Try again; "
                                   f"if it stays so, load the overlay again")
            pause, step = step, min(2 * step, max(_LONGEST_WAIT, expected * _FIRST_WAIT))

    @contextlib.contextmanager
    def _guard(self, user: object) -> Iterator[None]:
        """A run at a time, on an accelerator that is ready; reset when it ends early."""
        self._thread = threading.get_ident()
        if os.getpid() != self._pid:
            raise BackendError("the accelerator was opened by the parent of this process; make a new Classifier here "
                               "after the other is closed")
        if not self.loaded:
            raise BackendError("the overlay was replaced while in use; close this Classifier and make a new one")
        if self._user is not None:
            self._recover()
        try:
            self._user = user
            yield
            self._user = None
        except BaseException:
            try:
                self._recover()
            except BackendError as error:  # the first exception says more; the next run tries again
                log.warning("%s", error)
            raise

    def _recover(self) -> None:
        """Bring the accelerator to rest: by its own reset, else by loading the overlay again."""
        if not self._reset():
            if not self._owns:
                raise BackendError("the accelerator does not come to rest; load the overlay again: overlay.download()")
            log.warning("the accelerator does not come to rest, loading %s again", self.overlay.bitfile_name)
            from .pynq_globals import active
            try:
                with active(self.device):
                    self.overlay.download()
                self._mark = _download_mark(self.device)
                self._check_build()
            except Exception as error:  # pynq's own
                raise BackendError(f"the accelerator does not come to rest and the overlay cannot be loaded again: "
                                   f"{first_line(error)}; restart the board") from None
        self._user = None

    def _reset(self) -> bool:
        """Whether the accelerator's reset ends."""
        clock, step = self.clock, _SHORTEST_WAIT
        try:
            began = clock.now()
            self.registers.write(OFFSETS["CONTROL"], RESET)
            while self.registers.read(OFFSETS["STATUS"]) & BUSY:
                if clock.now() - began > clock.patience:
                    return False
                clock.sleep(step)
                step = min(2 * step, _LONGEST_WAIT)
        except Exception as error:  # registers that do not answer
            log.warning("%s", first_line(error))
            return False
        return True


def _download_mark(device: Any) -> tuple[int, ...]:
    """Changes when any process downloads a bitstream with pynq, which then writes its state to a file.

    Only to devices whose registers are mapped into memory: no other process has a simulated one.
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
