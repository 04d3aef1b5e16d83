"""How often a training writes its files and tells where it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# On a GPU an epoch may take less time than writing its checkpoint: there writing takes at most this part of the time,
# and lines are so many seconds apart. On a CPU every epoch is written and told.
PART, LINES = 0.1, 10.0


class Pace:
    """Writes and lines of one training on a device."""

    def __init__(self, device: torch.device) -> None:
        self.slow = device.type == "cpu"
        self.free_at = self.tell_at = 0.0

    def may_write(self, last: bool) -> bool:
        """Whether this epoch is written; the ``last`` one always is."""
        return self.slow or last or time.perf_counter() >= self.free_at

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around the writing, whose time decides when the next may begin."""
        began = time.perf_counter()
        yield
        ended = time.perf_counter()
        self.free_at = ended + (ended - began) * (1 - PART) / PART

    def may_tell(self, last: bool) -> bool:
        """Whether this epoch has its line in the log."""
        now = time.perf_counter()
        if not (self.slow or last or now >= self.tell_at):
            return False
        self.tell_at = now + LINES
        return True
