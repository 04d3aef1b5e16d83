"""The device's data, as ``hw/device`` holds them (see the README there), ready to be asked."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pynq_bnn.errors import PynqBnnError

DATA = Path(__file__).resolve().parents[2] / "device"
TILES, NODES = "tiles.tar.xz", "nodes.npz.xz"
FABRIC, PART = "xc7z020", "xc7z020clg400-1"


def wire_names(tile_type: Mapping[str, Any]) -> list[str]:
    """The wires of a tile type in the order in which ``hw/device`` numbers them."""
    return sorted(tile_type["wires"])


@dataclass(frozen=True)
class Site:
    """A site of a tile type: its type, its pins' wires, its place among the tile's sites of that prefix."""

    prefix: str
    kind: str
    x: int
    y: int
    pins: Mapping[str, str]


@dataclass(frozen=True)
class BitBlock:
    """Configuration bits of one tile: frames from ``base`` on, words ``offset`` to ``offset + words``."""

    base: int
    frames: int
    offset: int
    words: int
    alias: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Tile:
    name: str
    kind: str
    x: int
    y: int
    clock_region: str
    sites: Mapping[str, str]
    bits: Mapping[str, BitBlock]


class TileType:
    """What all tiles of one type have: wires, switches, sites and the meaning of their bits."""

    def __init__(self, kind: str, database: Mapping[str, bytes]) -> None:
        about = json.loads(database[f"tile_type_{kind}.json"])
        self.kind = kind
        self.about: Mapping[str, Any] = about
        self.wires: list[str] = wire_names(about)
        self.wire_number = {name: number for number, name in enumerate(self.wires)}
        self._database = database

    @cached_property
    def sites(self) -> list[Site]:
        return [Site(site["prefix"], site["type"], site["x_coord"], site["y_coord"],
                     {pin: wire if isinstance(wire, str) else wire["wire"]
                      for pin, wire in site["site_pins"].items() if wire})
                for site in self.about["sites"]]

    @cached_property
    def pips(self) -> Mapping[str, Mapping[str, Any]]:
        """Switches by the name that their bits have: destination, then source; those of two ways under both names."""
        result = {}
        for pip in self.about["pips"].values():
            result[f"{pip['dst_wire']}.{pip['src_wire']}"] = pip
            if pip["is_directional"] == "0":
                result[f"{pip['src_wire']}.{pip['dst_wire']}"] = {
                    **pip, "src_wire": pip["dst_wire"], "dst_wire": pip["src_wire"],
                    "src_to_dst": pip.get("dst_to_src"), "dst_to_src": pip.get("src_to_dst")}
        return result

    @cached_property
    def fixed_pips(self) -> Mapping[str, str]:
        """Connections without bits of their own: ``always``, ``default`` (where nothing else drives) or ``hint``."""
        lines = self._database.get(f"ppips_{self.kind.lower()}.db", b"").decode().splitlines()
        return {name.partition(".")[2]: how for name, how in map(str.split, lines)}

    def segment_bits(self, block: str) -> Mapping[str, tuple[tuple[bool, int, int], ...]]:
        """For each feature its bits: set or clear, frame, and bit within the tile's words of a frame."""
        suffix = ".block_ram" if block == "BLOCK_RAM" else ""
        lines = self._database.get(f"segbits_{self.kind.lower()}{suffix}.db", b"").decode().splitlines()
        return {name.partition(".")[2]: tuple(map(_bit, bits)) for name, *bits in map(str.split, lines) if bits}


def _bit(text: str) -> tuple[bool, int, int]:
    frame, _, bit = text.lstrip("!").partition("_")
    return text[0] != "!", int(frame), int(bit)


class Device:
    """The whole: ``tiles`` by name, ``types`` by name; wires and nodes by number.

    A wire's number is its tile's ``first_wire`` plus its place in ``TileType.wires``; ``node_of`` (wires,) int32 gives
    the node of each wire. A node is named by the lowest of its wires.
    """

    def __init__(self, tiles: bytes, nodes: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(tiles)) as archive:
            self._database = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
        grid = json.loads(self._database[f"{FABRIC}/tilegrid.json"])
        self.part: Mapping[str, Any] = json.loads(self._database[f"{PART}/part.json"])
        self.tiles = {name: _tile(name, about) for name, about in grid.items()}
        self.types = {kind: TileType(kind, self._database) for kind in sorted({t.kind for t in self.tiles.values()})}
        sizes = [len(self.types[tile.kind].wires) for tile in self.tiles.values()]
        starts = np.cumsum([0, *sizes])
        self.first_wire = dict(zip(self.tiles, starts[:-1].tolist(), strict=True))
        self.wires = int(starts[-1])
        self._starts, self._names = starts, list(self.tiles)
        self.node_of = self._join(np.load(io.BytesIO(nodes)))

    def _join(self, packed: Mapping[str, np.ndarray]) -> np.ndarray:
        """The node of each wire, from patterns and the tiles where they begin."""
        # A wire's place within its tile type, by its number over all types.
        local = np.concatenate([np.arange(len(kind.wires)) for kind in self.types.values()])
        size = packed["pattern_size"].astype(np.int64)
        first = np.cumsum(size) - size
        counts = packed["signature_size"].astype(np.int64)
        ends = np.cumsum(counts)
        total = np.cumsum(packed["signature_step"])
        # A signature's patterns are stored as steps from 0.
        before = np.r_[0, total[ends[:-1] - 1]]
        patterns = total - np.repeat(before, counts)
        tiles = packed["tile_signature"]
        lists = [patterns[end - count:end] for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]
        pattern = np.concatenate([lists[number] for number in tiles.tolist()])
        repeats = counts[tiles]
        x0, y0 = (np.repeat(packed[f"tile_{axis}"].astype(np.int64), repeats) for axis in "xy")
        row = np.repeat(first[pattern], size[pattern])
        row += np.arange(len(row)) - np.repeat(np.cumsum(size[pattern]) - size[pattern], size[pattern])
        start_at = self._start_grid()
        x = np.repeat(x0, size[pattern]) + packed["pattern_x"][row]
        y = np.repeat(y0, size[pattern]) + packed["pattern_y"][row]
        wire = start_at[y, x] + local[packed["pattern_wire"][row]]
        node_of = np.arange(self.wires, dtype=np.int32)
        lowest = np.minimum.reduceat(wire, np.cumsum(size[pattern]) - size[pattern])
        node_of[wire] = np.repeat(lowest, size[pattern])
        return node_of

    def _start_grid(self) -> np.ndarray:
        width, height = (1 + max(getattr(tile, axis) for tile in self.tiles.values()) for axis in "xy")
        grid = np.full((height, width), -1, np.int64)
        for tile in self.tiles.values():
            grid[tile.y, tile.x] = self.first_wire[tile.name]
        return grid

    def node(self, tile: str, wire: str) -> int:
        """The node of a wire."""
        return int(self.node_of[self.first_wire[tile] + self.types[self.tiles[tile].kind].wire_number[wire]])

    def wire_name(self, wire: int) -> str:
        """A wire or node as TILE/WIRE."""
        number = int(np.searchsorted(self._starts, wire, "right")) - 1
        tile = self._names[number]
        return f"{tile}/{self.types[self.tiles[tile].kind].wires[wire - int(self._starts[number])]}"

    def site_directions(self, kind: str) -> Mapping[str, str]:
        """IN, OUT or INOUT of each pin of a site type."""
        about = json.loads(self._database[f"site_type_{kind}.json"])
        return {pin: says["direction"] for pin, says in about["site_pins"].items()}


def _tile(name: str, about: Mapping[str, Any]) -> Tile:
    bits = {block: BitBlock(int(says["baseaddr"], 16), says["frames"], says["offset"], says["words"],
                            says.get("alias")) for block, says in about["bits"].items()}
    return Tile(name, about["type"], about["grid_x"], about["grid_y"], about.get("clock_region") or "",
                about["sites"], bits)


@cache
def load_device(folder: Path = DATA) -> Device:
    """The device of ``hw/device``.

    Raises
    ------
    PynqBnnError
        A file is missing or damaged.
    """
    contents: list[bytes] = []
    for name in (TILES, NODES):
        try:
            contents.append(lzma.decompress((folder / name).read_bytes()))
        except OSError as error:
            raise PynqBnnError(f"{folder / name} cannot be read ({error.strerror}); it comes with the repository: "
                               f"git checkout {name}, or make it with python -m flows.device.extract") from None
        except lzma.LZMAError:
            raise PynqBnnError(f"{folder / name} is damaged; git checkout restores it") from None
    return Device(*contents)
