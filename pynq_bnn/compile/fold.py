"""Fold what follows the integer sum of a block into one threshold and one invert bit a channel.

``bit = invert ⊕ OR over the pool window of (acc ≥ T)``. T is the smallest sum for which the block's own
float32 operations, in eval mode, contiguous on the CPU, give +1. It is found by bisection: batch norm with
rounding is monotone in the sum, while a closed formula differs from torch at ties and last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import TrainError
from ..train.model import ConvBlock
from ..train.shift_norm import affine


@dataclass(frozen=True, eq=False)
class Folded:
    """Thresholds of a block and the channels whose weights change sign.

    thresholds : (C,) int32; invert, flip : (C,) bool.
    """

    thresholds: np.ndarray
    invert: np.ndarray
    flip: np.ndarray


def fold_block(block: nn.Module, shape: tuple[int, ...], bound: int) -> Folded:
    """Fold a hidden block.

    Parameters
    ----------
    block : ConvBlock or FcBlock, in eval mode
    shape : tuple
        Shape of one sample where BN and sign see it: (C, H, W) or (C,).
    bound : int
        The sums lie in −bound … bound.

    Raises
    ------
    TrainError
        When batch norm leaves the finite numbers.
    """
    _check_finite(block, shape, bound)
    positive = _sign_of(block, shape)
    at_low, at_high = (positive(np.full(shape[0], end, np.int64)) for end in (-bound, bound))
    # The first sum at which the sign differs from its value at −bound; bound + 1 where it never does.
    change = _bisect(lambda acc: positive(acc) != at_low, bound, shape[0])
    falling = at_low & ~at_high
    thresholds = np.where(at_low & at_high, -bound, change)
    invert = np.zeros(shape[0], bool)
    flip = np.zeros(shape[0], bool)
    if isinstance(block, ConvBlock) and block.row.pool > 1 and block.row.order == "pool-sign":
        # The pool takes the largest sum, so a falling channel is +1 unless some sum reaches the change.
        invert = falling
    else:
        # +1 while acc ≤ change − 1, that is −acc ≥ 1 − change.
        flip = falling
        thresholds = np.where(falling, 1 - change, thresholds)
    return Folded(thresholds.astype(np.int32), invert, flip)


def _sign_of(block: nn.Module, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """(C,) integer sums to (C,) bool, by the block's own operations on a sample of its real shape."""
    def positive(acc: np.ndarray) -> np.ndarray:
        bits = block.activate(_sample(acc, shape)) > 0
        return bits.reshape(shape[0], -1).all(1).numpy()

    return torch.no_grad()(positive)


def _sample(acc: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    column = torch.from_numpy(acc.astype(np.float32)).reshape(1, shape[0], *(1 for _ in shape[1:]))
    return column.expand(1, *shape).contiguous()


def _bisect(changed: Callable[[np.ndarray], np.ndarray], bound: int, channels: int) -> np.ndarray:
    """The smallest sum in −bound … bound for which ``changed``, else bound + 1, channel by channel."""
    low = np.full(channels, -bound, np.int64)
    high = np.full(channels, bound + 1, np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        found = changed(np.minimum(middle, bound)) & (low < high)
        high = np.where(found, middle, high)
        low = np.where(found | (low == high), low, middle + 1)
    return high


@torch.no_grad()
def _check_finite(block: nn.Module, shape: tuple[int, ...], bound: int) -> None:
    for end in (-bound, 0, bound):
        if not torch.isfinite(block.norm(_sample(np.full(shape[0], end), shape))).all():
            raise TrainError("batch norm gives values that are not finite; the training diverged, lower --lr")


def fold_head(norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset, (K,) float32 each, of the affine map that batch norm makes of the scores."""
    scale, offset = affine(norm)
    return scale.numpy().astype(np.float32), offset.numpy().astype(np.float32)
