"""What the bits of a configuration say, tile by tile, in the names of Project X-Ray's database, and back.

A feature is a set of bits of a tile that must be set or clear. Features that share bits form a *field*, a multiplexer
most of the time; the value of a field's bits decides which of its features hold.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from flows.device import Device
from flows.device.database import BitBlock, Tile, TileType
from pynq_bnn.errors import PynqBnnError

from .frames import ECC_MASK, ECC_WORD, WORDS, frame_addresses

_INDEXED = re.compile(r"(.+)\[(\d+)\]")
# Bits of one field that fit a 64-bit number.
_FIELD_BITS = 62


@dataclass
class TileFeatures:
    """Features of one tile that hold, without its type before them; ``values`` are those with an index, as numbers."""

    names: list[str] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class UnknownBit:
    """A set bit that no feature explains."""

    frame: int
    word: int
    bit: int

    def __str__(self) -> str:
        return f"frame {self.frame:#010x}, word {self.word}, bit {self.bit}"


@dataclass(frozen=True)
class _Field:
    columns: tuple[int, ...]
    features: tuple[tuple[str, int, int], ...]  # name, bits that must be set, bits that are looked at

    def holding(self, code: int) -> list[tuple[str, int]]:
        """Features that a value of the bits makes hold, with the bits that they explain."""
        return [(name, ones) for name, ones, looked_at in self.features if ones and code & looked_at == ones]


class BlockLayout:
    """The bits of one block of a tile type, in columns, and the fields and vectors over them."""

    def __init__(self, kind: TileType, block: str) -> None:
        self.bits = kind.segment_bits(block)
        self.places = sorted({(frame, bit) for says in self.bits.values() for _, frame, bit in says})
        self._column = {place: number for number, place in enumerate(self.places)}

    @cached_property
    def vectors(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Of each indexed feature the (index, column) pairs; each index has one bit."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for name, says in self.bits.items():
            match = _INDEXED.fullmatch(name)
            if match and len(says) == 1 and says[0][0]:
                found[match[1]].append((int(match[2]), self._column[says[0][1:]]))
        return {name: tuple(sorted(pairs)) for name, pairs in found.items()}

    @cached_property
    def fields(self) -> list[_Field]:
        """All other features, those that share bits together."""
        root = list(range(len(self.places)))

        def find(column: int) -> int:
            while root[column] != column:
                root[column] = root[root[column]]
                column = root[column]
            return column

        others = {name: says for name, says in self.bits.items()
                  if not ((match := _INDEXED.fullmatch(name)) and match[1] in self.vectors)}
        for says in others.values():
            first = find(self._column[says[0][1:]])
            for _, *place in says[1:]:
                root[find(self._column[tuple(place)])] = first  # type: ignore[index]
        groups: dict[int, list[str]] = defaultdict(list)
        for name, says in others.items():
            groups[find(self._column[says[0][1:]])].append(name)
        return [self._field(names) for names in groups.values()]

    def _field(self, names: list[str]) -> _Field:
        columns = sorted({self._column[place] for name in names for _, *rest in self.bits[name]
                          for place in [tuple(rest)]})  # type: ignore[index]
        if len(columns) > _FIELD_BITS:
            raise PynqBnnError(f"the database joins {len(columns)} bits into one field ({names[0]} and others)")
        place = {column: number for number, column in enumerate(columns)}
        features = []
        for name in names:
            ones = sum(1 << place[self._column[(frame, bit)]] for is_set, frame, bit in self.bits[name] if is_set)
            looked_at = sum({1 << place[self._column[(frame, bit)]] for _, frame, bit in self.bits[name]})
            features.append((name, ones, looked_at))
        return _Field(tuple(columns), tuple(features))


class Layouts:
    """Where the bits of every tile of a device stand in its frames."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.addresses = frame_addresses(device.part)
        self._row = {address: row for row, address in enumerate(self.addresses) if address >= 0}
        self._blocks: dict[tuple[str, str], BlockLayout] = {}

    def block(self, kind: str, block: str) -> BlockLayout:
        key = kind, block
        if key not in self._blocks:
            self._blocks[key] = BlockLayout(self.device.types[kind], block)
        return self._blocks[key]

    def groups(self) -> Iterator[tuple[BlockLayout, list[tuple[Tile, BitBlock]]]]:
        """Tiles of the same type with the bits of one of their blocks."""
        found: dict[tuple[str, str], list[tuple[Tile, BitBlock]]] = defaultdict(list)
        for tile in self.device.tiles.values():
            for block, where in tile.bits.items():
                found[tile.kind, block].append((tile, where))
        for key, tiles in found.items():
            yield self.block(*key), tiles

    def row(self, where: BitBlock) -> int:
        """The first frame of a block, by its place in the bitstream."""
        return self._row[where.base]


def read_features(frames: np.ndarray, layouts: Layouts) -> tuple[dict[str, TileFeatures], list[UnknownBit]]:
    """All features that ``frames`` (N, 101) uint32 make hold, by tile, and the set bits that none of them explains."""
    result: dict[str, TileFeatures] = defaultdict(TileFeatures)
    explained = np.zeros_like(frames)
    explained[:, ECC_WORD] |= np.uint32(ECC_MASK)
    for layout, tiles in layouts.groups():
        if not layout.places:
            continue
        rows = np.array([layouts.row(where) for _, where in tiles])
        words = np.array([where.offset for _, where in tiles])
        bits = np.stack([frames[rows + frame, words + bit // 32] >> np.uint32(bit % 32) & 1
                         for frame, bit in layout.places], axis=1).astype(bool)
        known = np.zeros_like(bits)
        busy = np.flatnonzero(bits.any(axis=1))
        names = [tiles[number][0].name for number in busy]
        _read_vectors(layout, bits[busy], names, result)
        for pairs in layout.vectors.values():
            columns = [column for _, column in pairs]
            known[:, columns] = bits[:, columns]
        _read_fields(layout, bits, busy, names, known, result)
        for column, (frame, bit) in enumerate(layout.places):
            explained[rows + frame, words + bit // 32] |= known[:, column].astype(np.uint32) << np.uint32(bit % 32)
    return dict(result), _unknown(frames & ~explained, layouts.addresses)


def _read_vectors(layout: BlockLayout, bits: np.ndarray, names: list[str], result: dict[str, TileFeatures]) -> None:
    for vector, pairs in layout.vectors.items():
        columns = bits[:, [column for _, column in pairs]]
        width = 1 + pairs[-1][0]
        spread = np.zeros((len(bits), width), np.uint8)
        spread[:, [index for index, _ in pairs]] = columns
        for number in np.flatnonzero(columns.any(axis=1)).tolist():
            packed = np.packbits(spread[number], bitorder="little").tobytes()
            result[names[number]].values[vector] = int.from_bytes(packed, "little")


def _read_fields(layout: BlockLayout, bits: np.ndarray, busy: np.ndarray, names: list[str], known: np.ndarray,
                 result: dict[str, TileFeatures]) -> None:
    for part in layout.fields:
        columns = list(part.columns)
        codes = bits[np.ix_(busy, columns)].astype(np.int64) @ (1 << np.arange(len(columns), dtype=np.int64))
        for code in np.unique(codes[codes != 0]).tolist():
            holding = part.holding(code)
            members = np.flatnonzero(codes == code)
            for number in members.tolist():
                result[names[number]].names += [name for name, _ in holding]
            ones = [column for place, column in enumerate(columns)
                    if any(mask >> place & 1 for _, mask in holding)]
            known[np.ix_(busy[members], ones)] = True


def _unknown(left: np.ndarray, addresses: list[int]) -> list[UnknownBit]:
    return [UnknownBit(addresses[row], int(word), bit) for row, word in np.argwhere(left)
            for bit in range(32) if int(left[row, word]) >> bit & 1]


def write_features(features: Mapping[str, TileFeatures], layouts: Layouts) -> np.ndarray:
    """Frames (N, 101) uint32 in which exactly ``features`` hold; ECC is left 0.

    Raises
    ------
    PynqBnnError
        A tile or feature does not exist, or two features contradict each other.
    """
    frames = np.zeros((len(layouts.addresses), WORDS), np.uint32)
    clear = np.zeros_like(frames)
    for name, says in features.items():
        tile = layouts.device.tiles.get(name)
        if tile is None:
            raise PynqBnnError(f"the device has no tile {name}")
        for where, bits in _bits_of(tile, says, layouts):
            row = layouts.row(where)
            for is_set, frame, bit in bits:
                (frames if is_set else clear)[row + frame, where.offset + bit // 32] |= np.uint32(1 << bit % 32)
    clash = _unknown(frames & clear, layouts.addresses)
    if clash:
        raise PynqBnnError(f"two features contradict each other in {clash[0]} (and {len(clash) - 1} more bits)")
    return frames


def _bits_of(tile: Tile, says: TileFeatures, layouts: Layouts
             ) -> Iterator[tuple[BitBlock, Iterable[tuple[bool, int, int]]]]:
    """The bits of each feature of a tile, with the block that they are in."""
    blocks = [(where, layouts.block(tile.kind, block)) for block, where in tile.bits.items()]
    for name in says.names:
        found = next(((where, layout.bits[name]) for where, layout in blocks if name in layout.bits), None)
        if found is not None:
            yield found
        elif name not in layouts.device.types[tile.kind].fixed_pips:
            raise PynqBnnError(f"the tile {tile.name} ({tile.kind}) has no feature {name}")
    for name, value in says.values.items():
        found_vector = next(((where, layout) for where, layout in blocks if name in layout.vectors), None)
        columns = dict(found_vector[1].vectors[name]) if found_vector else {}
        wrong = [index for index in range(value.bit_length()) if value >> index & 1 and index not in columns]
        if found_vector is None or wrong:
            raise PynqBnnError(f"the tile {tile.name} ({tile.kind}) has no feature {name}[{max(wrong, default=0)}]")
        where, layout = found_vector
        yield where, [(True, *layout.places[column]) for index, column in columns.items() if value >> index & 1]
