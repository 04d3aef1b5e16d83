"""The accelerator is stopped before its memory is freed: at the end of a process, or by the next process.

A run continues when the process that started it is gone, and would write its results to memory that belongs to another
process by then. So at exit, and at a signal that would end the process, every run is stopped and waited for. A process
that is killed with SIGKILL cannot do that; the next process that opens the device does it first of all.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any, Protocol
from weakref import WeakSet

from ..errors import first_line
from ..program.fields import IDENTITY
from ..program.registers import BUSY, OFFSETS, RESET, Registers
from .clock import Clock
from .hwh import ADDRESS_SIZE
from .process_lock import ProcessLock

log = logging.getLogger(__name__)

# SIGTERM: kill, shutdown, systemd. SIGHUP: the end of an ssh session. Ctrl-C raises an exception and needs no handler.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_SHORTEST_WAIT, _LONGEST_WAIT = 20e-6, 10e-3


class Stoppable(Protocol):
    """An object to stop at the end of the process; :meth:`stop` may be called at any time, also by a signal handler."""

    def stop(self) -> None: ...


_watched: WeakSet[Stoppable] = WeakSet()


def come_to_rest(registers: Registers, clock: Clock) -> bool:
    """Reset the accelerator; returns whether it became idle within the clock's patience."""
    step = _SHORTEST_WAIT
    try:
        began = clock.now()
        registers.write(OFFSETS["CONTROL"], RESET)
        while registers.read(OFFSETS["STATUS"]) & BUSY:
            if clock.now() - began > clock.patience:
                return False
            clock.sleep(step)
            step = min(2 * step, _LONGEST_WAIT)
    except Exception as error:  # registers that do not answer
        log.warning("%s", first_line(error))
        return False
    return True


def stop_predecessor(device: Any, clock: Clock, lock: ProcessLock) -> None:
    """Stop the run of a process that was killed, if its overlay is still loaded.

    No other overlay is accessed: reading an address at which nothing answers hangs the processor.
    """
    address = lock.left_running
    if address is None:
        return
    from pynq import MMIO

    try:
        registers = MMIO(address, ADDRESS_SIZE, device=device)
        rests = registers.read(OFFSETS["ID"]) != IDENTITY or come_to_rest(registers, clock)
    except Exception as error:  # whatever pynq raises
        log.warning("%s", first_line(error))
        rests = False
    if not rests:
        log.warning("the accelerator, left running by a process that was killed, does not become idle; loading the "
                    "overlay again")


def stop_at_end(stoppable: Stoppable) -> None:
    """Call ``stoppable.stop()`` when this process exits, or is ended by a signal for which it has no handler.

    Signal handlers can only be set in the main thread; called from another thread, this covers the exit alone.
    """
    for number in _SIGNALS:
        with contextlib.suppress(ValueError):  # not in the main thread
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _ended_by)
    _watched.add(stoppable)


def forget(stoppable: Stoppable) -> None:
    """Undo :func:`stop_at_end`."""
    _watched.discard(stoppable)
    if not _watched and threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is _ended_by:
                signal.signal(number, signal.SIG_DFL)


@atexit.register
def _stop_all() -> None:
    for stoppable in list(_watched):
        try:
            stoppable.stop()
        except Exception as error:  # stop the others all the same
            log.warning("%s", first_line(error))


def _ended_by(number: int, _frame: FrameType | None) -> None:
    """Stop all accelerators, then let the signal end the process as it would have done."""
    _stop_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
