"""A network as a table: what goes in, and one row a layer.

A table holds no weights. Training builds the Brevitas model from it, and a user's own chain is the
same kind of table, written as a JSON file (see :func:`topology_from_json`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Union

from ..errors import NetworkError
from ..network.checks import check_name
from ..network.geometry import (
    MAX_CHANNELS,
    MAX_KERNEL,
    MAX_MAP,
    MAX_SIDE,
    MAX_WEIGHT_BYTES,
    POOLS,
    STRIDES,
    conv_size,
    pooled_size,
)
from ..network.layers import ACC_LIMIT
from ..network.spec import MAX_CLASSES

ORDERS = ("sign-pool", "pool-sign")


@dataclass(frozen=True)
class Conv:
    """One convolution row.

    channels : output channels.
    kernel, stride, padding : square window, both directions alike.
    pad_value : "zero" (a padded tap adds nothing) or "one" (padded with +1).
    pool : side and stride of the max-pool window, 1 for none.
    order : "sign-pool" is conv → BN → sign → pool (CNV), "pool-sign" is conv → pool → BN → sign
        (BinaryNet, XNOR-Net).
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    pad_value: str = "zero"
    pool: int = 1
    order: str = "sign-pool"


@dataclass(frozen=True)
class Fc:
    """One fully connected row with ``units`` outputs; a map is read as (y, x, channel)."""

    units: int


Row = Union[Conv, Fc]


@dataclass(frozen=True)
class Topology:
    """A chain of layers over an (height, width, channels) picture.

    input_bits : 8 (q = pixel − 128) or 1 (+1 where pixel ≥ 128, else −1).
    rows : hidden layers; the last layer, one unit a class, is added by training.
    classes : names when the table belongs to one data set, else empty.
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
        _check(self)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    def layer_table(self, classes: int | None = None) -> list[LayerFigures]:
        """Shapes and costs, one row a layer, the last layer (``classes`` units) included."""
        return _figures(self, classes or len(self.classes) or 10)

    def to_dict(self) -> dict[str, Any]:
        """The table as plain JSON values, readable by :func:`topology_from_dict`."""
        table = asdict(self)
        table["rows"] = [{"type": type(row).__name__.lower(), **asdict(row)} for row in self.rows]
        table["classes"] = list(self.classes)
        return table


def widened(topology: Topology, factor: int) -> Topology:
    """The topology with ``factor`` times the channels and units in every hidden layer, as teachers have them.

    Raises
    ------
    NetworkError
        When a layer grows beyond what a table may hold.
    """
    if factor == 1:
        return topology
    rows = tuple(replace(row, units=row.units * factor) if isinstance(row, Fc)
                 else replace(row, channels=row.channels * factor) for row in topology.rows)
    return replace(topology, name=f"{topology.name}-x{factor}", title=f"{topology.title}, {factor} times as wide",
                   rows=rows)


@dataclass(frozen=True)
class LayerFigures:
    """What one layer costs: weight bits, multiply-accumulates an image, and the bits of its output map."""

    kind: str
    output_shape: tuple[int, int, int]
    weight_bits: int
    macs: int
    map_bits: int


def _figures(topology: Topology, classes: int) -> list[LayerFigures]:
    h, w, c = topology.input_shape
    table = []
    for row in (*topology.rows, Fc(classes)):
        if isinstance(row, Conv):
            conv_h, conv_w = (conv_size(s, row.kernel, row.stride, row.padding) for s in (h, w))
            weight_bits = row.channels * row.kernel**2 * c
            macs = weight_bits * conv_h * conv_w
            h, w, c = pooled_size(conv_h, row.pool), pooled_size(conv_w, row.pool), row.channels
        else:
            weight_bits = macs = h * w * c * row.units
            h, w, c = 1, 1, row.units
        table.append(LayerFigures(type(row).__name__, (h, w, c), weight_bits, macs, h * w * c))
    return table


def _check(topology: Topology) -> None:
    def need(condition: bool, what: str) -> None:
        if not condition:
            raise NetworkError(f"topology {topology.name!r}: {what}")

    check_name(topology.name, "topology name")
    need(isinstance(topology.title, str), f"title is {topology.title!r}; a text fits")
    need(len(topology.classes) <= MAX_CLASSES, f"{len(topology.classes)} classes; up to {MAX_CLASSES} fit")
    for name in topology.classes:
        check_name(name, "class name")
    twice = next((name for i, name in enumerate(topology.classes) if name in topology.classes[:i]), None)
    need(twice is None, f"the class {twice!r} comes twice")
    need(_one_of(topology.input_bits, (1, 8)), f"input_bits is {topology.input_bits!r}; 1 or 8 fit")
    need(_one_of(topology.channels, (1, 3)), f"channels is {topology.channels!r}; 1 (grey) or 3 (RGB) fit")
    need(_in_range(topology.height, MAX_SIDE) and _in_range(topology.width, MAX_SIDE),
         f"input is {topology.height!r}×{topology.width!r}; sides from 1 to {MAX_SIDE} fit")
    h, w, c, flat = *topology.input_shape, False
    largest = 1 if topology.input_bits == 1 else 128
    for number, row in enumerate(topology.rows):
        where = f"layer {number}"
        if isinstance(row, Fc):
            need(_in_range(row.units, MAX_CHANNELS), f"{where}: units is {row.units!r}; 1 to {MAX_CHANNELS} fit")
            need(h * w * c * largest < ACC_LIMIT,
                 f"{where}: sums of {h * w * c} inputs exceed 2²⁴; pool or stride more")
            h, w, c, largest, flat = 1, 1, row.units, 1, True
            continue
        need(not flat, f"{where}: a convolution cannot follow a fully connected layer")
        _check_conv(row, where, need)
        conv = [conv_size(s, row.kernel, row.stride, row.padding) for s in (h, w)]
        need(row.kernel**2 * c * largest < ACC_LIMIT, f"{where}: sums of {row.kernel**2 * c} inputs exceed 2²⁴")
        h, w, c, largest = *(pooled_size(s, row.pool) for s in conv), row.channels, 1
        need(conv[0] * conv[1] * c <= MAX_MAP, f"{where}: its map is too large; up to {MAX_MAP} values fit")
        need(h > 0 and w > 0, f"{where}: the {row.kernel}×{row.kernel} window or its pool does not fit the map")
    bits = sum(layer.weight_bits for layer in topology.layer_table())
    need(bits <= 8 * MAX_WEIGHT_BYTES, f"{bits} weight bits; a .bnn file holds up to {8 * MAX_WEIGHT_BYTES}")
    need(h * w * c * largest < ACC_LIMIT, f"the last layer: sums of {h * w * c} inputs exceed 2²⁴; pool or stride more")


def _check_conv(row: Conv, where: str, need) -> None:
    need(_in_range(row.channels, MAX_CHANNELS), f"{where}: channels is {row.channels!r}; 1 to {MAX_CHANNELS} fit")
    need(_in_range(row.kernel, MAX_KERNEL), f"{where}: kernel is {row.kernel!r}; 1 to {MAX_KERNEL} fit")
    need(_one_of(row.stride, STRIDES), f"{where}: stride is {row.stride!r}; one of {STRIDES} fits")
    need(row.padding == 0 and type(row.padding) is int or _in_range(row.padding, row.kernel - 1),
         f"{where}: padding is {row.padding!r}; 0 to kernel − 1 fit")
    need(row.pad_value in ("zero", "one"), f"{where}: pad_value is {row.pad_value!r}; 'zero' or 'one' fit")
    need(not (where == "layer 0" and row.pad_value == "one"),
         f"{where}: pad_value 'one' is for hidden layers; the first layer pads with q = 0")
    need(_one_of(row.pool, POOLS), f"{where}: pool is {row.pool!r}; one of {POOLS} fits")
    need(row.order in ORDERS, f"{where}: order is {row.order!r}; one of {ORDERS} fits")


def _in_range(value: Any, highest: int) -> bool:
    return type(value) is int and 1 <= value <= highest


def _one_of(value: Any, fitting: tuple[int, ...]) -> bool:
    return type(value) is int and value in fitting


def topology_from_dict(table: Any) -> Topology:
    """The :class:`Topology` of plain JSON values.

    Raises
    ------
    NetworkError
        When a key is missing, unknown or out of range; the message names it.
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
    kinds = {"conv": Conv, "fc": Fc}
    if not isinstance(row, dict) or row.get("type") not in tuple(kinds):
        raise NetworkError(f"layer {number}: a layer is an object whose 'type' is one of {sorted(kinds)}")
    values = {key: value for key, value in row.items() if key != "type"}
    return _build(kinds[row["type"]], values, f"layer {number}")


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    known = {f.name for f in fields(kind)}
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

    A conv may also have "kernel" (3), "stride" (1), "padding" (0), "pad_value" ("zero" or "one") and
    "order" ("sign-pool" or "pool-sign"), see :class:`Conv`.

    Raises
    ------
    NetworkError
        The file cannot be read, or the table contradicts itself; the message names the layer.
    """
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise NetworkError(f"cannot read the topology file {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{path} is not a JSON topology: {error}") from None
    return topology_from_dict(table)
