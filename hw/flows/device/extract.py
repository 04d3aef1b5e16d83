"""Make ``hw/device`` from its two sources: Project X-Ray's database and nextpnr-xilinx's chip database.

``python -m flows.device.extract --prjxray .../zynq7 --chipdb xc7z020clg400-1.chipdb``. Project X-Ray says what each
tile holds and what its bits do; which wires of neighbouring tiles are one node, it does not say for this chip. The chip
database does, for 1.9 million nodes. A node is kept as a pattern relative to its first tile, and a tile as the set of
patterns that begin there, which makes 0.3 MB of them. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.files import write_atomically

from .chipdb import ChipDatabase
from .database import DATA, FABRIC, NODES, PART, TILES, wire_names

_PRESET = lzma.PRESET_EXTREME | 9


def main() -> int:
    parser = argparse.ArgumentParser(prog="extract", description=__doc__.splitlines()[0])
    parser.add_argument("--prjxray", type=Path, required=True, help="the zynq7 folder of Project X-Ray's database")
    parser.add_argument("--chipdb", type=Path, required=True, help="nextpnr-xilinx's database of xc7z020clg400-1")
    parser.add_argument("--output", type=Path, default=DATA, help="where the data go (hw/device)")
    options = parser.parse_args()
    types = _types(options.prjxray)
    tiles = _archive(options.prjxray, sorted(_files(options.prjxray, types)))
    nodes = _nodes(options.prjxray, ChipDatabase(options.chipdb))
    options.output.mkdir(parents=True, exist_ok=True)
    for name, data in ((TILES, tiles), (NODES, nodes)):
        packed = lzma.compress(data, preset=_PRESET)
        write_atomically(options.output / name, lambda path, packed=packed: path.write_bytes(packed))
        print(f"{options.output / name}: {len(packed):,} bytes")
    return 0


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise PynqBnnError(f"{place} cannot be read ({error.strerror}); --prjxray is the folder zynq7 of Project "
                           f"X-Ray's database, with {FABRIC} and {PART} in it") from None


def _types(prjxray: Path) -> list[str]:
    grid = json.loads(_read(prjxray / FABRIC / "tilegrid.json"))
    return sorted({tile["type"] for tile in grid.values()})


def _files(prjxray: Path, types: list[str]) -> Iterator[str]:
    """What reading bits, tracing nets and timing need: no masks, packages or other fabrics."""
    yield from (f"{FABRIC}/tilegrid.json", f"{PART}/part.json")
    sites = set()
    for kind in types:
        place = f"tile_type_{kind}.json"
        sites |= {site["type"] for site in json.loads(_read(prjxray / place))["sites"]}
        yield place
        for name in (f"segbits_{kind.lower()}.db", f"segbits_{kind.lower()}.block_ram.db", f"ppips_{kind.lower()}.db"):
            if (prjxray / name).is_file():
                yield name
    yield from (f"site_type_{site}.json" for site in sites if (prjxray / f"site_type_{site}.json").is_file())


def _archive(prjxray: Path, names: list[str]) -> bytes:
    """A tar of the files with nothing in it that changes from day to day; JSON without its white space."""
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in names:
            data = _read(prjxray / name)
            if name.endswith(".json"):
                data = json.dumps(json.loads(data), separators=(",", ":"), sort_keys=True).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return result.getvalue()


def _nodes(prjxray: Path, chip: ChipDatabase) -> bytes:
    grid = json.loads(_read(prjxray / FABRIC / "tilegrid.json"))
    types = sorted({tile["type"] for tile in grid.values()})
    names = [wire_names(json.loads(_read(prjxray / f"tile_type_{kind}.json"))) for kind in types]
    first_wire = np.cumsum([0, *map(len, names)])
    wire_of = {(kind, wire): first_wire[number] + place for number, kind in enumerate(types)
               for place, wire in enumerate(names[number])}
    tiles, wires, node_of = chip.node_wires(
        {tile: (about["grid_x"], about["grid_y"], about["type"]) for tile, about in grid.items()}, wire_of)
    return _packed_patterns(tiles, wires, node_of)


def _packed_patterns(tiles: np.ndarray, wires: np.ndarray, node_of: np.ndarray) -> bytes:
    """Nodes as patterns and tiles as sets of patterns.

    ``tiles`` (N, 2) are grid positions, ``wires`` (N,) numbers over all tile types, ``node_of`` (N,) groups them.
    """
    order = np.lexsort((wires, tiles[:, 0], tiles[:, 1], node_of))
    tiles, wires, node_of = tiles[order], wires[order], node_of[order]
    starts = np.flatnonzero(np.r_[True, np.diff(node_of) != 0])
    sizes = np.diff(np.r_[starts, len(node_of)])
    origin = np.repeat(tiles[starts], sizes, axis=0)
    rows = np.column_stack((tiles - origin, wires)).astype(np.int32)
    patterns: dict[bytes, int] = {}
    kind = np.array([patterns.setdefault(rows[start:start + size].tobytes(), len(patterns))
                     for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)])
    members: dict[tuple[int, int], list[int]] = {}
    for (x, y), pattern in zip(tiles[starts].tolist(), kind.tolist(), strict=True):
        members.setdefault((y, x), []).append(pattern)
    signatures: dict[tuple[int, ...], int] = {}
    places = sorted(members)
    signature = [signatures.setdefault(tuple(sorted(members[place])), len(signatures)) for place in places]
    table = np.concatenate([np.frombuffer(key, np.int32).reshape(-1, 3) for key in patterns])
    result = io.BytesIO()
    np.savez(result,
             pattern_size=np.array([len(key) // 12 for key in patterns], np.uint16),
             pattern_x=table[:, 0].astype(np.int16), pattern_y=table[:, 1].astype(np.int16),
             pattern_wire=table[:, 2].astype(np.uint32),
             signature_size=np.array([len(key) for key in signatures], np.uint16),
             signature_step=np.concatenate([np.diff(key, prepend=0) for key in signatures]).astype(np.int32),
             tile_y=np.array([y for y, _ in places], np.uint8), tile_x=np.array([x for _, x in places], np.uint8),
             tile_signature=np.array(signature, np.uint16))
    return result.getvalue()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"extract: {error}")
