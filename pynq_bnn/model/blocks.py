"""The blocks of a model, one for each kind of row: with 1-bit weights and activations, and in full precision.

Every binary block first sums exact integers (weights ±1, inputs ±1 or q) and scales after the sum, so a hidden block
folds into one integer threshold per channel (see ``pynq_bnn.compile``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import brevitas.nn as qnn
import torch.nn.functional as F
from torch import Tensor, nn

from ..network.graph import Node
from ..network.handlers import Handlers
from ..network.layers import ROW_KINDS, Conv, Fc, Row
from .convolution import SMALL_MAP, small_map_conv
from .quant import BinaryActivation, BinaryWeight
from .shift_norm import Norm, ShiftBatchNorm1d, ShiftBatchNorm2d

BATCH_NORM_EPS = 1e-4


@dataclass(frozen=True)
class Parts:
    """Factory of the quantizers and norms of a model's blocks; see ``TrainConfig`` for the options."""

    gradient: str = "clipped"
    stochastic: bool = False
    shift_norm: bool = False

    def sign(self) -> nn.Module:
        act_quant = BinaryActivation.let(gradient=self.gradient, stochastic=self.stochastic)
        sign: nn.Module = qnn.QuantIdentity(act_quant=act_quant)
        return sign

    def norm1d(self, channels: int) -> nn.BatchNorm1d:
        return (ShiftBatchNorm1d if self.shift_norm else nn.BatchNorm1d)(channels, BATCH_NORM_EPS)

    def norm2d(self, channels: int) -> nn.BatchNorm2d:
        return (ShiftBatchNorm2d if self.shift_norm else nn.BatchNorm2d)(channels, BATCH_NORM_EPS)


class BinaryLayer(Protocol):
    """The part of a Brevitas layer with 1-bit weights that is used here; Brevitas has no type annotations."""

    weight: nn.Parameter

    def __call__(self, x: Tensor) -> Tensor: ...

    def quant_weight(self) -> Any:
        """The weights, ±1, in its attribute ``value``."""


class BinaryConv(BinaryLayer, Protocol):
    """A Brevitas convolution."""

    padding: tuple[int, int]
    kernel_size: tuple[int, int]


# --- 1-bit weights and activations ---------------------------------------------------------------------

class BinaryBlock(nn.Module):
    """The interface of a hidden row's block that folding and warm starts need."""

    row: Row
    norm: Norm
    sign: nn.Module

    if TYPE_CHECKING:  # torch declares Any
        def __call__(self, x: Tensor, *others: Tensor) -> Tensor: ...

    @property
    def binary(self) -> BinaryLayer:
        """The layer with 1-bit weights."""
        raise NotImplementedError

    @property
    def binary_terms(self) -> list[BinaryLayer]:
        """The layers with 1-bit weights whose sums of other maps are added."""
        return []

    def accumulate(self, x: Tensor, *others: Tensor) -> Tensor:
        """The integer sums, before pooling, of the map that the row reads and of those that its terms read."""
        raise NotImplementedError

    def join(self, acc: Tensor, shortcut: Tensor) -> Tensor:
        """The sums with the shortcut's bits, ±1, added."""
        raise NotImplementedError

    def seen_by_norm(self, x: Tensor, *others: Tensor) -> Tensor:
        """The sums that batch norm gets; ``others`` : the maps of terms, then that of the shortcut."""
        return self.accumulate(x, *others)

    def activate(self, acc: Tensor) -> Tensor:
        """BN and sign, which folding replaces by a threshold."""
        bits: Tensor = self.sign(self.norm(acc))
        return bits


class BinaryBlocks(nn.ModuleList):
    """The blocks of a chain."""

    if TYPE_CHECKING:  # torch declares Module
        def __iter__(self) -> Iterator[BinaryBlock]: ...


BINARY_BLOCKS: Handlers[Callable[[Node[Any], Parts], BinaryBlock]] = Handlers("block of a row with 1-bit weights",
                                                                              ROW_KINDS)


@BINARY_BLOCKS.for_(Conv)
class ConvBlock(BinaryBlock):
    """conv → BN → sign → pool, or conv → pool → BN → sign (``row.order``); (N, C, H, W) in and out."""

    def __init__(self, node: Node[Conv], parts: Parts) -> None:
        super().__init__()
        self.row: Conv = node.layer
        row = self.row
        padding = 0 if row.pad_value == "one" else row.padding
        self.conv: BinaryConv = qnn.QuantConv2d(node.input.shape[2], row.channels, row.kernel, stride=row.stride,
                                                padding=padding, bias=False, weight_quant=BinaryWeight)
        if node.terms:
            self.terms = nn.ModuleList(qnn.QuantConv2d(term.input.shape[2], row.channels, term.layer.kernel,
                                                       stride=term.layer.stride, bias=False, weight_quant=BinaryWeight)
                                       for term in node.terms)
        self.norm = parts.norm2d(row.channels)
        self.sign = parts.sign()

    @property
    def binary(self) -> BinaryLayer:
        return self.conv

    @property
    def binary_terms(self) -> list[BinaryLayer]:
        terms: list[Any] = list(self.terms) if self.row.terms else []
        return terms

    def accumulate(self, x: Tensor, *others: Tensor) -> Tensor:
        """The integer sums of every window, before pooling."""
        acc = self._main(x)
        for row, term, other in zip(self.row.terms, self.binary_terms, others):
            acc = acc + term(F.pad(other, (row.padding,) * 4, value=1.0) if row.padding else other)
        return acc

    def join(self, acc: Tensor, shortcut: Tensor) -> Tensor:
        return acc + self.row.scale * shortcut

    def _main(self, x: Tensor) -> Tensor:
        if self.row.pad_value == "one" and self.row.padding:
            x = F.pad(x, (self.row.padding,) * 4, value=1.0)
        if self.conv.padding == (0, 0) and x.shape[2:] == self.conv.kernel_size:
            return self._accumulate_single_window(x)
        if x.device.type == "cpu" and self.row.stride == 1 and x.shape[2] * x.shape[3] <= SMALL_MAP:
            return small_map_conv(x, self.conv.quant_weight().value, self.conv.padding[0])
        return self.conv(x)

    def _accumulate_single_window(self, x: Tensor) -> Tensor:
        """The sums as a matrix product, where the window covers the whole map.

        CNV's last convolution is such a case: oneDNN takes 16 ms for its weight gradient, a tenth of the step's time
        for a hundredth of its work.
        """
        weight = self.conv.quant_weight().value
        return F.linear(flatten(x), flatten(weight))[:, :, None, None]

    def seen_by_norm(self, x: Tensor, *others: Tensor) -> Tensor:
        """The sums that batch norm gets: those of every window or, in the order pool-sign, the pooled ones."""
        acc = self.accumulate(x, *others)
        if self.row.shortcut is not None:
            return self.join(acc, others[-1])
        return self._pool(acc) if self.row.order == "pool-sign" else acc

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Computes the pool before the sign also in the order sign-pool, which changes no value.

        The sign is monotone, so sign(max) = max(sign). But the gradient then reaches the largest value of a window,
        while the maximum of ±1 would send it to the first of several equal ones.
        """
        x = self.norm(self.seen_by_norm(x, *others))
        bits: Tensor = self.sign(self._pool(x) if self.row.order == "sign-pool" else x)
        return bits

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.row.pool) if self.row.pool > 1 else x


@BINARY_BLOCKS.for_(Fc)
class FcBlock(BinaryBlock):
    """fc → BN → sign; (N, C, H, W) or (N, features) in, (N, units) out; a map is flattened as (y, x, channel)."""

    def __init__(self, node: Node[Fc], parts: Parts) -> None:
        super().__init__()
        self.row = node.layer
        self.fc: BinaryLayer = qnn.QuantLinear(node.fan_in, node.layer.outputs, bias=False, weight_quant=BinaryWeight)
        self.norm = parts.norm1d(node.layer.outputs)
        self.sign = parts.sign()

    @property
    def binary(self) -> BinaryLayer:
        return self.fc

    def accumulate(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.fc(flatten(x))

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.activate(self.accumulate(x))


def flatten(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H·W·C); without a copy in channels_last memory."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


# --- full precision ------------------------------------------------------------------------------------

REAL_BLOCKS: Handlers[Callable[[Node[Any]], nn.Module]] = Handlers("block of a row in full precision", ROW_KINDS)


@REAL_BLOCKS.for_(Conv)
class RealConvBlock(nn.Module):
    """conv → BN → ReLU → pool; (N, C, H, W) in and out. Both orders of the binary block are the same here.

    Terms are added before BN, a shortcut after it, as residual networks do.
    """

    def __init__(self, node: Node[Conv]) -> None:
        super().__init__()
        row, channels_in = node.layer, node.input.shape[2]
        self.pool, self.shortcut = row.pool, row.shortcut is not None
        self.terms = nn.ModuleList(nn.Conv2d(term.input.shape[2], row.channels, term.layer.kernel, term.layer.stride,
                                             term.layer.padding, bias=False) for term in node.terms)
        self.conv = nn.Conv2d(channels_in, row.channels, row.kernel, row.stride, row.padding, bias=False)
        self.norm = nn.BatchNorm2d(row.channels)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        x = self.conv(x)
        for term, other in zip(self.terms, others):
            x = x + term(other)
        x = self.norm(x)
        x = F.relu(x + others[-1] if self.shortcut else x)
        return F.max_pool2d(x, self.pool) if self.pool > 1 else x


@REAL_BLOCKS.for_(Fc)
class RealFcBlock(nn.Module):
    """fc → BN → ReLU; (N, C, H, W) or (N, features) in, (N, units) out."""

    def __init__(self, node: Node[Fc]) -> None:
        super().__init__()
        self.fc = nn.Linear(node.fan_in, node.layer.outputs, bias=False)
        self.norm = nn.BatchNorm1d(node.layer.outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.fc(x.flatten(1))))
