"""nextpnr-xilinx's chip database: the nodes in it.

The file is an array of 32-bit words, little-endian; a pointer counts words from its own place. That project's
``xilinx/arch.h`` describes its records.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pynq_bnn.errors import PynqBnnError

# Words of a record, and the places of what is read of it.
_TYPE_WORDS, _TYPE_WIRES, _TYPE_WIRE_DATA = 8, 3, 4
_WIRE_WORDS = 10
_TILE_WORDS, _TILE_NAME, _TILE_TYPE = 6, 0, 1
_NODE_WORDS, _NODE_SIZE, _NODE_WIRES = 3, 0, 2


class ChipDatabase:
    """The file ``place``.

    Raises
    ------
    PynqBnnError
        It cannot be read or is another kind of file.
    """

    def __init__(self, place: Path) -> None:
        try:
            self._bytes = place.read_bytes()
        except OSError as error:
            raise PynqBnnError(f"{place} cannot be read ({error.strerror}); --chipdb is the chip database of "
                               f"nextpnr-xilinx, as its bbasm writes it") from None
        self._words = np.frombuffer(self._bytes, "<i4", len(self._bytes) // 4)
        try:
            self._read_root()
        except (IndexError, ValueError):
            raise PynqBnnError(f"{place} is no chip database of nextpnr-xilinx") from None

    def _read_root(self) -> None:
        root = self._pointer(0)
        self.name = self._text(root)
        if not self.name.startswith("xc7"):
            raise ValueError(self.name)
        _, _, _, self._tiles, self._types, self._nodes = map(int, self._words[root + 2:root + 8])
        self._type_data, self._tile_data, self._node_data, ids = (self._pointer(root + 8 + n) for n in range(4))
        known, extra = map(int, self._words[ids:ids + 2])
        texts = self._pointer(ids + 2)
        self._names = {known + n: self._text(texts + n) for n in range(extra)}

    def _pointer(self, word: int) -> int:
        return word + int(self._words[word])

    def _text(self, word: int) -> str:
        start = 4 * self._pointer(word)
        return self._bytes[start:self._bytes.index(b"\0", start)].decode()

    def _wires_of_type(self, number: int) -> list[str | None]:
        """Names of a tile type's wires; None for those that only this database has."""
        record = self._type_data + _TYPE_WORDS * number
        count, data = int(self._words[record + _TYPE_WIRES]), self._pointer(record + _TYPE_WIRE_DATA)
        return [self._names.get(name) for name in self._words[data:data + _WIRE_WORDS * count:_WIRE_WORDS].tolist()]

    def node_wires(self, grid: Mapping[str, tuple[int, int, str]], wire_of: Mapping[tuple[str, str], int]
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All wires of all nodes: grid positions (N, 2), numbers by ``wire_of``, numbers of the nodes.

        ``grid`` gives x, y and type of each tile. Wires that are not in ``wire_of`` are left out (constants, and the
        insides of sites), and so are nodes of one wire alone.
        """
        records = self._words[self._tile_data:self._tile_data + _TILE_WORDS * self._tiles].reshape(-1, _TILE_WORDS)
        position = np.full((self._tiles, 2), -1, np.int32)
        kind_of: dict[int, str] = {}
        for number in range(self._tiles):
            x, y, kind = grid[self._text(self._tile_data + _TILE_WORDS * number + _TILE_NAME)]
            position[number] = x, y
            kind_of[int(records[number, _TILE_TYPE])] = kind
        widest = max(int(self._words[self._type_data + _TYPE_WORDS * n + _TYPE_WIRES]) for n in range(self._types))
        number_of = np.full((self._types, widest), -1, np.int32)
        for number, kind in kind_of.items():
            numbers = [wire_of.get((kind, name or ""), -1) for name in self._wires_of_type(number)]
            number_of[number, :len(numbers)] = numbers
        refs, node_of = self._references()
        wires = number_of[records[refs[:, 0], _TILE_TYPE], refs[:, 1]]
        known = wires >= 0
        shared = known & (np.bincount(node_of[known], minlength=self._nodes)[node_of] > 1)
        return position[refs[shared, 0]], wires[shared], node_of[shared]

    def _references(self) -> tuple[np.ndarray, np.ndarray]:
        """(tile, wire of its type) of all nodes, one after the other, and the node of each."""
        end = self._node_data + _NODE_WORDS * self._nodes
        nodes = self._words[self._node_data:end].reshape(-1, _NODE_WORDS)
        sizes = nodes[:, _NODE_SIZE].astype(np.int64)
        starts = self._node_data + _NODE_WORDS * np.arange(self._nodes) + _NODE_WIRES + nodes[:, _NODE_WIRES]
        first = np.cumsum(sizes) - sizes
        within = np.arange(int(sizes.sum())) - np.repeat(first, sizes)
        places = np.repeat(starts, sizes) + 2 * within
        return (np.column_stack((self._words[places], self._words[places + 1])),
                np.repeat(np.arange(self._nodes), sizes))
