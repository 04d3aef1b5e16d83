"""Threads take turns: a lock that knows which thread holds it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import BackendError


class Turn:
    """A lock. A thread that asks for it while holding it gets an error instead of a deadlock.

    That happens when a signal handler or a finalizer interrupts the holder.

    Parameters
    ----------
    refusal : str
        The message of the error.
    """

    def __init__(self, refusal: str) -> None:
        self._refusal, self._lock, self._thread = refusal, threading.Lock(), 0

    @property
    def mine(self) -> bool:
        """Whether this thread holds it."""
        return self._lock.locked() and self._thread == threading.get_ident()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold the lock within a ``with`` statement; waits for it.

        Raises
        ------
        BackendError
            This thread holds it already.
        """
        if self.mine:
            raise BackendError(self._refusal)
        with self._lock:
            self._thread = threading.get_ident()
            try:
                yield
            finally:
                self._thread = 0

    @contextmanager
    def try_to_take(self, seconds: float = 0.0) -> Iterator[bool]:
        """Hold the lock within a ``with`` statement if it becomes free within ``seconds``; yields whether it did."""
        if not self._lock.acquire(timeout=seconds):
            yield False
            return
        try:
            self._thread = threading.get_ident()
            yield True
        finally:
            self._thread = 0
            self._lock.release()
