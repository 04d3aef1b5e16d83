"""The schedule of the learning rate, and of batch norm's momentum, which follows it."""

from __future__ import annotations

import math

from .config import TrainConfig


def learning_rate(config: TrainConfig, epoch: float) -> float:
    """The rate at a (fractional) epoch: linear warm-up, then cosine to zero or steps."""
    if epoch < config.warmup:
        return config.lr * max(epoch / config.warmup, 0.01)
    if config.schedule == "step":
        return config.lr * float(config.step_gamma ** (epoch // config.step_every))
    progress = (epoch - config.warmup) / max(config.epochs - config.warmup, 1e-9)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))


def norm_momentum(relative_rate: float, steps: int) -> float:
    """The weight of a batch in batch norm's running statistics after ``steps`` steps.

    While weights change fast, the statistics average about 10 batches, as by torch's default; when the rate has fallen,
    50 batches, since the thresholds depend on them. The first steps are averaged equally, so that in a short training
    the statistics do not keep their initial values.
    """
    return max(0.1 * relative_rate, 0.02, 1 / (steps + 1))
