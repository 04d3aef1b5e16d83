"""The common interface of binary and full-precision models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..network.layers import RowNode


class Chain(nn.Module):
    """The model of a topology: (N, C, H, W) float input codes q in, (N, classes) logits out."""

    if TYPE_CHECKING:  # torch declares Any
        def __call__(self, q: Tensor) -> Tensor: ...

    def clip_weights(self) -> None:
        """Called after each step to clip the weights to their bounds; here there are none."""


def run_graph(nodes: Sequence[RowNode], blocks: Iterable[nn.Module], q: Tensor) -> Tensor:
    """The map that leaves the last of ``blocks``, each of which gets the maps that its node reads."""
    maps = [q]  # the picture, which nodes call −1, first
    for node, block in zip(nodes, blocks):
        maps.append(block(*(maps[source + 1] for source in node.reads)))
    return maps[-1]
