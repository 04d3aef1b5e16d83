"""Layers in their places: which map each reads, and what follows from that, computed once.

Topology tables (before training) and folded networks are the same graph at two stages: their rows and layers both have
the shape rules of :mod:`.geometry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..errors import NetworkError
from .checks import need
from .geometry import MAX_MAP, Map, Shape

# Sums must stay exact integers in float32.
ACC_LIMIT = 2**24
PICTURE = -1


class Operation(Protocol):
    """A row of a table, or a folded layer."""

    @property
    def kind(self) -> str: ...

    @property
    def source(self) -> int | None: ...

    @property
    def outputs(self) -> int: ...

    @property
    def pool(self) -> int: ...

    @property
    def dense(self) -> bool: ...

    def fan_in_on(self, shape: Shape) -> int: ...

    def sums_shape(self, shape: Shape) -> Shape: ...

    def output_shape(self, shape: Shape) -> Shape: ...

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError unless the operation can read ``source``."""


Op = TypeVar("Op", bound=Operation)


@dataclass(frozen=True, eq=False)
class Node(Generic[Op]):
    """A layer in its place.

    Attributes
    ----------
    index : int
        Also that of the map that leaves it.
    layer : row or folded layer
    source : int
        The node whose map it reads, or −1 for the picture.
    input, output : Map
    sums : (height, width, channels) of its sums, before pooling
    fan_in : int
        Inputs of one sum.
    bound : int
        The largest |sum|.
    last_use : int
        The last node that reads its map; its own index where none does.
    """

    index: int
    layer: Op
    source: int
    input: Map
    output: Map
    sums: Shape
    fan_in: int
    bound: int
    last_use: int

    @property
    def weight_bits(self) -> int:
        return self.layer.outputs * self.fan_in

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image, at all positions before pooling."""
        return self.weight_bits * self.sums[0] * self.sums[1]

    @property
    def pooled_macs(self) -> int:
        """Those at positions that a pool window uses: an odd row or column at the end is not computed in hardware."""
        height, width, _ = self.output.shape
        return self.weight_bits * height * width * self.layer.pool**2


def build_graph(picture: Map, layers: Sequence[Op]) -> tuple[Node[Op], ...]:
    """The nodes of ``layers``, which are given in an order in which they can be computed.

    Raises
    ------
    NetworkError
        Names the layer that cannot read its map, or whose sums or map become too large.
    """
    nodes: list[Node[Op]] = []
    uses = _last_uses(layers)
    for index, layer in enumerate(layers):
        try:
            nodes.append(_node(index, layer, picture, nodes, uses))
        except NetworkError as error:
            raise NetworkError(f"layer {index} ({layer.kind}): {error}") from None
    return tuple(nodes)


def _source(index: int, layer: Operation) -> int:
    return index - 1 if layer.source is None else layer.source


def _last_uses(layers: Sequence[Operation]) -> list[int]:
    uses = list(range(len(layers)))
    for index, layer in enumerate(layers):
        source = _source(index, layer)
        if 0 <= source < index:
            uses[source] = index
    return uses


def _node(index: int, layer: Op, picture: Map, nodes: Sequence[Node[Op]], uses: list[int]) -> Node[Op]:
    source = _source(index, layer)
    need(type(source) is int and PICTURE <= source < index,
         f"it reads the map {source!r:.20}; {PICTURE} (the picture) to {index - 1} fit")
    read = picture if source == PICTURE else nodes[source].output
    layer.check_input(read, source == PICTURE)
    sums, fan_in = layer.sums_shape(read.shape), layer.fan_in_on(read.shape)
    output = Map(layer.output_shape(read.shape))
    need(output.values <= MAX_MAP, f"its map of {output.values} values is too large; up to {MAX_MAP} fit")
    bound = fan_in * read.largest
    need(bound < ACC_LIMIT, f"sums of {fan_in} inputs, up to {bound}, exceed 2²⁴, where float32 stops being exact; "
                            "pool or stride more")
    return Node(index, layer, source, read, output, sums, fan_in, bound, uses[index])


def unused_after(nodes: Sequence[Node[Op]]) -> tuple[tuple[int, ...], ...]:
    """For each node the maps (−1 is the picture) that no node after it reads; its own is kept for who asked for it."""
    last = {PICTURE: 0}
    for node in nodes:
        last[node.source] = node.index
    return tuple(tuple(source for source, index in last.items() if index == node.index) for node in nodes)
