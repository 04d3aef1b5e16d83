"""The Brevitas model of a topology table.

Every block sums exact integers first (weights ±1, inputs ±1 or q) and scales after the sum, so a
hidden block folds into one integer threshold a channel (see ``pynq_bnn.compile``).
"""

from __future__ import annotations

from dataclasses import dataclass

import brevitas.nn as qnn
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network.handlers import Handlers
from ..network.topology import ROW_KINDS, Conv, Fc, RowNode, Topology
from .convolution import SMALL_MAP, small_map_conv
from .quant import BinaryActivation, BinaryWeight
from .shift_norm import ShiftBatchNorm1d, ShiftBatchNorm2d

# Start of the latent weights. Small against ±1, so that Adam's steps of the learning rate flip signs from
# the first epoch on.
INITIAL_WEIGHT = 0.1
BATCH_NORM_EPS = 1e-4


@dataclass(frozen=True)
class Parts:
    """What the blocks of a chain are made of; see ``TrainConfig`` for the choices."""

    gradient: str = "clipped"
    stochastic: bool = False
    shift_norm: bool = False

    def sign(self) -> nn.Module:
        return qnn.QuantIdentity(act_quant=BinaryActivation.let(gradient=self.gradient, stochastic=self.stochastic))

    def norm1d(self, channels: int) -> nn.Module:
        return (ShiftBatchNorm1d if self.shift_norm else nn.BatchNorm1d)(channels, BATCH_NORM_EPS)

    def norm2d(self, channels: int) -> nn.Module:
        return (ShiftBatchNorm2d if self.shift_norm else nn.BatchNorm2d)(channels, BATCH_NORM_EPS)


# The block of each kind of row.
BLOCKS: Handlers[type[ConvBlock] | type[FcBlock]] = Handlers("block of a row with 1-bit weights", ROW_KINDS)


@BLOCKS.for_(Conv)
class ConvBlock(nn.Module):
    """conv → BN → sign → pool, or conv → pool → BN → sign (``row.order``); (N, C, H, W) in and out."""

    def __init__(self, node: RowNode, parts: Parts) -> None:
        super().__init__()
        self.row = row = node.layer
        padding = 0 if row.pad_value == "one" else row.padding
        self.conv = qnn.QuantConv2d(node.input.shape[2], row.channels, row.kernel, stride=row.stride, padding=padding,
                                    bias=False, weight_quant=BinaryWeight)
        self.norm = parts.norm2d(row.channels)
        self.sign = parts.sign()

    @property
    def binary(self) -> nn.Module:
        """The layer with 1-bit weights."""
        return self.conv

    def accumulate(self, x: Tensor) -> Tensor:
        """The integer sums of every window, before pooling."""
        if self.row.pad_value == "one" and self.row.padding:
            x = F.pad(x, (self.row.padding,) * 4, value=1.0)
        if self.conv.padding == (0, 0) and x.shape[2:] == self.conv.kernel_size:
            return self._accumulate_single_window(x)
        if x.device.type == "cpu" and self.row.stride == 1 and x.shape[2] * x.shape[3] <= SMALL_MAP:
            return small_map_conv(x, self.conv.quant_weight().value, self.conv.padding[0])
        return self.conv(x)

    def _accumulate_single_window(self, x: Tensor) -> Tensor:
        """The sums where the window covers the whole map, as a matrix product.

        CNV's last convolution is one: oneDNN takes 16 ms for its weight gradient, a tenth of the step's time
        for a hundredth of its work.
        """
        weight = self.conv.quant_weight().value
        return F.linear(_flatten(x), _flatten(weight))[:, :, None, None]

    def seen_by_norm(self, x: Tensor) -> Tensor:
        """The sums that batch norm gets: those of every window or, in the order pool-sign, the pooled ones."""
        acc = self.accumulate(x)
        return self._pool(acc) if self.row.order == "pool-sign" else acc

    def activate(self, acc: Tensor) -> Tensor:
        """BN and sign, the rule that a threshold replaces."""
        return self.sign(self.norm(acc))

    def forward(self, x: Tensor) -> Tensor:
        """In the order sign-pool the pool is taken before the sign, which changes no value.

        The sign is monotone, so sign(max) = max(sign). The gradient then reaches the largest value of a window,
        where the maximum of ±1 would send it to the first of several equal ones.
        """
        x = self.norm(self.seen_by_norm(x))
        return self.sign(self._pool(x) if self.row.order == "sign-pool" else x)

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.row.pool) if self.row.pool > 1 else x


@BLOCKS.for_(Fc)
class FcBlock(nn.Module):
    """fc → BN → sign; (N, C, H, W) or (N, features) in, (N, units) out, a map read as (y, x, channel)."""

    def __init__(self, node: RowNode, parts: Parts) -> None:
        super().__init__()
        self.row = node.layer
        self.fc = qnn.QuantLinear(node.fan_in, node.layer.outputs, bias=False, weight_quant=BinaryWeight)
        self.norm = parts.norm1d(node.layer.outputs)
        self.sign = parts.sign()

    @property
    def binary(self) -> nn.Module:
        """The layer with 1-bit weights."""
        return self.fc

    def accumulate(self, x: Tensor) -> Tensor:
        return self.fc(_flatten(x))

    seen_by_norm = accumulate

    def activate(self, acc: Tensor) -> Tensor:
        return self.sign(self.norm(acc))

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.accumulate(x))


class Head(nn.Module):
    """The last layer: integer scores, then BN as the affine map from scores to logits."""

    def __init__(self, node: RowNode, parts: Parts) -> None:
        super().__init__()
        self.fc = qnn.QuantLinear(node.fan_in, node.layer.outputs, bias=False, weight_quant=BinaryWeight)
        self.norm = parts.norm1d(node.layer.outputs)

    @property
    def binary(self) -> nn.Module:
        """The layer with 1-bit weights."""
        return self.fc

    def accumulate(self, x: Tensor) -> Tensor:
        return self.fc(_flatten(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.accumulate(x))


def _flatten(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H·W·C); free of copies in channels_last memory."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


class BinaryChain(nn.Module):
    """A topology as a Brevitas model: (N, C, H, W) float input codes q in, (N, classes) logits out."""

    def __init__(self, topology: Topology, classes: int, parts: Parts | None = None) -> None:
        super().__init__()
        parts = parts or Parts()
        *hidden, last = topology.nodes(classes)
        self.blocks = nn.ModuleList(BLOCKS[node.layer](node, parts) for node in hidden)
        self.head = Head(last, parts)
        for layer in self.binary_layers():
            nn.init.uniform_(layer.weight, -INITIAL_WEIGHT, INITIAL_WEIGHT)

    def binary_layers(self) -> list[nn.Module]:
        """Every layer with 1-bit weights, first and last included."""
        return [block.binary for block in (*self.blocks, self.head)]

    def forward(self, q: Tensor) -> Tensor:
        x = q
        for block in self.blocks:
            x = block(x)
        return self.head(x)

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Keep latent weights in [−1, 1] (Courbariaux 2016, algorithm 1); beyond, they could not flip any more."""
        for layer in self.binary_layers():
            layer.weight.clamp_(-1, 1)
