"""Checks whether a video file is complete, by the lengths stored in its parts, without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def is_whole(path: Path) -> bool:
    """Whether an .avi or .mp4 file has its table of frames and no part that is cut off."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and len(head) == 12:
            parts = dict(_chunks(file, 12, size))
            end = 8 + struct.unpack("<I", head[4:8])[0]
            return b"idx1" in parts and end <= size and max(parts.values()) <= size
        parts = dict(_boxes(file, size))
    return b"moov" in parts and b"mdat" in parts and max(parts.values()) <= size


def _chunks(file: BinaryIO, place: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Name and end of each chunk of an .avi file."""
    while place + 8 <= size:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        yield name, place + 8 + length
        place += 8 + length + length % 2


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Name and end of each box of an .mp4 file; a last box without a length extends to the end of the file."""
    place = 0
    while place + 16 <= size:
        file.seek(place)
        length, name, long = struct.unpack(">I4sQ", file.read(16))
        length = long if length == 1 else length or size - place
        if length < 8:
            return
        place += length
        yield name, place
