"""How often a training writes its files and prints its progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# On a GPU an epoch may take less time than writing its checkpoint: there writing takes at most this part of the time,
# and lines of progress are so many seconds apart. On a CPU every epoch is written and has its line.
PART, LINES = 0.1, 10.0


class Pace:
    """When one training may write and print."""

    def __init__(self, device: torch.device) -> None:
        self.slow = device.type == "cpu"
        self.free_at = self.print_at = 0.0

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

    def may_print(self, last: bool) -> bool:
        """Whether this epoch has its line in the log."""
        now = time.perf_counter()
        if not (self.slow or last or now >= self.print_at):
            return False
        self.print_at = now + LINES
        return True
