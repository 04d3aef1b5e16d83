"""A network as a table: its input, and one row per layer.

A table holds no weights. Training builds the Brevitas model from it. Users can write tables of their own as JSON files
(see :func:`topology_from_json`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from math import prod
from pathlib import Path
from typing import Any, TypeVar

from ..errors import NetworkError
from .attributes import OneOf, Range, attribute_values
from .checks import check_name, need
from .geometry import MAX_MAP, MAX_SIDE, MAX_WEIGHT_BYTES, Map
from .graph import build_graph, errors_in_layer, is_chain
from .layers import ROW_KINDS, Conv, Fc, Row, RowNode, TermRow
from .spec import MAX_CLASSES, Encoding, one_bit_codes, signed_codes

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Topology:
    """Layers over an (height, width, channels) picture: a chain, unless rows name the maps they read.

    input_bits : 8 (q = pixel − 128) or 1 (+1 where pixel ≥ 128, else −1).
    rows : hidden layers; the last layer, with one unit per class, is added by training.
    classes : names of the classes if the table belongs to one data set, else empty.
    """

    name: str
    title: str
    height: int
    width: int
    channels: int
    input_bits: int
    rows: tuple[Row, ...]
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            _check(self)
        except NetworkError as error:
            raise NetworkError(f"topology {self.name!r}: {error}") from None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the picture."""
        return self.height, self.width, self.channels

    @property
    def picture(self) -> Map:
        """The map that the first row reads."""
        return self.encoding.map(self.input_shape)

    @property
    def encoding(self) -> Encoding:
        """The code of a pixel value: q = pixel − 128, or for 1 bit +1 from 128 up, else −1."""
        return one_bit_codes() if self.input_bits == 1 else signed_codes()

    @property
    def is_chain(self) -> bool:
        """Whether every row reads the map of the row before and nothing else."""
        return is_chain(self.nodes())

    def nodes(self, classes: int | None = None) -> tuple[RowNode, ...]:
        """The graph's nodes, with shapes and costs, including the last layer (``classes`` units)."""
        return build_graph(self.picture, (*self.rows, Fc(classes or len(self.classes) or 10)))

    def to_dict(self) -> dict[str, Any]:
        """The table as plain JSON values, readable by :func:`topology_from_dict`."""
        table = asdict(self)
        table["rows"] = [row_to_dict(row) for row in self.rows]
        table["classes"] = list(self.classes)
        return table


def row_to_dict(row: Row) -> dict[str, Any]:
    """A row as plain JSON values; the map that it reads is its "input", and joins are left out where it has none."""
    values = {"type": row.kind, **attribute_values(row)}
    if isinstance(row, Conv):
        joins = {"input": row.source, "shortcut": row.shortcut, "shortcut_scale": row.shortcut_scale or None,
                 "terms": [{"input": term.source, **attribute_values(term)} for term in row.terms] or None}
        values.update({key: value for key, value in joins.items() if value is not None})
    return values


def widened(topology: Topology, factor: int) -> Topology:
    """The topology with ``factor`` times the channels and units in every hidden layer, for example for a teacher.

    Raises
    ------
    NetworkError
        A layer becomes larger than allowed.
    """
    if factor == 1:
        return topology
    return replace(topology, name=f"{topology.name}-x{factor}", title=f"{topology.title}, {factor} times as wide",
                   rows=tuple(row.widened(factor) for row in topology.rows))


def _check(topology: Topology) -> None:
    check_name(topology.name, "topology name")
    need(isinstance(topology.title, str), f"title is {topology.title!r}; a text fits")
    need(len(topology.classes) <= MAX_CLASSES, f"{len(topology.classes)} classes; up to {MAX_CLASSES} fit")
    for name in topology.classes:
        check_name(name, "class name")
    twice = next((name for i, name in enumerate(topology.classes) if name in topology.classes[:i]), None)
    need(twice is None, f"the class {twice!r} comes twice")
    need(OneOf((1, 8)).allows(topology.input_bits), f"input_bits is {topology.input_bits!r}; 1 or 8 fit")
    need(OneOf((1, 3)).allows(topology.channels), f"channels is {topology.channels!r}; 1 (grey) or 3 (RGB) fit")
    need(all(Range(1, MAX_SIDE).allows(side) for side in (topology.height, topology.width)),
         f"input is {topology.height!r}×{topology.width!r}; sides from 1 to {MAX_SIDE} fit")
    for number, row in enumerate(topology.rows):
        with errors_in_layer(number, row):
            row.check()
            need(row.dense or not any(earlier.dense for earlier in topology.rows[:number]),
                 "a convolution cannot follow a fully connected layer")
    nodes = topology.nodes()
    for node in nodes:
        with errors_in_layer(node.index, node.layer):
            need(prod(node.sums) <= MAX_MAP, f"its map is too large; up to {MAX_MAP} values fit")
    bits = sum(node.weight_bits for node in nodes)
    need(bits <= 8 * MAX_WEIGHT_BYTES, f"{bits} weight bits; a .bnn file holds up to {8 * MAX_WEIGHT_BYTES}")


def topology_from_dict(table: Any) -> Topology:
    """The :class:`Topology` described by plain JSON values.

    Raises
    ------
    NetworkError
        A key is missing, unknown or out of range; the message names it.
    """
    if not isinstance(table, dict):
        raise NetworkError(f"a topology is a JSON object, not {type(table).__name__}")
    values = dict(table)
    rows = values.pop("rows", None)
    if not isinstance(rows, (list, tuple)):
        raise NetworkError("a topology needs 'rows', a list of layers")
    values.setdefault("title", values.get("name", ""))
    classes = values.pop("classes", ())
    if not isinstance(classes, (list, tuple)) or not all(isinstance(name, str) for name in classes):
        raise NetworkError("'classes' of a topology is a list of names")
    if not isinstance(values.get("name"), str) or not values["name"]:
        raise NetworkError("a topology needs a 'name'")
    return _build(Topology, {**values, "rows": tuple(_row(row, i) for i, row in enumerate(rows)),
                             "classes": tuple(classes)}, "topology")


def _row(row: Any, number: int) -> Row:
    kinds = {kind.kind: kind for kind in ROW_KINDS}
    if not isinstance(row, dict) or row.get("type") not in tuple(kinds):
        raise NetworkError(f"layer {number}: a layer is an object whose 'type' is one of {sorted(kinds)}")
    values = {key: value for key, value in row.items() if key not in ("type", "source")}
    if "source" in row:
        raise NetworkError(f"layer {number}: unknown key 'source'; the map that is read is its 'input'")
    if row["type"] == Conv.kind:
        values = _joins(values, number)
    kind: type[Row] = kinds[row["type"]]
    return _build(kind, values, f"layer {number}")


def _joins(values: dict[str, Any], number: int) -> dict[str, Any]:
    """``values`` with maps by the records' names, and terms as records."""
    terms = values.pop("terms", [])
    if not isinstance(terms, (list, tuple)) or not all(isinstance(term, dict) for term in terms):
        raise NetworkError(f"layer {number}: 'terms' is a list of objects")
    for term in terms:
        if set(term) & {"source", "outputs"}:
            raise NetworkError(f"layer {number}: a term has 'input', 'kernel', 'stride' and 'padding'")
    renamed = [{"source" if key == "input" else key: value for key, value in each.items()} for each in (values, *terms)]
    return {**renamed[0], "terms": tuple(_build(TermRow, term, f"layer {number}: term") for term in renamed[1:])}


def _build(kind: type[_Record], values: dict[str, Any], where: str) -> _Record:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]  # all of them are dataclasses
    unknown = sorted(set(values) - known)
    if unknown:
        raise NetworkError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return kind(**values)
    except TypeError as error:
        raise NetworkError(f"{where}: {error}") from None


def topology_from_json(path: str | Path) -> Topology:
    """The topology in a JSON file.

    Example of a file::

        {"name": "mine", "height": 32, "width": 32, "channels": 3, "input_bits": 8,
         "rows": [{"type": "conv", "channels": 64, "pool": 2}, {"type": "fc", "units": 256}]}

    The other keys of a row are the attributes of :class:`Conv` and :class:`Fc`, with their defaults.

    Raises
    ------
    NetworkError
        The file cannot be read, or the table is inconsistent; the message names the layer.
    """
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise NetworkError(f"cannot read the topology file {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{path} is not a JSON topology: {error}") from None
    return topology_from_dict(table)
