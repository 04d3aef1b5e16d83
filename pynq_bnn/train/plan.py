"""Estimates how long a training takes, by measuring a few steps, and how many epochs fit into a given time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..data.split import Split
from ..model.chain import Chain
from ..network.spec import InputSpec
from ..network.topology import Topology
from .batches import Batches
from .captured import CapturedStep
from .checkpoint import build_model, input_spec
from .config import TrainConfig
from .pool import Pool, PooledBatches
from .step import Step, make_optimizer, on_device

# Factor for writing checkpoints, logging and everything else that is not measured.
_MARGIN = 1.15
_STEPS = 2


@dataclass(frozen=True)
class Cost:
    """Seconds that a training takes.

    epoch : one epoch, including validation.
    copy : making one copy of the pool, and the teacher's answers to it.
    finish : evaluating the validation and test pictures at the end, on the CPU.
    pool : number of copies, each made once.
    """

    epoch: float
    copy: float
    finish: float
    pool: int

    def seconds(self, epochs: int, done: int = 0) -> float:
        """Seconds from the epoch after ``done`` to the last; a resumed training makes its copies again."""
        left = max(0, epochs - done)
        return _MARGIN * (left * self.epoch + min(left, self.pool) * self.copy) + self.finish


def measure(topology: Topology, classes: int, config: TrainConfig, pictures: tuple[int, int, int],
            device: torch.device, teacher: tuple[Topology, TrainConfig] | None = None) -> Cost:
    """The cost of a training that has ``device`` to itself, measured by steps on noise with random weights.

    Parameters
    ----------
    pictures : (int, int, int)
        Numbers of training, validation and test pictures.
    """
    trial = _Trial(topology, classes, config, device, teacher)
    steps = -(-pictures[0] // config.batch)
    for _ in range(2):  # the first round is a warm-up
        step = trial.timed(trial.epoch) / _STEPS
        answer = trial.timed(trial.validate) / trial.count
        copy = trial.timed(trial.make_copy) / trial.count if config.pool else 0.0
    on_cpu = trial.on_cpu() if device.type == "cuda" else answer
    return Cost(steps * step + pictures[1] * answer, pictures[0] * copy, (pictures[1] + pictures[2]) * on_cpu,
                config.pool)


class _Trial:
    """A training of two batches of noise."""

    def __init__(self, topology: Topology, classes: int, config: TrainConfig, device: torch.device,
                 teacher: tuple[Topology, TrainConfig] | None) -> None:
        self.config, self.device = config, device
        self.count = _STEPS * config.batch
        rng = np.random.default_rng(0)
        noise = Split(rng.integers(0, 256, (self.count, *topology.input_shape), dtype=np.uint8),
                      rng.integers(0, classes, self.count))
        spec = input_spec(topology, "extend")
        self.model = on_device(build_model(topology, classes, config.to_dict()), device)
        self.taught: Chain | None = None
        if teacher is not None:
            self.taught = on_device(build_model(teacher[0], classes, teacher[1].to_dict()).eval(), device)
        self.batches = self._batches(noise, spec)
        cuda = device.type == "cuda"
        optimizer = make_optimizer(self.model, config, torch.tensor(config.lr, device=device) if cuda else None)
        self.step = (CapturedStep if cuda else Step)(self.model, optimizer, config, device,
                                                     teacher=None if config.pool else self.taught)

    def _batches(self, noise: Split, spec: InputSpec) -> Batches:
        if not self.config.pool:
            return Batches(noise, spec, self.config.batch, self.device)
        batches = PooledBatches(noise, spec, self.config, self.device)
        if self.taught is not None:
            batches.teach(self.taught, "trial")
        return batches

    def timed(self, work: Callable[[], None]) -> float:
        began = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - began

    def epoch(self) -> None:
        self.model.train()
        for batch in self.batches.shuffled(self.config, 0):
            self.step.set_rate(self.config.lr, 0.1)
            self.step(*batch)

    @torch.no_grad()
    def validate(self) -> None:
        self.model.eval()
        for q, _ in self.batches.in_order():
            self.model(q)

    def make_copy(self) -> None:
        pool = Pool()
        pool.copy(0, self.batches, self.config)
        if self.taught is not None:
            pool.answer(0, self.batches, self.config, self.taught, "trial")

    @torch.no_grad()
    def on_cpu(self) -> float:
        """Seconds per picture on the CPU, where a training is evaluated at its end."""
        q, _ = next(self.batches.in_order())
        model, q = self.model.cpu().eval(), q.cpu()
        model(q[:2])
        began = time.perf_counter()
        model(q)
        return (time.perf_counter() - began) / len(q)


def fitting_scale(seconds: float, rows: Sequence[tuple[Cost, int]]) -> float:
    """The factor for the epochs of all rows with which their costs add up to ``seconds``; each keeps at least one."""
    def total(scale: float) -> float:
        return sum(cost.seconds(max(1, round(epochs * scale))) for cost, epochs in rows)

    low, high = 0.0, 1.0
    while total(high) < seconds and high < 1e6:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if total(middle) <= seconds else (low, middle)
    return low
