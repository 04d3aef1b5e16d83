"""Write the device for the router (``hw/pnr/device.h``): flat arrays that C++ maps into memory as they are.

``python -m flows.device.export`` makes ``build/device.bin``. Switches are kept once a tile type; wires are joined to
nodes, and only nodes that a switch or a site's pin touches get a number. ``--region X0,Y0,X1,Y1`` keeps the tiles of a
part of the fabric (INT coordinates), for tests.
"""

from __future__ import annotations

import argparse
import re
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.files import write_atomically

from .database import Device, Tile, TileType, load_device

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "device.bin"
MAGIC = b"PNRDEV01"
NONE = 0xFFFFFFFF
BITS, ALWAYS, STANDBY, THROUGH = range(4)
# What data may pass; everything else (clock spines, I/O, clock managers) is for clocks alone.
_FABRIC = re.compile(r"INT_[LR]$|CLBL|BRAM_|DSP_|(IO_)?INT_INTERFACE|BRKH_INT|PSS\d")

CLASS = np.dtype([("delay", "<f4", 4), ("resistance", "<f4"), ("capacitance", "<f4"), ("passes", "<u4")])
PIN = np.dtype([("name", "<u4"), ("wire", "<u2"), ("output", "u1"), ("unused", "u1"), ("delay", "<f4", 4),
                ("resistance", "<f4"), ("capacitance", "<f4")])
BOX = np.dtype([("x0", "<i2"), ("y0", "<i2"), ("x1", "<i2"), ("y1", "<i2")])


class _Texts:
    """Each text once; numbers in the order of their coming."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.number.setdefault(text, len(self.number))

    def sections(self) -> dict[str, np.ndarray]:
        data = [text.encode() for text in self.number]
        return {"text": np.frombuffer(b"".join(data), np.uint8), "text_at": _prefix(map(len, data))}


def _prefix(sizes: Iterable[int]) -> np.ndarray:
    return np.cumsum([0, *sizes]).astype("<u4")


def _delay(four: Sequence[str] | None) -> tuple[float, float, float, float]:
    """The four columns. A few have their two fast values the wrong way round."""
    fast_min, fast_max, slow_min, slow_max = map(float, four or (0, 0, 0, 0))
    return (min(fast_min, fast_max), max(fast_min, fast_max), min(slow_min, slow_max), max(slow_min, slow_max))


class _Kind:
    """The switches and pins of one tile type that the router sees."""

    def __init__(self, kind: TileType) -> None:
        self.type = kind
        self.fabric = bool(_FABRIC.match(kind.kind))
        self.features = {name for block in ("CLB_IO_CLK", "BLOCK_RAM") for name in kind.segment_bits(block)}
        self.pips = [(name, pip, how) for name, pip in kind.pips.items() if (how := self._how(name, pip)) is not None]
        number = kind.wire_number
        self.sources = [number[pip["src_wire"]] for _, pip, _ in self.pips]
        self.targets = [number[pip["dst_wire"]] for _, pip, _ in self.pips]
        self.both = [pip["is_directional"] != "1" and f"{pip['src_wire']}.{pip['dst_wire']}" in self.features
                     for _, pip, _ in self.pips]
        self.dedicated = [not self.fabric or pip["src_wire"].startswith("GCLK") for _, pip, _ in self.pips]

    def _how(self, name: str, pip: Mapping[str, Any]) -> int | None:
        """How the switch is closed; None: the router must not use it."""
        fixed = self.type.fixed_pips.get(name)
        if pip["is_pseudo"] != "0":  # through a site: only BUFHCEs are let through
            return THROUGH if self.type.kind.startswith("CLK_HROW") else None
        if self.type.kind.startswith("BRAM_") and "_CASCIN" in pip["src_wire"]:
            return None  # an address handed on from the next block RAM: nothing here needs it, and it makes loops
        if fixed == "default":
            return STANDBY
        if name in self.features:
            return BITS
        # Inputs of DSPs that can be tied to a constant: not tied, they are connected.
        if fixed == "always" or (fixed is None and self.type.kind.startswith("DSP_") and pip.get("is_pass_transistor")):
            return ALWAYS
        return None

    def dedicated_wires(self) -> list[int]:
        """Ends of dedicated switches; in INT tiles only their sources, since CLK pins belong to sinks."""
        pairs = [pair for *pair, dedicated in zip(self.sources, self.targets, self.dedicated, strict=True) if dedicated]
        return sorted({wire for pair in pairs for wire in (pair[:1] if self.fabric else pair)})

    def leaving_wires(self) -> list[int]:
        back = (target for target, both in zip(self.targets, self.both, strict=True) if both)
        return sorted({*self.sources, *back})

    def touched_wires(self) -> list[int]:
        pins = {self.type.wire_number[wire] for site in self.type.sites for wire in site.pins.values()}
        return sorted({*self.sources, *self.targets, *pins})


class Exporter:
    """Turns a ``Device`` into named arrays.

    Parameters
    ----------
    device:
        The whole device.
    keep:
        Says of a tile, its column and its row whether it is exported.
    """

    def __init__(self, device: Device, keep: Callable[[Tile, int, int], bool] = lambda *_: True) -> None:
        self.device = device
        self.texts = _Texts()
        places = _Fabric(device)
        everything = list(device.tiles.values())
        columns, rows = places.columns(everything), places.rows(everything)
        chosen = [n for n, tile in enumerate(everything) if keep(tile, columns[n], rows[n])]
        if not chosen:
            raise PynqBnnError("no tile of the device lies in that region; columns and rows are those of INT tiles")
        self.tiles = [everything[n] for n in chosen]
        self.columns, self.rows = np.array(columns)[chosen], np.array(rows)[chosen]
        self.kinds = [_Kind(device.types[name]) for name in sorted({tile.kind for tile in self.tiles})]
        self.kind_number = {kind.type.kind: n for n, kind in enumerate(self.kinds)}
        self.tile_kind = np.array([self.kind_number[tile.kind] for tile in self.tiles])
        self.sizes = np.array([len(kind.type.wires) for kind in self.kinds])[self.tile_kind]
        self.first_wire = np.cumsum(self.sizes) - self.sizes

    def sections(self) -> dict[str, np.ndarray]:
        result = {**self._kinds(), **self._sites(), **self._tiles(), **self._nodes()}
        return {**result, **self.texts.sections()}

    def _kinds(self) -> dict[str, np.ndarray]:
        classes: dict[tuple[float, ...], int] = {}
        numbers = [classes.setdefault(_pip_class(pip), len(classes)) for kind in self.kinds for _, pip, _ in kind.pips]
        table = np.array([(key[:4], *key[4:]) for key in classes], CLASS)

        def join(name: str, kind: str) -> np.ndarray:
            return np.concatenate([np.array(getattr(each, name), kind) for each in self.kinds])

        return {
            "kind_name": np.array([self.texts(kind.type.kind) for kind in self.kinds], "<u4"),
            "kind_wire": _prefix(len(kind.type.wires) for kind in self.kinds),
            "kind_pip": _prefix(len(kind.pips) for kind in self.kinds),
            "wire_name": np.array([self.texts(wire) for kind in self.kinds for wire in kind.type.wires], "<u4"),
            "pip_source": join("sources", "<u2"), "pip_target": join("targets", "<u2"),
            "pip_class": np.array(numbers, "<u2"),
            "pip_how": np.array([how for kind in self.kinds for _, _, how in kind.pips], "u1"),
            "pip_both": join("both", "u1"), "pip_dedicated": join("dedicated", "u1"), "classes": table}

    def _sites(self) -> dict[str, np.ndarray]:
        types, pins, counts = [], [], []
        directions: dict[str, Mapping[str, str]] = {}
        for kind in self.kinds:
            for site, about in zip(kind.type.sites, kind.type.about["sites"], strict=True):
                if site.kind not in directions:
                    directions[site.kind] = self.device.site_directions(site.kind)
                types.append(self.texts(site.kind))
                records = [self._pin(kind.type, name, says, directions[site.kind])
                           for name, says in sorted(about["site_pins"].items()) if says]
                counts.append(len(records))
                pins += records
        return {"kind_site": _prefix(len(kind.type.sites) for kind in self.kinds),
                "kind_site_type": np.array(types, "<u4"), "kind_site_pin": _prefix(counts), "pins": np.array(pins, PIN)}

    def _pin(self, kind: TileType, name: str, says: Any, directions: Mapping[str, str]) -> tuple[Any, ...]:
        wire, about = (says, {}) if isinstance(says, str) else (says["wire"], says)
        return (self.texts(name), kind.wire_number[wire], directions.get(name) == "OUT", 0, _delay(about.get("delay")),
                float(about.get("res") or 0), float(about.get("cap") or 0))

    def _tiles(self) -> dict[str, np.ndarray]:
        names, tiles, kinds = [], [], []
        first_site = _prefix(len(kind.type.sites) for kind in self.kinds)
        for number, tile in enumerate(self.tiles):
            for site, name in _matched_sites(tile, self.device.types[tile.kind]):
                names.append(self.texts(name))
                tiles.append(number)
                kinds.append(first_site[self.tile_kind[number]] + site)
        return {"tile_name": np.array([self.texts(tile.name) for tile in self.tiles], "<u4"),
                "tile_region": np.array([self.texts(tile.clock_region) for tile in self.tiles], "<u4"),
                "tile_wire": self.first_wire.astype("<u4"), "tile_kind": self.tile_kind.astype("<u2"),
                "tile_x": np.array([tile.x for tile in self.tiles], "<i2"),
                "tile_y": np.array([tile.y for tile in self.tiles], "<i2"),
                "tile_column": self.columns.astype("<i2"), "tile_row": self.rows.astype("<i2"),
                "site_name": np.array(names, "<u4"), "site_tile": np.array(tiles, "<u4"),
                "site_kind": np.array(kinds, "<u4")}

    def _spread(self, wires_of: Callable[[_Kind], list[int]]) -> np.ndarray:
        """Marks some wires of each tile type in all its tiles: (wires,) bool."""
        result = np.zeros(int(self.sizes.sum()), bool)
        for number, kind in enumerate(self.kinds):
            starts = self.first_wire[self.tile_kind == number]
            result[(starts[:, None] + np.array(wires_of(kind), np.int64)[None, :]).ravel()] = True
        return result

    def _nodes(self) -> dict[str, np.ndarray]:
        whole = [np.arange(size) + self.device.first_wire[tile.name]
                 for tile, size in zip(self.tiles, self.sizes, strict=True)]
        old = self.device.node_of[np.concatenate(whole)]
        touched, leaving = self._spread(_Kind.touched_wires), self._spread(_Kind.leaving_wires)
        dedicated = self._spread(_Kind.dedicated_wires)
        tile_of = np.repeat(np.arange(len(self.tiles)), self.sizes)
        known, first = np.unique(old[touched], return_index=True)
        # Neighbours in the fabric shall be neighbours in memory.
        place = tile_of[np.flatnonzero(touched)[first]]
        order = np.lexsort((known, self.rows[place], self.columns[place]))
        number = np.full(self.device.wires, NONE, np.uint32)
        number[known[order]] = np.arange(len(known), dtype=np.uint32)
        wire_node = number[old]
        wires = np.flatnonzero(touched)
        wires = wires[np.argsort(wire_node[wires], kind="stable")]
        counts = np.bincount(wire_node[wires], minlength=len(known))
        at = _prefix(counts)
        resistance, capacitance = _wire_load(self.device)
        flags = np.zeros(len(known), "u1")
        flags[wire_node[dedicated]] = 1
        return {"wire_node": wire_node.astype("<u4"), "node_wire_at": at, "node_wire": wires.astype("<u4"),
                "node_tile": tile_of[wires].astype("<u4"),
                "node_resistance": resistance[known[order]].astype("<f4"),
                "node_capacitance": capacitance[known[order]].astype("<f4"),
                "node_box": self._boxes(tile_of[wires], leaving[wires], at[:-1]), "node_dedicated": flags}

    def _boxes(self, tiles: np.ndarray, leaving: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Where nodes can be left; those that lead nowhere: where they are."""
        some = np.repeat(np.logical_or.reduceat(leaving, starts), np.diff(np.r_[starts, len(tiles)]))
        counted = leaving | ~some
        result = np.zeros(len(starts), BOX)
        for axis, values in (("x", self.columns[tiles]), ("y", self.rows[tiles])):
            result[f"{axis}0"] = np.minimum.reduceat(np.where(counted, values, 32767), starts)
            result[f"{axis}1"] = np.maximum.reduceat(np.where(counted, values, -32768), starts)
        return result


class _Fabric:
    """Columns and rows of INT tiles, and the nearest of them for every other tile."""

    def __init__(self, device: Device) -> None:
        self._column: dict[int, int] = {}
        self._row: dict[int, int] = {}
        for tile in device.tiles.values():
            if found := re.fullmatch(r"INT_[LR]_X(\d+)Y(\d+)", tile.name):
                self._column[tile.x], self._row[tile.y] = int(found[1]), int(found[2])

    def columns(self, tiles: list[Tile]) -> list[int]:
        return _nearest(self._column, [tile.x for tile in tiles])

    def rows(self, tiles: list[Tile]) -> list[int]:
        return _nearest(self._row, [tile.y for tile in tiles])


def _nearest(known: Mapping[int, int], places: list[int]) -> list[int]:
    table = {place: known[min(known, key=lambda other: (abs(other - place), other))] for place in set(places)}
    return [table[place] for place in places]


def _pip_class(pip: Mapping[str, Any]) -> tuple[float, ...]:
    """Delays, resistance, capacitance, and whether it is a wire more than a buffer. The PS7's have no figures."""
    about = pip.get("src_to_dst", {"delay": None, "res": None, "in_cap": None})
    return (*_delay(about["delay"]), float(about["res"] or 0), float(about["in_cap"] or 0),
            int(bool(pip.get("is_pass_transistor", 1))))


def _matched_sites(tile: Tile, kind: TileType) -> list[tuple[int, str]]:
    """The sites of a tile: number in its type, name. Both count from the tile's lowest of the prefix."""
    names: dict[tuple[str, int, int], str] = {}
    places = {name: (*re.fullmatch(r"(.*)_X(\d+)Y(\d+)", name).groups(),) for name in tile.sites}  # type: ignore[union-attr]
    for name, (prefix, x, y) in places.items():
        x0 = min(int(p[1]) for p in places.values() if p[0] == prefix)
        y0 = min(int(p[2]) for p in places.values() if p[0] == prefix)
        names[prefix, int(x) - x0, int(y) - y0] = name
    result = []
    for number, site in enumerate(kind.sites):
        x0 = min(other.x for other in kind.sites if other.prefix == site.prefix)
        y0 = min(other.y for other in kind.sites if other.prefix == site.prefix)
        if name := names.get((site.prefix, site.x - x0, site.y - y0)):
            result.append((number, name))
    return result


def _wire_load(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Resistance (ohm) and capacitance (fF) of each node of the device, by its number there.

    Project X-Ray's delays of the switches to long vertical lines hold most of these lines' own: only two of their wires
    count, as in its timing tools.
    """
    resistance, capacitance = np.zeros(device.wires), np.zeros(device.wires)
    long_line = np.zeros(device.wires, bool)
    for kind in device.types.values():
        starts = np.array([device.first_wire[tile.name] for tile in device.tiles.values() if tile.kind == kind.kind])
        about = [kind.about["wires"][wire] or {} for wire in kind.wires]
        for values, column in ((resistance, "res"), (capacitance, "cap")):
            values[starts[:, None] + np.arange(len(about))] = [float(each.get(column) or 0) for each in about]
        long_line[starts[:, None] + np.arange(len(about))] = [wire.startswith("LV") for wire in kind.wires]
    lines = np.bincount(device.node_of, long_line, device.wires) > 0
    result = []
    for values in (resistance, capacitance):
        total = np.bincount(device.node_of, values, device.wires)
        one = values[long_line].max(initial=0.0)
        result.append(np.where(lines, np.minimum(total, 2 * one), total))
    return result[0], result[1]


def write(sections: Mapping[str, np.ndarray], output: Path) -> None:
    """The file: magic, number of sections, for each its name, place and bytes, then the arrays, 64-byte aligned."""
    entry = struct.Struct("<24sQQ")
    place = len(MAGIC) + 8 + entry.size * len(sections)
    table, parts = [], []
    for name, values in sections.items():
        data = np.ascontiguousarray(values).tobytes()
        gap = -place % 64
        table.append(entry.pack(name.encode(), place + gap, len(data)))
        parts += [b"\0" * gap, data]
        place += gap + len(data)
    content = [MAGIC, struct.pack("<Q", len(sections)), *table, *parts]

    def fill(path: Path) -> None:
        with path.open("wb") as file:
            file.writelines(content)

    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, fill)


def export(output: Path, region: tuple[int, int, int, int] | None = None) -> None:
    """Write the device, or the tiles of ``region`` (first column and row, last column and row)."""

    def inside(_tile: Tile, column: int, row: int) -> bool:
        return region is None or (region[0] <= column <= region[2] and region[1] <= row <= region[3])

    write(Exporter(load_device(), inside).sections(), output)


def _region(text: str) -> tuple[int, int, int, int]:
    try:
        x0, y0, x1, y1 = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no region; that is four numbers, as 26,0,37,52") from None
    return x0, y0, x1, y1


def main() -> int:
    parser = argparse.ArgumentParser(prog="export", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file (build/device.bin)")
    parser.add_argument("--region", type=_region, help="X0,Y0,X1,Y1: only these columns and rows of INT tiles")
    options = parser.parse_args()
    export(options.output, options.region)
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"export: {error}")
