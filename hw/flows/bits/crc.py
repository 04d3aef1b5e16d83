"""The checksum of a configuration: CRC-32C over the register's number and each word written to it."""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, lowest bit first
_ADDRESS_BITS, _WORD_BITS = 5, 32
_CHUNKS = 1024


def crc_of(register: int, words: np.ndarray, start: int = 0) -> int:
    """Continue ``start`` with ``words`` (uint32) written to ``register``.

    A CRC is linear, so long writes are cut into chunks that advance side by side and are joined afterwards.
    """
    if len(words) < 2 * _CHUNKS:
        return int(_advance(np.array([start], np.uint64), register, words[:, None])[0])
    length, rest = divmod(len(words), _CHUNKS)
    body = words[:length * _CHUNKS].reshape(_CHUNKS, length)
    parts = _advance(np.zeros(_CHUNKS, np.uint64), register, body.T)
    # What a state becomes after a chunk of zeros written to register 0, by its bits.
    through = _advance(np.uint64(1) << np.arange(32, dtype=np.uint64), 0, np.zeros((length, 1), np.uint32))
    state = start
    for part in parts.tolist():
        state = _apply(through, state) ^ part
    return crc_of(register, words[length * _CHUNKS:], state) if rest else state


def _apply(columns: np.ndarray, state: int) -> int:
    result = 0
    for bit, column in enumerate(columns.tolist()):
        if state >> bit & 1:
            result ^= column
    return result


def _advance(state: np.ndarray, register: int, words: np.ndarray) -> np.ndarray:
    """Each state (N,) through its words (steps, N or 1)."""
    for row in words:
        value = row.astype(np.uint64) | np.uint64(register << _WORD_BITS)
        state = state ^ value
        # All 37 bits at once: bytes by table, then the five bits of the register's number.
        for _ in range(4):
            state = state >> np.uint64(8) ^ _BYTE[(state & np.uint64(0xFF)).astype(np.intp)]
        state = state >> np.uint64(_ADDRESS_BITS) ^ _FIVE[(state & np.uint64(31)).astype(np.intp)]
    return state


def _table(bits: int) -> np.ndarray:
    values = np.arange(1 << bits, dtype=np.uint64)
    for _ in range(bits):
        values = values >> np.uint64(1) ^ np.where(values & np.uint64(1), np.uint64(_POLYNOMIAL), np.uint64(0))
    return values


_BYTE, _FIVE = _table(8), _table(_ADDRESS_BITS)
