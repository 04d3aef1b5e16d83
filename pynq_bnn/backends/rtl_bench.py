"""How fast a network is on the accelerator, counted in cycles of the simulated core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network import Network
from ..program.registers import Counters
from ..program.schedule import Program, Schedule, schedule
from ..program.stages import ceil_div
from .rtl import RtlBackend, Simulation

# Full groups simulated of a long batch, at least, and as many more as this many cycles hold: the groups in its middle
# all take the same time, but where one layer ends and the next begins is seen only to some ten cycles.
GROUPS, SIMULATED_CYCLES = 3, 100_000


@dataclass(frozen=True)
class LayerCycles:
    """One layer's part of a batch.

    cycles : per image, from samples, good to three digits; macs : of an image, padding included, without positions that
    no pool uses; utilization : XNORs that count (real inputs
    inside the map, in each bit plane of an 8-bit input) of those the array can do in that time.
    """

    layer: int
    kind: str
    program: int
    slots: int
    macs: int
    cycles: float
    utilization: float


@dataclass(frozen=True)
class RtlBench:
    """Cycles per image of a batch, of one image alone, and where they go.

    shares : of all cycles, by what the accelerator does: computing, or waiting for parameters, images or results;
    "other" are the gaps between layers and tiles. predicted : the scheduler's cycles per image. driver_ms : what the
    driver takes on this computer for one image, packing and unpacking, besides registers and run.
    """

    network: str
    config: str
    batch: int
    cycles_per_image: float
    single_image_cycles: int
    driver_ms: float
    predicted: float
    shares: dict[str, float]
    utilization: float
    layers: tuple[LayerCycles, ...]


def bench(network: Network, batch: int, simulation: Simulation | None = None) -> RtlBench:
    """Measure a batch and a single image.

    Of a long batch only a few groups are simulated: with T(g) the cycles of g full groups and the rest, a batch of G
    takes T(n) + (G − n)·(T(n) − T(2)) / (n − 2), where n is 3, or more of a fast network.

    Raises
    ------
    BackendError
        The network does not fit, or no simulator can be built.
    """
    with RtlBackend(network, simulation) as backend:
        config = backend.config
        single, driver = _single(backend, network)
        plan = schedule(network, config, batch, cuts=backend.simulation.cuts, slots=backend.simulation.slots)
        measurements: list[Counters] = []
        layers: list[LayerCycles] = []
        for number, program in enumerate(plan.programs):
            measured, seen = _program(backend, plan, number, batch)
            measurements.append(measured)
            layers += _layers(network, program, number, measured.cycles / batch, seen, config.bit_ops)
    counters = sum(measurements[1:], measurements[0])
    names = ("computing", "parameters", "images", "results")
    shares = {name: value / counters.cycles for name, value in zip(names, counters.values[1:])}
    shares["other"] = 1 - sum(shares.values())
    cycles = counters.cycles / batch
    work = sum(stage.work for program in plan.programs for stage in program.stages)
    return RtlBench(network.name, str(config), batch, cycles, single, driver, plan.cost(batch).cycles_per_image, shares,
                    work / cycles / config.bit_ops, tuple(layers))


def _single(backend: RtlBackend, network: Network) -> tuple[int, float]:
    """Cycles of one image, and the driver's milliseconds for it."""
    image = np.zeros((1, *network.input.shape), np.uint8)
    backend.scores(image)
    cycles = sum(counters.cycles for counters in backend.last_counters)
    backend.scores(image)  # the first call also packed the program and took memory for it
    return cycles, 1e3 * backend.last_time.transfer


def _program(backend: RtlBackend, plan: Schedule, number: int, batch: int) -> tuple[Counters, dict[int, float]]:
    """Counters, and the cycles of each stage, of the whole batch."""
    capacity = plan.config.lanes * plan.programs[number].layout.slots
    groups = ceil_div(batch, capacity) - 1
    rest = batch - groups * capacity
    simulated = max(GROUPS, int(SIMULATED_CYCLES * groups / plan.cost(batch).cycles))
    if groups <= simulated:
        return backend.profile(plan, batch, number)
    long, many = backend.profile(plan, simulated * capacity + rest, number)
    short, few = backend.profile(plan, (GROUPS - 1) * capacity + rest, number)
    more = (groups - simulated) / (simulated - GROUPS + 1)
    values = (round(b + more * (b - a)) for a, b in zip(short.values, long.values))
    # The start of a run, which waits for the first images, is a smaller part of the whole batch than of a few groups.
    seen = {stage: b + more * (b - few.get(stage, 0.0)) for stage, b in many.items()}
    return Counters(*values), seen


def _layers(network: Network, program: Program, number: int, cycles: float, seen: dict[int, float],
            bit_ops: int) -> list[LayerCycles]:
    total = sum(seen.values())
    rows = []
    for index in range(program.first, program.last + 1):
        share = sum(seen.get(place, 0.0) for place, stage in enumerate(program.stages) if stage.layer == index)
        node = network.nodes[index]
        work = sum(stage.work for stage in program.stages if stage.layer == index)
        part = cycles * share / total
        rows.append(LayerCycles(index, node.layer.kind, number, program.layout.slots, node.pooled_macs, part,
                                work / part / bit_ops if part else 0.0))
    return rows
