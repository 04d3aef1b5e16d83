"""The blocks of a model, one for each kind of row: with 1-bit weights and activations, and in full precision.

Every binary block sums exact integers first (weights ±1, inputs ±1 or q) and scales after the sum, so a hidden block
folds into one integer threshold a channel (see ``pynq_bnn.compile``).
"""

from __future__ import annotations

from dataclasses import dataclass

import brevitas.nn as qnn
import torch.nn.functional as F
from torch import Tensor, nn

from ..network.handlers import Handlers
from ..network.layers import ROW_KINDS, Conv, Fc, RowNode
from .convolution import SMALL_MAP, small_map_conv
from .quant import BinaryActivation, BinaryWeight
from .shift_norm import ShiftBatchNorm1d, ShiftBatchNorm2d

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


# --- 1-bit weights and activations ---------------------------------------------------------------------

BINARY_BLOCKS: Handlers[type[ConvBlock] | type[FcBlock]] = Handlers("block of a row with 1-bit weights", ROW_KINDS)


@BINARY_BLOCKS.for_(Conv)
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
        return F.linear(flatten(x), flatten(weight))[:, :, None, None]

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


@BINARY_BLOCKS.for_(Fc)
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
        return self.fc(flatten(x))

    seen_by_norm = accumulate

    def activate(self, acc: Tensor) -> Tensor:
        return self.sign(self.norm(acc))

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.accumulate(x))


def flatten(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H·W·C); free of copies in channels_last memory."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


# --- full precision ------------------------------------------------------------------------------------

REAL_BLOCKS: Handlers[type[RealConvBlock] | type[RealFcBlock]] = Handlers("block of a row in full precision", ROW_KINDS)


@REAL_BLOCKS.for_(Conv)
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


@REAL_BLOCKS.for_(Fc)
class RealFcBlock(nn.Module):
    """fc → BN → ReLU; (N, C, H, W) or (N, features) in, (N, units) out."""

    def __init__(self, node: RowNode) -> None:
        super().__init__()
        self.fc = nn.Linear(node.fan_in, node.layer.outputs, bias=False)
        self.norm = nn.BatchNorm1d(node.layer.outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.fc(x.flatten(1))))
