"""The full-precision twin of a topology: a teacher for the binary one, and what a training step is measured against."""

from __future__ import annotations

from torch import Tensor, nn

from ..network.topology import Topology
from .blocks import REAL_BLOCKS


class RealChain(nn.Module):
    """A topology with real weights and ReLU: (N, C, H, W) float input codes q in, (N, classes) logits out.

    Padding adds zeros, also where the binary network pads with +1.
    """

    def __init__(self, topology: Topology, classes: int) -> None:
        super().__init__()
        *hidden, last = topology.nodes(classes)
        self.blocks = nn.ModuleList(REAL_BLOCKS[node.layer](node) for node in hidden)
        self.head = nn.Linear(last.fan_in, classes)

    def forward(self, q: Tensor) -> Tensor:
        x = q
        for block in self.blocks:
            x = block(x)
        return self.head(x.flatten(1))

    def clip_weights(self) -> None:
        """Real weights need no bounds; here so that both kinds of model train alike."""
