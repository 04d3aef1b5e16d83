"""The full-precision twin of a topology: a teacher for the binary one, and what a training step is measured against."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..network.handlers import Handlers
from ..network.topology import ROW_KINDS, Conv, Fc, RowNode, Topology

# The block of each kind of row.
BLOCKS: Handlers[type[RealConvBlock] | type[RealFcBlock]] = Handlers("block of a row in full precision", ROW_KINDS)


@BLOCKS.for_(Conv)
class RealConvBlock(nn.Module):
    """conv → BN → ReLU → pool; (N, C, H, W) in and out. Both orders of the binary block are the same here."""

    def __init__(self, node: RowNode) -> None:
        super().__init__()
        row, channels_in = node.layer, node.input.shape[2]
        self.pool = row.pool
        self.conv = nn.Conv2d(channels_in, row.channels, row.kernel, row.stride, row.padding, bias=False)
        self.norm = nn.BatchNorm2d(row.channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return F.max_pool2d(x, self.pool) if self.pool > 1 else x


@BLOCKS.for_(Fc)
class RealFcBlock(nn.Module):
    """fc → BN → ReLU; (N, C, H, W) or (N, features) in, (N, units) out."""

    def __init__(self, node: RowNode) -> None:
        super().__init__()
        self.fc = nn.Linear(node.fan_in, node.layer.outputs, bias=False)
        self.norm = nn.BatchNorm1d(node.layer.outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.fc(x.flatten(1))))


class RealChain(nn.Module):
    """A topology with real weights and ReLU: (N, C, H, W) float input codes q in, (N, classes) logits out.

    Padding adds zeros, also where the binary network pads with +1.
    """

    def __init__(self, topology: Topology, classes: int) -> None:
        super().__init__()
        *hidden, last = topology.nodes(classes)
        self.blocks = nn.ModuleList(BLOCKS[node.layer](node) for node in hidden)
        self.head = nn.Linear(last.fan_in, classes)

    def forward(self, q: Tensor) -> Tensor:
        x = q
        for block in self.blocks:
            x = block(x)
        return self.head(x.flatten(1))

    def clip_weights(self) -> None:
        """Real weights need no bounds; here so that both kinds of model train alike."""
