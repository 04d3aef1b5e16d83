"""The Brevitas model of a topology table."""

from __future__ import annotations

import brevitas.nn as qnn
import torch
from torch import Tensor, nn

from ..network.layers import RowNode
from ..network.topology import Topology
from .blocks import BINARY_BLOCKS, BinaryBlocks, BinaryLayer, Parts, flatten
from .chain import Chain, run_graph
from .quant import BinaryWeight

# Latent weights start within ± this. Small compared with ±1, so that Adam's steps, which are about as large as the
# learning rate, flip signs from the first epoch on.
INITIAL_WEIGHT = 0.1


class Head(nn.Module):
    """The last layer: integer scores, then BN as the affine map from scores to logits."""

    def __init__(self, node: RowNode, parts: Parts) -> None:
        super().__init__()
        self.fc: BinaryLayer = qnn.QuantLinear(node.fan_in, node.layer.outputs, bias=False, weight_quant=BinaryWeight)
        self.norm = parts.norm1d(node.layer.outputs)

    @property
    def binary(self) -> BinaryLayer:
        """The layer with 1-bit weights."""
        return self.fc

    def accumulate(self, x: Tensor) -> Tensor:
        return self.fc(flatten(x))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.norm(self.accumulate(x))
        return logits


class BinaryChain(Chain):
    """A topology as a Brevitas model: (N, C, H, W) float input codes q in, (N, classes) logits out."""

    def __init__(self, topology: Topology, classes: int, parts: Parts | None = None) -> None:
        super().__init__()
        parts = parts or Parts()
        *self.hidden, last = topology.nodes(classes)
        self.blocks = BinaryBlocks(BINARY_BLOCKS[node.layer](node, parts) for node in self.hidden)
        self.head = Head(last, parts)
        for layer in self.binary_layers():
            nn.init.uniform_(layer.weight, -INITIAL_WEIGHT, INITIAL_WEIGHT)

    def binary_layers(self) -> list[BinaryLayer]:
        """Every layer with 1-bit weights, first and last included."""
        return [*(layer for block in self.blocks for layer in (block.binary, *block.binary_terms)), self.head.binary]

    def forward(self, q: Tensor) -> Tensor:
        logits: Tensor = self.head(self.last_map(q))
        return logits

    def last_map(self, q: Tensor) -> Tensor:
        """The activations that the last layer reads."""
        return run_graph(self.hidden, self.blocks, q)

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Clip latent weights to [−1, 1] (Courbariaux 2016, algorithm 1); larger ones could hardly flip any more."""
        for layer in self.binary_layers():
            layer.weight.clamp_(-1, 1)
