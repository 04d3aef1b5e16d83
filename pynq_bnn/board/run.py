"""One run of a program on the accelerator: started by :meth:`Accelerator.start`, and waited for here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..errors import BackendError
from ..program.registers import BUSY, OFFSETS, Counters, Registers, stage_of
from .clock import Clock

if TYPE_CHECKING:
    from .accelerator import Accelerator

# STATUS is polled first after the predicted time, then after another 1/8 of it, then at doubling intervals.
_FIRST_WAIT, _SHORTEST_WAIT, _LONGEST_WAIT = 1 / 8, 20e-6, 10e-3


class Run:
    """Handle of a run that was started. It keeps the outcome, whether :meth:`wait` or the next run waits for it first.

    When the last reference to the handle is gone, the run is cancelled.

    Parameters
    ----------
    accelerator : Accelerator
    number : int
        Serial number among the accelerator's runs.
    expected, limit : float
        Predicted time and timeout in seconds.
    counters : bool
        Whether the outcome is all counters, or only the cycles.

    Attributes
    ----------
    began : float
        Start time, in seconds of the accelerator's clock.
    ended : bool
        Whether the outcome is known.
    """

    ended = True  # for __del__, if __init__ was interrupted

    def __init__(self, accelerator: Accelerator, number: int, expected: float, limit: float, counters: bool) -> None:
        self.number, self.counters = number, counters
        self.began, self.ended = 0.0, False
        self._accelerator, self._expected, self._limit = accelerator, expected, limit
        self._result: Counters | int = 0
        self._failure: str | None = None

    def wait(self) -> Counters | int:
        """Wait for the end; may be called again.

        Returns
        -------
        The cycles it took, or all counters.

        Raises
        ------
        BackendError
            The run failed, timed out or was cancelled, or the overlay was replaced.
        """
        if not self.ended:
            self._accelerator.finish(self)
        if self._failure is not None:
            raise BackendError(self._failure)
        return self._result

    def cancel(self) -> None:
        """Reset the accelerator, unless the run has ended; :meth:`wait` then raises BackendError."""
        if not self.ended:
            self._accelerator.give_up_run(self, "the run was cancelled; start the batch again")

    def __del__(self) -> None:
        if not self.ended:
            with contextlib.suppress(Exception):  # the interpreter may be shutting down
                self._accelerator.forget_run(self)

    # The following are called by the accelerator, which holds its lock.

    def succeed(self, result: Counters | int) -> None:
        """Store the result of a run that succeeded."""
        self._result, self.ended = result, True

    def fail(self, why: str) -> None:
        """Store why there is no result."""
        self._failure, self.ended = why, True

    def last_status(self, registers: Registers, clock: Clock) -> int:
        """Wait for the end of the run; returns STATUS.

        Raises
        ------
        BackendError
            The run timed out.
        """
        pause = self.began + min(self._expected, self._limit) - clock.now()
        step = max(_SHORTEST_WAIT, self._expected * _FIRST_WAIT)
        while True:
            if pause > 0:
                clock.sleep(pause)
            # Read the time before STATUS: a run that ended while this process was suspended has not timed out.
            late = clock.now() - self.began >= self._limit
            status = registers.read(OFFSETS["STATUS"])
            if not status & BUSY:
                return status
            if late:
                raise BackendError(f"the accelerator did not finish within {self._limit:.3g} s (stage "
                                   f"{stage_of(status)}, {self._expected:.3g} s were expected); it was reset. Try "
                                   f"again; if that does not help, load the overlay again")
            pause, step = step, min(2 * step, max(_LONGEST_WAIT, self._expected * _FIRST_WAIT))
