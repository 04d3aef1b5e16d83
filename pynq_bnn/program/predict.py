"""Predicts how many cycles a program takes, from its tiles; tests compare this with the simulated core.

The model follows each tile of parameters: when the memory can deliver it (at a given rate, while the ring has room, and
after the images of the next group, which have priority) and when the array has finished with it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .config import Config
from .fields import Kind
from .layout import Layout
from .stages import Stage, ceil_div

# Cycles that the core spends in addition to steps (see hw/README.md): between layers; between tiles; at the start of a
# run until the first parameters arrive; at its end until the last write is done; per group of results, in addition to
# reading them; and per 16 scores, in addition to their planes and words.
LAYER_CYCLES = 48
TILE_CYCLES = 9
RUN_CYCLES = 165
END_CYCLES = 60
RESULT_CYCLES = 45
SCORE_CYCLES = 6
# Words of parameters that may already be requested before images are, and so arrive first.
QUEUE_WORDS = 96


@dataclass(frozen=True)
class MemoryRate:
    """Words that the memory delivers per cycle, and cycles until the first arrives."""

    rate: float = 0.772
    latency: int = 40


@dataclass(frozen=True)
class Cost:
    """Predicted cycles of a batch.

    cycles : total; steps : cycles in which the array computes; images : size of the batch.
    """

    cycles: float
    steps: float
    images: int

    @property
    def cycles_per_image(self) -> float:
        return self.cycles / self.images

    @classmethod
    def together(cls, costs: list[Cost]) -> Cost:
        """The cost of several programs, one after the other."""
        return cls(sum(c.cycles for c in costs), sum(c.steps for c in costs), costs[0].images)


def batch_cost(stages: tuple[Stage, ...], layout: Layout, config: Config, images: int, words: tuple[int, int],
               memory: MemoryRate | None = None) -> Cost:
    """Cycles of one program for a batch.

    Once the parameter ring is full, groups in the middle of a batch all take the same time: the model follows the
    groups until then, and three more, and extrapolates the rest.

    Parameters
    ----------
    words : (int, int)
        64-bit words of an image and of a result in memory.
    """
    capacity = config.lanes * layout.slots
    groups = ceil_div(images, capacity)
    rest = images - (groups - 1) * capacity
    run = _Run(stages, layout, config, words, memory or MemoryRate())
    rows = sum(stage.tiles * stage.rows for stage in stages if stage.kind is not Kind.PLANES)
    whole = min(groups - 1, 3 + config.ring_depth // rows)
    run.debt = min(images, capacity) * words[0] / run.memory.rate
    ends = [run.group(capacity, final=False) for _ in range(whole)]
    if groups - 1 > whole:
        run.skip((groups - 1 - whole) * (ends[-1] - ends[-2]))
    cycles = run.group(rest, final=True) + END_CYCLES
    steps = sum(stage.tiles * stage.steps for stage in stages)
    return Cost(cycles, steps * ((groups - 1) * layout.slots + ceil_div(rest, config.lanes)), images)


class _Run:
    """The model's state: times of the array (now), of loaded parameters (loaded), of freed image words (freed)."""

    def __init__(self, stages: tuple[Stage, ...], layout: Layout, config: Config, words: tuple[int, int],
                 memory: MemoryRate) -> None:
        self.stages, self.layout, self.config, self.words, self.memory = stages, layout, config, words, memory
        self.now = self.loaded = float(RUN_CYCLES)
        self.freed = float(RUN_CYCLES)
        # (rows up to the end of a tile, time at which they were freed), which a later tile may have to wait for.
        self.releases: deque[tuple[int, float]] = deque()
        self.rows = 0
        # Cycles by which images, which have priority, still delay the parameters.
        self.debt = 0.0

    def skip(self, cycles: float) -> None:
        """Advance by groups that take as long as the last one."""
        self.now += cycles
        self.loaded += cycles
        self.freed += cycles
        self.releases = deque((rows, time + cycles) for rows, time in self.releases)

    def group(self, images: int, final: bool) -> float:
        """Simulate one group; returns the time at its end."""
        slots = ceil_div(images, self.config.lanes)
        load = images * self.words[0] / self.memory.rate
        queue = QUEUE_WORDS / self.memory.rate
        self.now = max(self.now, self.freed + self.memory.latency + queue + load)
        for number, stage in enumerate(self.stages):
            self._stage(stage, slots)
            if number == self.layout.frees:
                self.freed = self.now
                self.debt = 0.0 if final else load
        self.now += self._results(images)
        return self.now

    def _stage(self, stage: Stage, slots: int) -> None:
        self.now += LAYER_CYCLES
        steps = slots * (stage.steps + stage.gather)
        if stage.kind is Kind.PLANES:
            self.now += steps
            return
        first_pass = min(stage.rows - 1, steps)
        for _ in range(stage.tiles):
            begin = self._fetch(stage.rows)
            done = max(max(self.now, begin) + steps, self.loaded + steps - first_pass)
            self.now = done + TILE_CYCLES
            self.releases.append((self.rows, self.now))

    def _fetch(self, rows: int) -> float:
        """Load a tile's rows; returns when the first arrives, and sets ``loaded`` to when the last does."""
        self.rows += rows
        start = self.loaded
        while self.releases and self.releases[0][0] <= self.rows - self.config.ring_depth:
            start = max(start, self.releases.popleft()[1])
        cycles = rows * self.config.pe / self.memory.rate
        if start >= self.freed:
            start, self.debt = start + self.debt, 0.0
        self.loaded = start + cycles
        return start + cycles / rows

    def _results(self, images: int) -> float:
        last = self.stages[-1]
        if last.fields.get("score"):
            classes = 2 * self.words[1]
            sixteens = ceil_div(classes, 16)
            return RESULT_CYCLES + images * (sixteens * (self.config.acc_width + SCORE_CYCLES) + self.words[1])
        return RESULT_CYCLES + images * self.words[1] / self.memory.rate
