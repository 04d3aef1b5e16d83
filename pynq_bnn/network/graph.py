"""The graph of layers: which map each layer reads, and everything derived from that, computed once.

Topology tables (before training) and folded networks are the same graph at two stages: their rows and layers both
follow the shape rules of :mod:`.geometry`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ..errors import NetworkError
from .checks import need
from .geometry import MAX_MAP, Map, Shape

# Sums must stay exact integers in float32.
ACC_LIMIT = 2**24
PICTURE = -1


class Summand(Protocol):
    """Something that computes sums over a map: a term of a layer, or the layer itself."""

    @property
    def source(self) -> int | None: ...

    @property
    def outputs(self) -> int: ...

    @property
    def dense(self) -> bool: ...

    def fan_in_on(self, shape: Shape) -> int: ...

    def sums_shape(self, shape: Shape) -> Shape: ...

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError unless it can read ``source``."""


class Operation(Summand, Protocol):
    """A row of a table, or a folded layer."""

    @property
    def kind(self) -> str: ...

    @property
    def pool(self) -> int: ...

    @property
    def terms(self) -> Sequence[Summand]: ...

    @property
    def shortcut(self) -> int | None: ...

    def output_shape(self, shape: Shape) -> Shape: ...


Op = TypeVar("Op", bound=Operation)


@dataclass(frozen=True, eq=False)
class Part:
    """One convolution (or product) of a layer's sum, within the graph.

    layer : the layer or one of its terms.
    source : the node whose map it reads, −1 for the picture.
    input : that map.
    sums : (height, width, channels) of the sums.
    fan_in : inputs per sum.
    """

    layer: Any
    source: int
    input: Map
    sums: Shape
    fan_in: int


@dataclass(frozen=True, eq=False)
class Node(Generic[Op]):
    """A layer within the graph.

    Attributes
    ----------
    index : int
        Its index, which is also that of its output map.
    layer : row or folded layer
    parts : tuple of Part
        The layer's own convolution or product, then its terms.
    output : Map
    shortcut : int or None
        The node whose bit selects one of two thresholds.
    bound : int
        The largest |sum|, terms included.
    """

    index: int
    layer: Op
    parts: tuple[Part, ...]
    output: Map
    shortcut: int | None
    bound: int

    @property
    def source(self) -> int:
        """The node whose map the layer itself reads, or −1 for the picture."""
        return self.parts[0].source

    @property
    def input(self) -> Map:
        """The map of ``source``."""
        return self.parts[0].input

    @property
    def sums(self) -> Shape:
        """(height, width, channels) of its sums, before pooling."""
        return self.parts[0].sums

    @property
    def fan_in(self) -> int:
        """Inputs per sum, without those of terms."""
        return self.parts[0].fan_in

    @property
    def terms(self) -> tuple[Part, ...]:
        """Convolutions of other maps, added to the sums."""
        return self.parts[1:]

    @property
    def reads(self) -> tuple[int, ...]:
        """The maps that it reads: its own input, those of its terms, that of the shortcut."""
        sources = tuple([part.source for part in self.parts])
        return sources if self.shortcut is None else (*sources, self.shortcut)

    @property
    def weight_bits(self) -> int:
        """Number of weight bits, including those of terms."""
        return self.layer.outputs * sum(part.fan_in for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image, at all positions before pooling."""
        return self.weight_bits * self.sums[0] * self.sums[1]

    @property
    def pooled_macs(self) -> int:
        """Multiply-accumulates per image at positions within a pool window, as the hardware computes them."""
        height, width, _ = self.output.shape
        return self.weight_bits * height * width * self.layer.pool**2


def build_graph(picture: Map, layers: Sequence[Op]) -> tuple[Node[Op], ...]:
    """The nodes of ``layers``, which must be in an order in which they can be computed.

    Raises
    ------
    NetworkError
        A layer cannot read its map, or its sums or map become too large; the message names the layer.
    """
    nodes: list[Node[Op]] = []
    for index, layer in enumerate(layers):
        with errors_in_layer(index, layer):
            nodes.append(_node(index, layer, picture, nodes))
    return tuple(nodes)


@contextlib.contextmanager
def errors_in_layer(index: int, layer: Operation) -> Iterator[None]:
    """Put the layer's index and kind before the message of a NetworkError."""
    try:
        yield
    except NetworkError as error:
        raise NetworkError(f"layer {index} ({layer.kind}): {error}") from None


def _node(index: int, layer: Op, picture: Map, nodes: Sequence[Node[Op]]) -> Node[Op]:
    main = _part(index, layer, index - 1 if layer.source is None else layer.source, picture, nodes)
    terms = [_term(index, term, number, main.sums, picture, nodes) for number, term in enumerate(layer.terms)]
    parts = (main, *terms)
    output = Map(layer.output_shape(main.input.shape))
    need(output.values <= MAX_MAP, f"its map of {output.values} values is too large; up to {MAX_MAP} fit")
    inputs = sum(part.fan_in for part in parts)
    bound = sum(part.fan_in * part.input.largest for part in parts)
    need(bound < ACC_LIMIT, f"sums of {inputs} inputs, up to {bound}, exceed 2²⁴, where float32 stops being exact; "
                            "pool or stride more")
    if layer.shortcut is not None:
        _check_shortcut(index, layer.shortcut, output, nodes)
    return Node(index, layer, parts, output, layer.shortcut, bound)


def _part(index: int, layer: Summand, source: object, picture: Map, nodes: Sequence[Node[Op]]) -> Part:
    if type(source) is not int or not PICTURE <= source < index:
        raise NetworkError(f"it reads the map {source!r:.20}; {PICTURE} (the picture) to {index - 1} fit")
    read = picture if source == PICTURE else nodes[source].output
    layer.check_input(read, source == PICTURE)
    return Part(layer, source, read, layer.sums_shape(read.shape), layer.fan_in_on(read.shape))


def _term(index: int, term: Summand, number: int, sums: Shape, picture: Map, nodes: Sequence[Node[Op]]) -> Part:
    try:
        part = _part(index, term, term.source, picture, nodes)
        need(part.source != PICTURE, "it reads the picture; terms read maps of bits of earlier layers")
        need(part.sums == sums, f"its sums are {part.sums}, those of the layer {sums}")
    except NetworkError as error:
        raise NetworkError(f"term {number}: {error}") from None
    return part


def _check_shortcut(index: int, shortcut: object, output: Map, nodes: Sequence[Node[Op]]) -> None:
    if type(shortcut) is not int or not 0 <= shortcut < index:
        raise NetworkError(f"the shortcut is the map {shortcut!r:.20}; 0 to {index - 1} fit")
    found = nodes[shortcut].output.shape
    need(found == output.shape, f"the shortcut is a map of {found}, the layer's own has {output.shape}")


def is_chain(nodes: Sequence[Node[Op]]) -> bool:
    """Whether every node reads the map of the node before it and nothing else."""
    return all(node.reads == (node.index - 1,) for node in nodes)


def unused_after(nodes: Sequence[Node[Op]]) -> tuple[tuple[int, ...], ...]:
    """For each node, the maps (−1 is the picture) whose last reader it is, which can be freed after it."""
    last = {PICTURE: 0}
    for node in nodes:
        last.update(dict.fromkeys(node.reads, node.index))
    return tuple(tuple(source for source, index in last.items() if index == node.index) for node in nodes)
