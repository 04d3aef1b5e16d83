"""Profiles a network layer by layer: the maps, and what each layer costs on the accelerator."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array
from ..program.config import Config
from ..program.predict import batch_cost
from ..program.registers import Counters
from ..program.schedule import schedule
from .base import Backend
from .overlay import OverlayBackend


@dataclass(frozen=True, eq=False)
class LayerProfile:
    """One layer, run by itself on a batch.

    layer, kind : its number and kind of layer.
    macs : MACs per image, padding included, without positions that no pool window covers.
    states : its output, as :meth:`Backend.states` yields it.
    predicted : cycles of the batch by the scheduler's model.
    counters : cycles of the batch as counted by the accelerator, or None on a backend without counters.
    utilization : useful XNORs as a share of those the array can do in the counted (else predicted) cycles, 0…1.
    """

    layer: int
    kind: str
    macs: int
    states: Array
    predicted: float
    counters: Counters | None
    utilization: float


def profile_layers(backend: Backend, pixels: Array) -> list[LayerProfile]:
    """Run each layer as a program of its own.

    Parameters
    ----------
    backend : Backend
        For counters, one such as :func:`~pynq_bnn.backends.auto.best_accelerator` returns; others have none.
    pixels : (N, H, W, C) uint8

    Raises
    ------
    BackendError
        ``pixels`` have the wrong shape or type, or the network does not fit the accelerator.
    """
    network, counting = backend.network, backend if isinstance(backend, OverlayBackend) else None
    config = Config() if counting is None else counting.config
    plan = schedule(network, config, len(pixels), cuts=tuple(range(len(network.layers) - 1)))
    profiles: list[LayerProfile] = []
    seen = 0
    for number, (program, states) in enumerate(zip(plan.programs, backend.states(pixels))):
        words = program.in_words, program.out_words
        predicted = batch_cost(program.stages, program.layout, config, len(pixels), words).cycles
        counters = None
        if counting is not None and len(counting.last_counters) > seen:
            first, *rest = counting.last_counters[seen:]
            counters, seen = sum(rest, first), len(counting.last_counters)
        work = sum(stage.work for stage in program.stages) * len(pixels)
        cycles = counters.cycles if counters else predicted
        node = network.nodes[number]
        profiles.append(LayerProfile(number, node.layer.kind, node.pooled_macs, states, predicted, counters,
                                     work / cycles / config.bit_ops))
    return profiles
