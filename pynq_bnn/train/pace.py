"""How often a training writes its files and prints its progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# On a GPU an epoch may take less time than writing its checkpoint, so writing is limited to this share of the time, and
# progress lines are this many seconds apart. On a CPU every epoch is written and printed.
PART, LINES = 0.1, 10.0


class Pace:
    """Decides when a training may write and print."""

    def __init__(self, device: torch.device) -> None:
        self.slow = device.type == "cpu"
        self.free_at = self.print_at = 0.0

    def may_write(self, last: bool) -> bool:
        """Whether to write this epoch; always True for the ``last`` one."""
        return self.slow or last or time.perf_counter() >= self.free_at

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Context for writing; the time it takes determines when the next may begin."""
        began = time.perf_counter()
        yield
        ended = time.perf_counter()
        self.free_at = ended + (ended - began) * (1 - PART) / PART

    def may_print(self, last: bool) -> bool:
        """Whether to log a line for this epoch."""
        now = time.perf_counter()
        if not (self.slow or last or now >= self.print_at):
            return False
        self.print_at = now + LINES
        return True
