"""Reads arrays of numbers from MATLAB's level 5 files (The MathWorks, "MAT-File Format"), with checks of all sizes.

A file is a header of 128 bytes and elements: a type and a size, 32 bits each, then the content, padded to 8 bytes.
An array is an element of elements: flags, dimensions, name, values. SciPy's reader is not used because some damaged
files crash it and with it the whole process.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..arrays import Array

_HEADER = 128
_COMPRESSED, _MATRIX = 15, 14
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
# Classes of arrays of plain numbers, and the types in which they are returned.
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_MOST_DIMENSIONS = 8
# SVHN's largest array has 1.6 GB.
_MOST_BYTES = 1 << 32


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, Array]:
    """Those of the arrays called ``names`` that exist and hold real numbers.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not such a file, or is damaged.
    """
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if len(content) < _HEADER or order is None:
        raise ValueError("it is no MATLAB file of level 5")
    arrays = {}
    for kind, element in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, element = next(_elements(_unpacked(element), order), (0, element))
        if kind == _MATRIX:
            name, values = _array(element, order, names)
            if name in names and values is not None:
                arrays[name] = values
    return arrays


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element."""
    place = 0
    while place < len(content):
        if len(content) - place < 8:
            raise ValueError("it ends within an element")
        kind, size = struct.unpack_from(f"{order}2I", content, place)
        if kind >> 16:  # a small element: the size shares a word with the type, and the content is in the size's place
            kind, size, start, step = kind & 0xFFFF, kind >> 16, place + 4, 8
        else:
            start, step = place + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > len(content) or (step == 8 and size > 4 and start == place + 4):
            raise ValueError("an element is longer than what holds it")
        yield kind, content[start:start + size]
        place += step


def _unpacked(element: memoryview) -> memoryview:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(element, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not unpacker.eof:
        raise ValueError("a compressed array is cut or too large")
    return memoryview(content)


def _array(element: memoryview, order: str, names: tuple[str, ...]) -> tuple[str, Array | None]:
    """Name and values of an array; values are None if it is not requested or does not hold real numbers."""
    parts = _elements(element, order)
    try:
        (_, flags), (_, sizes), (_, label) = next(parts), next(parts), next(parts)
        kind = struct.unpack_from(f"{order}I", flags)[0]
    except (StopIteration, struct.error):
        raise ValueError("an array lacks its flags, sizes or name") from None
    name = bytes(label).decode("latin-1")
    if name not in names or kind & 0xFF not in _CLASSES or kind & 0x800:  # the last: complex
        return name, None
    if len(sizes) % 4 or not 2 <= len(sizes) // 4 <= _MOST_DIMENSIONS:
        raise ValueError(f"array {name!r} has {len(sizes) // 4} dimensions")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    stored, values = next(parts, (0, memoryview(b"")))
    count = int(np.prod(shape, dtype=object))
    if stored not in _TYPES or min(shape) < 0 or len(values) != count * np.dtype(_TYPES[stored]).itemsize:
        raise ValueError(f"array {name!r} of {shape} has {len(values)} bytes of values")
    numbers = np.frombuffer(values, np.dtype(order + _TYPES[stored]))
    return name, numbers.astype(_CLASSES[kind & 0xFF], copy=False).reshape(shape, order="F")
