"""The common interface of binary and full-precision models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn


class Chain(nn.Module):
    """The model of a topology: (N, C, H, W) float input codes q in, (N, classes) logits out."""

    if TYPE_CHECKING:  # torch declares Any
        def __call__(self, q: Tensor) -> Tensor: ...

    def clip_weights(self) -> None:
        """Called after each step to clip the weights to their bounds; here there are none."""
