"""How the learning rate, and with it batch norm's momentum, change over a training."""

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
    """The weight of a batch in batch norm's running statistics after so many steps.

    While weights move fast the statistics follow as torch's default does, about 10 batches back; when the rate has
    fallen, 50 batches, since thresholds rest on them. The first steps are averaged plainly, so that a training of
    few steps is not left with the values that statistics start from.
    """
    return max(0.1 * relative_rate, 0.02, 1 / (steps + 1))
