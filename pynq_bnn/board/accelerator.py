"""The accelerator of one device: its registers, and who may use them when.

All networks of a process share one :class:`Accelerator` per device and take turns, run by run: ``start`` waits for the
current run, stores its outcome in its handle, and starts the next. While one process holds the board, others are
refused. Whatever ends a run early (an error, a timeout, Ctrl-C, a discarded handle, the exit of the process), the
accelerator is reset before anything else happens: nothing writes into memory that is about to be freed, and the next
run starts from a clean state.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from ..errors import BackendError, first_line
from ..program.fields import VERSION
from ..program.registers import (
    BUSY,
    DONE,
    OFFSETS,
    Registers,
    array_word,
    check_status,
    read_config,
    read_counters,
    start,
)
from .afi import ensure_64_bit
from .clock import FabricClock, device_clock
from .ending import come_to_rest, forget, stop_at_end, stop_predecessor
from .loading import accelerator_ip, default_bitstream, find_device, load_overlay, overlay_handoff
from .process_lock import ProcessLock, download_mark
from .run import Run
from .surroundings import become_root
from .turn import Turn

log = logging.getLogger(__name__)

# timeout = 8 × predicted time + the clock's patience
_PATIENCE = 8
_CLOCK_TOLERANCE = 1.005
# At process exit: seconds to wait for the thread whose run was stopped.
_LAST_WAIT = 1.0
_REPLACED = "the overlay was replaced while in use; close this Classifier and make a new one"
_STOPPED = "the run was interrupted; start the batch again"
_ENDING = "the run was stopped because this process is exiting; start no batch in exit handlers"

_shared: WeakKeyDictionary[Any, Accelerator] = WeakKeyDictionary()
_shared_lock = threading.RLock()  # reentrant: garbage collection within acquire may release another backend


def _leave_to_parent() -> None:
    """After a fork, in the child: the accelerators stay with the parent, one of whose threads may hold the lock."""
    global _shared, _shared_lock
    _parents.append(_shared)
    _shared, _shared_lock = WeakKeyDictionary(), threading.RLock()


_parents: list[object] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def acquire(user: object, bitstream: str | Path | None = None, overlay: Any = None, device: Any = None) -> Accelerator:
    """The accelerator of a device, loaded now or shared with its current users.

    Each call must be followed by one of :meth:`Accelerator.release`.

    Parameters
    ----------
    user : object
        Who wants it, held by a weak reference; a user that is collected counts as released.
    bitstream : path, optional
        A .bit file with its .hwh beside it; default: the one that comes with the package.
    overlay : pynq.Overlay, optional
        An overlay that is already loaded, instead of a bitstream.
    device : pynq.Device, optional
        Default: pynq's active device.

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


def _no_run() -> None:
    """Stands for the reference to the last run before there is one."""


class Accelerator:
    """Registers, clock and turns of a device's accelerator; made by :func:`acquire`.

    Attributes
    ----------
    config : Config
        As its registers report.
    mhz : float
        Its clock.
    users : WeakSet
        Who has acquired it and not yet released it.
    """

    def __init__(self, device: Any, path: Path | None, overlay: Any) -> None:
        self.device, self.clock = device, device_clock(device)
        self.users: WeakSet[Any] = WeakSet()
        self._turn = Turn("another call to the accelerator is active in this thread, which a signal handler or a "
                          "finalizer has interrupted; let it finish, then start the next batch")
        # The last run (weak reference) and its number; whether a reset is still due; the user whose memory the
        # accelerator may write, until the run has ended or was reset.
        self._run: Callable[[], Run | None] = _no_run
        self._number, self._reset_due = 0, False
        self._user: object = None
        self._pid, self._owns = os.getpid(), overlay is None
        self._gone = self._ending = False
        self._process_lock = ProcessLock(device)
        try:
            self._open(path, overlay)
        except BackendError:
            self._process_lock.release(clean=False)
            raise
        except Exception as error:  # registers that pynq cannot reach
            self._process_lock.release(clean=False)
            raise BackendError(f"the accelerator's registers cannot be reached: {first_line(error)}; "
                               f"{become_root()}") from None
        except BaseException:  # Ctrl-C
            self._process_lock.release(clean=False)
            raise

    def _open(self, path: Path | None, overlay: Any) -> None:
        if overlay is None:
            stop_predecessor(self.device, self.clock, self._process_lock)
            overlay = load_overlay(path or default_bitstream(), self.device)
        self.overlay, ip = overlay, accelerator_ip(overlay)
        self.registers: Registers = ip
        self._address: int = ip.mmio.base_addr
        self._fabric = FabricClock(self.device)
        self._check_build()
        ensure_64_bit(self.device)
        if self.registers.read(OFFSETS["STATUS"]) & BUSY and not come_to_rest(self.registers, self.clock):
            raise BackendError("the accelerator is busy with another program's run and does not become idle; load the "
                               "overlay again: overlay.download()")
        self._mark = download_mark(self.device)
        if self.device.has_capability("MEMORY_MAPPED"):  # real hardware: a run outlives this process
            self._process_lock.note(self._address)
            stop_at_end(self)

    def _check_build(self) -> None:
        handoff = overlay_handoff(self.overlay)
        self.config = read_config(self.registers)
        self._array = array_word(self.config)
        if (handoff.config, handoff.version) != (self.config, VERSION):
            raise BackendError(f"the .hwh is of another build: it says version {handoff.version}, {handoff.config}; "
                               f"the accelerator {VERSION}, {self.config}; take the .bit and the .hwh of one build")
        self._check_clock(self._fabric.setting())

    def _check_clock(self, setting: int) -> None:
        """Use the clock of ``setting`` from now on; raise BackendError if it is faster than the design allows."""
        mhz, limit = self._fabric.mhz(setting), overlay_handoff(self.overlay).mhz
        if mhz > limit * _CLOCK_TOLERANCE:
            raise BackendError(f"FCLK0 is set to {mhz:g} MHz, the design is made for {limit:g} MHz; "
                               f"set pynq.Clocks.fclk0_mhz to that")
        self.mhz, self._setting = mhz, setting

    def _check_unchanged(self) -> None:
        """Another program may have changed the clock, or loaded another overlay without pynq; costs two reads."""
        setting, array = self._fabric.setting(), self.registers.read(OFFSETS["ARRAY"])
        if array != self._array:
            self._gone = True
            raise BackendError(_REPLACED)
        if setting != self._setting:
            self._check_clock(setting)

    def may_write(self, user: object) -> bool:
        """Whether the accelerator may still write to the memory of ``user``, whose run ended early."""
        return self._user is user and self.loaded

    @property
    def loaded(self) -> bool:
        """Whether the overlay is still loaded, according to this process and to pynq's state files."""
        return not self._gone and bool(self.overlay.is_loaded()) and self._mark == download_mark(self.device)

    @property
    def foreign(self) -> bool:
        """Whether it was opened before a fork: only the parent process may use it and free its memory."""
        return os.getpid() != self._pid

    def require_own(self) -> None:
        """Raise BackendError in a child process of the one that opened the accelerator."""
        if self.foreign:
            raise BackendError("the accelerator was opened by the parent of this process; make a new Classifier here "
                               "after the other is closed")

    def release(self, user: object) -> None:
        """Undo :func:`acquire`; after the last user's release the device is free for others."""
        if self.foreign:
            return
        with _shared_lock:
            self.users.discard(user)
            if not len(self.users):
                self.give_up()
                if _shared.get(self.device) is self:
                    del _shared[self.device]

    def give_up(self) -> None:
        """Release the board for other processes."""
        forget(self)
        self._process_lock.release(clean=self._user is None)

    def stop(self) -> None:
        """Stop the current run and start no other: this process is exiting, perhaps in the middle of a call."""
        if self.foreign:
            return
        self._ending = True
        rests = self._comes_to_rest()
        if not self._turn.mine:
            # That has ended another thread's run, unless the thread was just writing the registers that start it.
            with self._turn.try_to_take(_LAST_WAIT):
                rests = self._comes_to_rest()
        if not rests:
            return  # keep the note in the lock file: the next process will stop the run
        if self.loaded:
            self._user = None
        self.give_up()

    def _comes_to_rest(self) -> bool:
        return self._user is None or not self.loaded or come_to_rest(self.registers, self.clock)

    def start(self, program: tuple[int, int], images: tuple[int, int], results: tuple[int, int], cycles: float,
              user: object, *, timeout: float | None = None, counters: bool = False) -> Run:
        """Start a run of a program, once the current run (of any user) has ended.

        A run costs 9 register accesses (13 with ``counters``), one read of the clock's setting, and the polls of
        STATUS: one if the prediction holds, up to three more if it takes 1.9 times as long.

        Parameters
        ----------
        program, results : (address, 64-bit words)
        images : (address, count)
        cycles : float
            Predicted duration.
        user : object
            Owner of the memory, for :meth:`may_write`.
        timeout : float, optional
            Seconds from the start; default: 8 × prediction + the clock's patience.
        counters : bool
            Read all five counters.

        Returns
        -------
        Run
            A handle to wait for. It holds no lock: whoever starts the next run waits for this one first.

        Raises
        ------
        BackendError
            The overlay was replaced, its clock is set too high, or it belongs to the parent process.
        """
        self.require_own()  # before the lock, which a thread of the parent may have held at the fork
        with self._turn.take():
            before = self._run()
            if before is not None and not before.ended:
                self._finish(before)
            self._make_ready()
            expected = cycles / (self.mhz * 1e6)
            limit = _PATIENCE * expected + self.clock.patience if timeout is None else timeout
            self._number += 1
            run = Run(self, self._number, expected, limit, counters)
            try:
                self._user, self._run = user, ref(run)
                run.began = self.clock.now()
                start(self.registers, program, images, results)
            except BaseException:
                self._give_up_run(run, _STOPPED)
                raise
            return run

    def finish(self, run: Run) -> None:
        """Wait until ``run`` has ended and store its outcome in it; Ctrl-C and other exceptions give the run up."""
        self.require_own()
        with self._turn.take():
            if run.ended:
                return
            try:
                self._finish(run)
            except BaseException:
                self._give_up_run(run, _STOPPED)
                raise

    def give_up_run(self, run: Run, why: str) -> None:
        """Reset the accelerator unless ``run`` has ended; those who wait for the run get ``why`` as their error."""
        if self.foreign:
            return
        with self._turn.take():
            if not run.ended:
                self._give_up_run(run, why)

    def forget_run(self, run: Run) -> None:
        """Reset the accelerator, now or before the next run: the last reference to ``run`` is gone.

        The garbage collector may call this at any moment in any thread, so it must not wait for a lock.
        """
        if self.foreign or self._ending or run.number != self._number:
            return
        self._reset_due = True
        with self._turn.try_to_take() as taken:
            if taken and run.number == self._number and self.loaded and come_to_rest(self.registers, self.clock):
                self._user, self._reset_due = None, False

    def settle(self, user: object) -> None:
        """Make sure that no run of ``user`` is active, not even one whose start was interrupted or handle discarded."""
        if self._user is not user or self.foreign or self._turn.mine:
            return
        with self._turn.take():
            run = self._run()
            if self._user is user and run is not None and not run.ended:
                self._give_up_run(run, _STOPPED)
            elif self._user is user and self._reset_due:
                self._try_to_recover()

    def _finish(self, run: Run) -> None:
        """Wait for the current run. A failure is stored in the run for those who wait for it, not raised here."""
        try:
            if self._ending:
                raise BackendError(_ENDING)
            if not self.loaded:
                raise BackendError(_REPLACED)
            status = run.last_status(self.registers, self.clock)
            check_status(status)
            if not status & DONE:
                raise BackendError(_ENDING if self._ending else "the accelerator was reset by somebody else while it "
                                   "ran; let one program use it")
            result = read_counters(self.registers) if run.counters else self.registers.read(OFFSETS["CYCLES"])
        except BackendError as error:
            self._give_up_run(run, str(error))
        else:
            self._user = None
            run.succeed(result)

    def _give_up_run(self, run: Run, why: str) -> None:
        self._reset_due = True  # stays set if Ctrl-C interrupts what follows
        run.fail(why)
        self._try_to_recover()

    def _try_to_recover(self) -> None:
        if self._ending or not self.loaded:  # stop() resets it; another overlay is not ours to reset
            return
        try:
            self._recover()
        except BackendError as error:  # the reason why the run ended matters more; the next run tries again
            self._reset_due = False
            log.warning("%s", error)

    def _make_ready(self) -> None:
        """Check that the accelerator can be used, and reset it if that is still due after the last run."""
        if not self.loaded:
            raise BackendError(_REPLACED)
        if self._ending:
            raise BackendError(_ENDING)
        if self._user is not None:
            self._recover()
        self._check_unchanged()

    def _recover(self) -> None:
        """Make the accelerator idle: by its own reset, else by loading the overlay again."""
        if not come_to_rest(self.registers, self.clock):
            if not self._owns:
                raise BackendError("the accelerator does not become idle; load the overlay again: overlay.download()")
            log.warning("the accelerator does not become idle, loading %s again", self.overlay.bitfile_name)
            from .pynq_globals import active
            try:
                with active(self.device):
                    self.overlay.download()
                self._mark = download_mark(self.device)
                self._check_build()
                self._process_lock.note(self._address)
            except Exception as error:  # whatever pynq raises
                raise BackendError(f"the accelerator does not become idle and the overlay cannot be loaded again: "
                                   f"{first_line(error)}; restart the board") from None
        self._user, self._reset_due = None, False
