"""Benchmark of a network on the accelerator, in cycles of the simulated core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network import Network
from ..program.registers import Counters
from ..program.schedule import Program, Schedule, schedule
from ..program.stages import ceil_div
from .rtl import RtlBackend, Simulation

# Of a long batch, at least this many full groups are simulated, and more up to this many cycles: all groups in the
# middle take the same time, but the boundary between two layers is sampled only to within some ten cycles.
GROUPS, SIMULATED_CYCLES = 3, 100_000


@dataclass(frozen=True)
class LayerCycles:
    """One layer's part of a batch.

    program, slots : the program that it belongs to, and the images per lane there.
    macs : MACs per image, padding included, without positions that no pool window covers.
    cycles : per image, from samples, accurate to three digits.
    utilization : useful XNORs (real inputs inside the map, in each bit plane of an 8-bit input) as a share of those the
    array can do in that time.
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
    """Cycles per image of a batch, of one image alone, and what they are spent on.

    driver_ms : the driver's own time on this computer for one image: packing and unpacking, without registers and run.
    predicted : the scheduler's cycles per image.
    shares : shares of all cycles: computing, or waiting for parameters, images or results; "other" are the gaps between
    layers and tiles.
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

    Of a long batch only a few groups are simulated. With T(g) the cycles of g full groups and the incomplete last one,
    a batch of G groups takes T(n) + (G − n)·(T(n) − T(2)) / (n − 2), where n is 3, or more for a fast network.

    Raises
    ------
    BackendError
        The network does not fit, or the simulator cannot be built.
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
    backend.scores(image)  # the first call also packed the program and allocated memory for it
    return cycles, 1e3 * backend.last_time.transfer


def _program(backend: RtlBackend, plan: Schedule, number: int, batch: int) -> tuple[Counters, dict[int, float]]:
    """Counters and cycles of each stage, extrapolated to the whole batch."""
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
    # Extrapolated like the counters: the start of a run, which waits for the first images, counts once.
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
