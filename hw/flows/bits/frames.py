"""Configuration frames of the part: their addresses in the order of a bitstream, and the ECC in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

WORDS = 101
# The word of a frame that carries its error-correcting code in the lower 13 bits.
ECC_WORD, ECC_MASK = 50, 0x1FFF
# Frames without a meaning after each row, where the configuration logic moves on to the next.
PADDING_FRAMES = 2
_BLOCKS = ("CLB_IO_CLK", "BLOCK_RAM")


def frame_addresses(part: Mapping[str, Any]) -> list[int]:
    """Addresses of all frames in the order in which a bitstream writes them; -1 for padding.

    ``part`` is Project X-Ray's ``part.json``.
    """
    addresses: list[int] = []
    for block, name in enumerate(_BLOCKS):
        for half, region in enumerate(("top", "bottom")):
            rows = part["global_clock_regions"].get(region, {}).get("rows", {})
            for row in sorted(map(int, rows)):
                columns = rows[str(row)]["configuration_buses"].get(name)
                if columns is None:
                    continue
                base = block << 23 | half << 22 | row << 17
                addresses += _row_addresses(base, columns["configuration_columns"])
                addresses += [-1] * PADDING_FRAMES
    return addresses


def _row_addresses(base: int, columns: Mapping[str, Mapping[str, int]]) -> Iterator[int]:
    for column in sorted(map(int, columns)):
        for minor in range(columns[str(column)]["frame_count"]):
            yield base | column << 7 | minor


def _ecc_codes() -> np.ndarray:
    """The code word (13 bits) that each bit of a frame contributes, (101, 32); 0 for the code's own bits.

    A Hamming code: bits have rising numbers that leave out powers of two, since those are the check bits' own.
    """
    word = np.arange(WORDS)
    number = 32 * word + np.select([word > 0x25, word > 0x06], [0x1360, 0x1340], 0x1320)
    codes = number[:, None] + np.arange(32)
    codes[ECC_WORD, :13] = 0
    return codes


_CODES = _ecc_codes()


def ecc(frames: np.ndarray) -> np.ndarray:
    """The code of each frame: (N, 101) uint32 → (N,) of 13 bits, the highest making the parity even."""
    total = np.zeros(len(frames), np.int64)
    for bit in range(32):
        set_here = (frames >> np.uint32(bit) & 1).astype(bool)
        total ^= np.bitwise_xor.reduce(np.where(set_here, _CODES[:, bit], 0), axis=1)
    parity = total & 0xFFF
    for shift in (8, 4, 2, 1):
        parity ^= parity >> shift
    return (total ^ (parity & 1) << 12).astype(np.uint32)


def with_ecc(frames: np.ndarray) -> np.ndarray:
    """The same frames with their codes computed afresh."""
    result = frames.copy()
    result[:, ECC_WORD] = result[:, ECC_WORD] & ~np.uint32(ECC_MASK) | ecc(frames)
    return result
