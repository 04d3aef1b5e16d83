"""The full-precision twin of a topology: a teacher for the binary network, and the baseline of training benchmarks."""

from __future__ import annotations

from torch import Tensor, nn

from ..network.topology import Topology
from .blocks import REAL_BLOCKS
from .chain import Chain, run_graph


class RealChain(Chain):
    """A topology with real weights and ReLU: (N, C, H, W) float input codes q in, (N, classes) logits out.

    It pads with zeros, even where the binary network pads with +1.
    """

    def __init__(self, topology: Topology, classes: int) -> None:
        super().__init__()
        *self.hidden, last = topology.nodes(classes)
        self.blocks = nn.ModuleList(REAL_BLOCKS[node.layer](node) for node in self.hidden)
        self.head = nn.Linear(last.fan_in, classes)

    def forward(self, q: Tensor) -> Tensor:
        logits: Tensor = self.head(run_graph(self.hidden, self.blocks, q).flatten(1))
        return logits
