"""The accelerator comes to rest before its memory is freed: when a process ends, and when one did not get that far.

A run goes on when the process that started it is gone, and writes its results to memory that is somebody else's by
then. So at exit, and at a signal that would end the process, every run is stopped and waited for. A process that is
killed outright cannot do that; the next one that opens the device does it for it, before anything else.
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

# Beyond Ctrl-C, which is an exception: kill, shutdown or systemd; the end of a session over ssh.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_SHORTEST_WAIT, _LONGEST_WAIT = 20e-6, 10e-3


class Stoppable(Protocol):
    """What is to be stopped; :meth:`stop` may be called at any moment, and from a signal handler."""

    def stop(self) -> None: ...


_watched: WeakSet[Stoppable] = WeakSet()


def come_to_rest(registers: Registers, clock: Clock) -> bool:
    """Reset the accelerator; whether it has come to rest within the clock's patience."""
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
    """Stop the run of a process that was killed, if its overlay is still the one that is loaded.

    No other overlay is touched: where nothing answers at an address, the processor hangs.
    """
    address = lock.left_running
    if address is None:
        return
    from pynq import MMIO

    try:
        registers = MMIO(address, ADDRESS_SIZE, device=device)
        rests = registers.read(OFFSETS["ID"]) != IDENTITY or come_to_rest(registers, clock)
    except Exception as error:  # pynq's own
        log.warning("%s", first_line(error))
        rests = False
    if not rests:
        log.warning("the accelerator, left running by a process that was killed, does not come to rest; the overlay is "
                    "loaded over it")


def stop_at_end(stoppable: Stoppable) -> None:
    """Call ``stoppable.stop()`` when this process exits, or a signal ends it that it does not handle itself.

    Signals can be watched from the main thread alone; in another one, only the exit is.
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
        except Exception as error:  # the others are to be stopped too
            log.warning("%s", first_line(error))


def _ended_by(number: int, _frame: FrameType | None) -> None:
    """End as the signal would have ended the process, with all accelerators at rest."""
    _stop_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
