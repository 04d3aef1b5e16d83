"""The container of a bitstream: header, packets, checksums, frames (AMD UG470, chapter 5).

Reading accepts a whole, plain configuration of the part and nothing else: every checksum and every frame's
error-correcting code must be right. Writing makes the packets that Vivado makes, checksums included, so that a damaged
download is noticed by the device.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pynq_bnn.board.facts import PYNQ_Z
from pynq_bnn.errors import PynqBnnError

from .crc import crc_of
from .frames import WORDS, ecc, frame_addresses, with_ecc

IDCODE = 0x0372_7093
_REVISION = 0xF000_0000  # of the silicon; any fits
PART = PYNQ_Z.chip + PYNQ_Z.package
DESIGN = "bnn_board;UserID=0XFFFFFFFF"
# Vivado writes when it ran; a build that can be repeated says nothing of that.
_DATE, _TIME = "2000/01/01", "00:00:00"
_MAGIC = struct.pack(">H", 9) + bytes.fromhex("0ff00ff00ff00ff000") + struct.pack(">H", 1)
_SYNC = 0xAA99_5566
_LEAD = [0xFFFF_FFFF] * 8 + [0x0000_00BB, 0x1122_0044] + [0xFFFF_FFFF] * 2

CRC, FAR, FDRI, CMD, CTL0, MASK, COR0, MFWR, CBC, ID, COR1, WBSTAR, TIMER, DWC, CTL1 = (
    0, 1, 2, 4, 5, 6, 9, 10, 11, 12, 14, 16, 17, 19, 24)
_WRITE, _WRITE_LONG, _NOOP = 0x3000_0000, 0x5000_0000, 0x2000_0000
_NULL, _WCFG, _LFRM, _START, _RCRC, _SWITCH, _GRESTORE, _DESYNC = 0, 1, 3, 5, 7, 9, 10, 13
_DECRYPT = 1 << 6  # in CTL0
_COR0, _FAR_AT_END = 0x0200_3FE5, 0x03BE_0000


@dataclass(frozen=True)
class Bitstream:
    """A configuration: (frames, 101) uint32 in the order of :func:`~flows.bits.frames.frame_addresses`.

    ``checked`` says whether the file carries checksums over what it writes; ``registers`` are the other registers' last
    values, by number.
    """

    frames: np.ndarray
    design: str
    part: str
    checked: bool
    registers: Mapping[int, int]


def read_bit(place: Path, part: Mapping[str, Any]) -> Bitstream:
    """The bitstream in the file ``place``; ``part`` is Project X-Ray's ``part.json``.

    Raises
    ------
    PynqBnnError
        It is missing, cut off, damaged, encrypted, compressed, partial, or for another device.
    """
    try:
        data = place.read_bytes()
    except OSError as error:
        raise PynqBnnError(f"{place} cannot be read: {error.strerror}") from None
    try:
        return parse_bit(data, part)
    except PynqBnnError as error:
        raise PynqBnnError(f"{place}: {error}") from None


def parse_bit(data: bytes, part: Mapping[str, Any]) -> Bitstream:
    """As :func:`read_bit`, from the file's content."""
    header, body = _parse_header(data)
    reader = _Reader(len(frame_addresses(part)))
    for register, words in _writes(body):
        reader.write(register, words)
    return reader.result(header)


def _parse_header(data: bytes) -> tuple[dict[str, str], np.ndarray]:
    if data[:len(_MAGIC)] != _MAGIC:
        raise PynqBnnError("this is no .bit file: its first bytes are not those of one (a .bin has no header; "
                           "take the .bit beside it)")
    place, header = len(_MAGIC), {}
    while data[place:place + 1] != b"e":
        key, size = data[place:place + 1], int.from_bytes(data[place + 1:place + 3], "big")
        if key not in b"abcd" or not key or place + 3 + size > len(data):
            raise PynqBnnError("the header of this .bit file is damaged or cut off")
        header[key.decode()] = data[place + 3:place + 3 + size].rstrip(b"\0").decode(errors="replace")
        place += 3 + size
    size = int.from_bytes(data[place + 1:place + 5], "big")
    body = data[place + 5:]
    if len(body) != size or size % 4:
        raise PynqBnnError(f"this .bit file holds {len(body):,} bytes of configuration where its header says "
                           f"{size:,}: it is cut off or something was appended; copy it again")
    words = np.frombuffer(body, ">u4").astype(np.uint32)
    start = np.flatnonzero(words == _SYNC)
    if not len(start):
        raise PynqBnnError("this .bit file holds no synchronization word, so no configuration")
    return header, words[start[0] + 1:]


def _writes(words: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """What is written to which register, packet by packet."""
    place, register = 0, 0
    while place < len(words):
        packet = int(words[place])
        kind, operation = packet >> 29, packet >> 27 & 3
        if kind == 1:
            register, size = packet >> 13 & 31, packet & 0x7FF
        elif kind == 2:
            size = packet & 0x7FF_FFFF
        else:
            raise PynqBnnError(f"the configuration is damaged: word {place:,} ({packet:#010x}) is no packet")
        if operation not in (0, 2):
            raise PynqBnnError(f"the configuration is damaged: word {place:,} ({packet:#010x}) reads a register")
        if place + 1 + size > len(words):
            raise PynqBnnError("the configuration is cut off within a packet")
        if operation == 2 and size:
            yield register, words[place + 1:place + 1 + size]
        place += 1 + size


class _Reader:
    """Takes writes to registers as the device does."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._data: np.ndarray | None = None
        self._crc = 0
        self._registers: dict[int, int] = {}
        self._checked = False

    def write(self, register: int, words: np.ndarray) -> None:
        if register == CRC:
            if int(words[0]) != self._crc:
                raise PynqBnnError(f"the configuration's checksum is {self._crc:#010x} where the file says "
                                   f"{int(words[0]):#010x}: the file is damaged; copy it again")
            self._checked |= self._data is not None
            self._crc = 0
            return
        self._crc = crc_of(register, words, self._crc)
        if register == FDRI:
            self._take_frames(words)
            return
        value = int(words[0])
        self._registers[register] = value
        if register == CMD and value == _RCRC:
            self._crc = 0
        elif register == CTL0 and value & self._registers.get(MASK, 0) & _DECRYPT or register == CBC:
            raise PynqBnnError("this bitstream is encrypted; its circuit cannot be read")
        elif register == MFWR:
            raise PynqBnnError("this bitstream is compressed (frames written many times); write it without "
                               "BITSTREAM.GENERAL.COMPRESS")
        elif register == ID and (value ^ IDCODE) & ~_REVISION:
            raise PynqBnnError(f"this bitstream is for another device (IDCODE {value:#010x}; xc7z020 has "
                               f"{IDCODE:#010x})")

    def _take_frames(self, words: np.ndarray) -> None:
        if self._data is not None or self._registers.get(FAR) != 0 or len(words) != self._frames * WORDS:
            raise PynqBnnError(f"this bitstream does not write all {self._frames:,} frames of the device at once: it "
                               f"is a partial one, or of another device")
        self._data = words.reshape(-1, WORDS)

    def result(self, header: Mapping[str, str]) -> Bitstream:
        if self._data is None or ID not in self._registers:
            raise PynqBnnError("this .bit file configures nothing: it holds no frames or names no device")
        wrong = np.flatnonzero(ecc(self._data) != (self._data[:, 50] & 0x1FFF))
        if len(wrong):
            raise PynqBnnError(f"{len(wrong):,} frames, the first being number {wrong[0]:,}, do not fit their "
                               f"error-correcting code: the file is damaged, or a tool changed bits without it")
        return Bitstream(self._data, header.get("a", ""), header.get("b", ""), self._checked, self._registers)


def make_bit(frames: np.ndarray, design: str = DESIGN) -> bytes:
    """A .bit file that writes ``frames``, (N, 101) uint32; their ECC is computed here.

    The same frames give the same bytes.
    """
    body = _packets(with_ecc(frames))
    data = np.array(_LEAD + body, np.uint32).astype(">u4").tobytes()
    fields = b"".join(key + struct.pack(">H", len(text) + 1) + text.encode() + b"\0"
                      for key, text in ((b"a", design), (b"b", PART), (b"c", _DATE), (b"d", _TIME)))
    return _MAGIC + fields + b"e" + struct.pack(">I", len(data)) + data


def _packets(frames: np.ndarray) -> list[int]:
    words: list[int] = [_SYNC, _NOOP]
    crc = 0

    def write(register: int, value: int, idle: int = 0) -> None:
        nonlocal crc
        words.extend([_WRITE | register << 13 | 1, value, *[_NOOP] * idle])
        crc = 0 if register == CRC or (register, value) == (CMD, _RCRC) else \
            crc_of(register, np.array([value], np.uint32), crc)

    write(TIMER, 0)
    write(WBSTAR, 0)
    write(CMD, _NULL, 1)
    write(CMD, _RCRC, 2)
    for register, value in ((DWC, 0), (COR0, _COR0), (COR1, 0), (ID, IDCODE)):
        write(register, value)
    write(CMD, _SWITCH, 1)
    for register, value in ((MASK, 0x401), (CTL0, 0x501), (MASK, 0)):
        write(register, value)
    write(CTL1, 0, 8)
    write(FAR, 0)
    write(CMD, _WCFG, 1)
    data = frames.reshape(-1)
    words += [_WRITE | FDRI << 13, _WRITE_LONG & 0xF800_0000 | len(data), *data.tolist()]
    crc = crc_of(FDRI, data, crc)
    write(CRC, crc, 2)
    write(CMD, _GRESTORE, 1)
    write(CMD, _LFRM, 100)
    write(CMD, _START, 1)
    write(FAR, _FAR_AT_END)
    write(MASK, 0x501)
    write(CTL0, 0x501)
    write(CRC, crc, 2)
    write(CMD, _DESYNC, 400)
    return words
