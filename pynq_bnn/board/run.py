"""One run of a program on the accelerator: started by :meth:`Accelerator.start`, and waited for here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..errors import BackendError
from ..program.registers import BUSY, OFFSETS, Counters, Registers, stage_of
from .clock import Clock

if TYPE_CHECKING:
    from .accelerator import Accelerator

# The first look at STATUS comes after the predicted time, the next after 1/8 of it, then ever later.
_FIRST_WAIT, _SHORTEST_WAIT, _LONGEST_WAIT = 1 / 8, 20e-6, 10e-3


class Run:
    """A run that was started. Its outcome is kept, whoever waits for it first: :meth:`wait`, or the next run.

    A run that nobody refers to any more is given up, as by :meth:`cancel`.

    Parameters
    ----------
    accelerator : Accelerator
    number : int
        Counts the runs of the accelerator.
    expected, limit : float
        Seconds that it is predicted to take, and that it may take.
    counters : bool
        Whether the outcome is all counters, or the cycles alone.

    Attributes
    ----------
    began : float
        When it was started, in seconds of the accelerator's clock.
    ended : bool
        Whether the outcome is known.
    """

    ended = True  # of one that was never made

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
            The run failed, did not end in time or was given up; the overlay was replaced.
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
            with contextlib.suppress(Exception):  # the interpreter may be half gone
                self._accelerator.forget_run(self)

    # For the accelerator, which lets one thread at a time do this.

    def succeed(self, result: Counters | int) -> None:
        """Note the outcome of a run that ended well."""
        self._result, self.ended = result, True

    def fail(self, why: str) -> None:
        """Note why there is no result."""
        self._failure, self.ended = why, True

    def last_status(self, registers: Registers, clock: Clock) -> int:
        """STATUS, read when the run has ended.

        Raises
        ------
        BackendError
            It takes longer than its limit.
        """
        pause = self.began + min(self._expected, self._limit) - clock.now()
        step = max(_SHORTEST_WAIT, self._expected * _FIRST_WAIT)
        while True:
            if pause > 0:
                clock.sleep(pause)
            # The time is taken first: a run that ended while this process did something else is no time-out.
            late = clock.now() - self.began >= self._limit
            status = registers.read(OFFSETS["STATUS"])
            if not status & BUSY:
                return status
            if late:
                raise BackendError(f"the accelerator did not finish within {self._limit:.3g} s (stage "
                                   f"{stage_of(status)}, {self._expected:.3g} s were expected); it was reset. Try "
                                   f"again; if it stays so, load the overlay again")
            pause, step = step, min(2 * step, max(_LONGEST_WAIT, self._expected * _FIRST_WAIT))
