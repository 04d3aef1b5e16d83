"""The real-valued twin of a topology: a teacher for the binary one, and what a training step is measured against."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..network.geometry import conv_size, pooled_size
from ..zoo.topology import Conv, Fc, Topology


class RealConvBlock(nn.Module):
    """conv → BN → ReLU → pool; (N, C, H, W) in and out. Both orders of the binary block are the same here."""

    def __init__(self, row: Conv, channels_in: int) -> None:
        super().__init__()
        self.pool = row.pool
        self.conv = nn.Conv2d(channels_in, row.channels, row.kernel, row.stride, row.padding, bias=False)
        self.norm = nn.BatchNorm2d(row.channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return F.max_pool2d(x, self.pool) if self.pool > 1 else x


class RealFcBlock(nn.Module):
    """fc → BN → ReLU; (N, C, H, W) or (N, features) in, (N, units) out."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.fc = nn.Linear(features, units, bias=False)
        self.norm = nn.BatchNorm1d(units)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.fc(x.flatten(1))))


class RealChain(nn.Module):
    """A topology with real weights and ReLU: (N, C, H, W) float input codes q in, (N, classes) logits out.

    Padding adds zeros, also where the binary network pads with +1.
    """

    def __init__(self, topology: Topology, classes: int) -> None:
        super().__init__()
        h, w, c = topology.input_shape
        self.blocks = nn.ModuleList()
        for row in topology.rows:
            if isinstance(row, Fc):
                self.blocks.append(RealFcBlock(h * w * c, row.units))
                h, w, c = 1, 1, row.units
            else:
                self.blocks.append(RealConvBlock(row, c))
                h, w = (pooled_size(conv_size(s, row.kernel, row.stride, row.padding), row.pool) for s in (h, w))
                c = row.channels
        self.head = nn.Linear(h * w * c, classes)

    def forward(self, q: Tensor) -> Tensor:
        x = q
        for block in self.blocks:
            x = block(x)
        return self.head(x.flatten(1))

    def clip_weights(self) -> None:
        """Real weights need no bounds; here so that both kinds of model train alike."""
