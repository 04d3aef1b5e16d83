"""Splits a network into programs for the accelerator: where to cut it, and how many images share a pass of the weights.

A program runs consecutive layers over a whole batch. At a cut, the maps must pass through memory; this pays off if late
layers, with many weights and small maps, can then process many more images per lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..errors import BackendError
from ..network import Network
from .config import Config
from .layout import Layout, find_layout, sizes
from .predict import Cost, MemoryRate, batch_cost
from .stages import Stage, ceil_div, network_stages

# Bytes of memory for images, maps between programs and results of one batch.
DDR_LIMIT = 32 << 20


@dataclass(frozen=True)
class Program:
    """Consecutive layers of a network, run together.

    Parameters
    ----------
    first, last : int
        The network's layers ``first`` to ``last``.
    stages : tuple of Stage
    layout : Layout
    in_words, out_words : int
        64-bit words of an image and of a result in memory.
    classes : int
        Number of scores per image; 0 if the results are maps.
    """

    first: int
    last: int
    stages: tuple[Stage, ...]
    layout: Layout
    in_words: int
    out_words: int
    classes: int


@dataclass(frozen=True)
class Schedule:
    """The programs of a network, in order, for a configuration."""

    network: Network
    config: Config
    programs: tuple[Program, ...]

    def cost(self, images: int, rate: MemoryRate | None = None) -> Cost:
        """Predicted cycles for a batch of ``images``, all programs together."""
        costs = [batch_cost(p.stages, p.layout, self.config, images, (p.in_words, p.out_words), rate)
                 for p in self.programs]
        return Cost.together(costs)

    @property
    def image_bytes(self) -> int:
        """Bytes of memory per image: input, maps between programs, result."""
        return 8 * (self.programs[0].in_words + sum(program.out_words for program in self.programs))


def schedule(network: Network, config: Config | None = None, images: int = 512, *,
             cuts: tuple[int, ...] | None = None, slots: int | None = None) -> Schedule:
    """The programs that take the fewest cycles for batches of ``images``.

    Parameters
    ----------
    cuts : tuple of int, optional
        Cut after these layers and nowhere else.
    slots : int, optional
        Maximum number of images per lane.

    Raises
    ------
    BackendError
        The network does not fit; the message names layer and limit.
    """
    config = config or Config()
    stages = network_stages(network, config)
    planner = _Planner(network, config, stages, max(1, images), slots)
    if cuts is not None:
        last = len(network.layers) - 1
        if any(not 0 <= cut < last for cut in cuts):
            raise BackendError(f"cuts {cuts}; a network of {last + 1} layers can be cut after layers 0 to {last - 1}")
        if not planner.cuttable.issuperset(cuts):
            raise BackendError(f"cuts {cuts}; a network can be cut only where one map alone is still to be read")
        edges = [-1, *sorted(set(cuts)), last]
        programs = [program for a, b in zip(edges, edges[1:]) if (program := planner.program(a + 1, b))]
        if len(programs) < len(edges) - 1:
            raise BackendError(f"{network.name} does not fit the accelerator with cuts {cuts}; leave them to the "
                               f"scheduler")
        return Schedule(network, config, tuple(programs))
    return Schedule(network, config, planner.best())


class _Planner:
    def __init__(self, network: Network, config: Config, stages: tuple[Stage, ...], images: int,
                 slots: int | None) -> None:
        self.network, self.config, self.stages, self.images, self.slots = network, config, stages, images, slots
        # The layers after which only their own output map is still needed.
        reads = [min(node.reads) for node in network.nodes]
        self.cuttable = {layer for layer in range(len(reads)) if min(reads[layer + 1:], default=layer) >= layer}
        # lru_cache as a decorator of the method would keep every planner alive.
        self.program = lru_cache(maxsize=None)(self._program)

    def best(self) -> tuple[Program, ...]:
        """Dynamic programming over the layers: the best programs up to each layer, from those up to earlier layers."""
        layers = len(self.network.layers)
        best: list[tuple[float, tuple[Program, ...]] | None] = [(0.0, ())] + [None] * layers
        for end in range(1, layers + 1):
            for start in range(end):
                before = best[start]
                program = self.program(start, end - 1) if before and end - 1 in self.cuttable else None
                if before is None or program is None:
                    continue
                cycles = before[0] + self._cycles(program)
                known = best[end]
                if known is None or cycles < known[0]:
                    best[end] = cycles, (*before[1], program)
        found = best[layers]
        if found is None:
            raise BackendError(f"{self.network.name} does not fit the accelerator: some layer's maps leave no room "
                               f"for its neighbours'; up to {self.config.buffer_depth:,} words fit a lane")
        return found[1]

    def _cycles(self, program: Program) -> float:
        words = program.in_words, program.out_words
        return batch_cost(program.stages, program.layout, self.config, self.images, words).cycles

    def _program(self, first: int, last: int) -> Program | None:
        """Layers ``first`` to ``last`` with the best number of images per lane, or None if they do not fit."""
        stages = tuple(stage for stage in self.stages if first <= stage.layer <= last)
        classes = stages[-1].scores
        words = stages[0].in_words, ceil_div(classes, 2) if classes else stages[-1].out_words
        best = None
        for slots in self._slot_choices(stages):
            layout = find_layout(stages, slots, self.config.buffer_depth)
            if layout is None:
                continue
            cycles = batch_cost(stages, layout, self.config, self.images, words).cycles
            if best is None or cycles < best[0]:
                best = cycles, layout
        return best and Program(first, last, stages, best[1], *words, classes)

    def _slot_choices(self, stages: tuple[Stage, ...]) -> list[int]:
        """Numbers of images per lane to try: all up to 16, then about eight for each doubling."""
        spans = sizes(stages)
        pairs = max([spans[0], *(a + b for a, b, s in zip(spans, spans[1:], stages) if not s.in_place)])
        most = min(self.config.buffer_depth // pairs, ceil_div(self.images, self.config.lanes))
        if self.slots is not None:
            most = min(most, self.slots)
        choices, value = [], 1
        while value < most:
            choices.append(value)
            value += max(1, value // 8)
        return [*choices, most] if most else []


