"""Trainings that share one device: on CUDA each has its own stream, and one thread issues the steps of all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch

# A training may be at most this many groups of this many steps ahead of the device, so that none takes the host time of
# the others.
_GROUPS, _STEPS = 4, 4
# Seconds to sleep when all are busy.
NAP = 2e-5


class Turns:
    """One of several trainings; ``steps`` yields after each step that it has issued."""

    def __init__(self, steps: Iterator[None], device: torch.device) -> None:
        self.steps = steps
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(device))
        self.waiting: deque[torch.cuda.Event] = deque()
        self.count = 0

    def on_stream(self) -> AbstractContextManager[None]:
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def busy(self) -> bool:
        """Whether enough of its steps are queued on the device."""
        while self.waiting and self.waiting[0].query():
            self.waiting.popleft()
        return len(self.waiting) >= _GROUPS

    def advance(self) -> bool:
        """Issue one step; returns False when there are no more."""
        with self.on_stream():
            for _ in self.steps:
                self.count += 1
                if self.stream is not None and self.count % _STEPS == 0:
                    event = torch.cuda.Event()
                    event.record()
                    self.waiting.append(event)
                return True
        if self.stream is not None:
            self.stream.synchronize()
        return False
