"""What both kinds of model have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn


class Chain(nn.Module):
    """The model of a topology: (N, C, H, W) float input codes q in, (N, classes) logits out."""

    if TYPE_CHECKING:  # torch's own returns anything
        def __call__(self, q: Tensor) -> Tensor: ...

    def clip_weights(self) -> None:
        """Keep the weights in their bounds, after each step; none here."""
