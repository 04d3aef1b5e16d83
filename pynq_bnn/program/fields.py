"""Register map, stream records and codes: the tables that Python and SystemVerilog share.

``python -m pynq_bnn.program`` writes ``hw/rtl/bnn_pkg.sv`` and the tables of ``hw/README.md`` from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

# Of registers and stream together; the driver refuses an accelerator of another version.
VERSION = 1
IDENTITY = 0x504E_424E  # "PNBN"
PROGRAM_MAGIC = 0xB5_9A
LAYER_MAGIC = 0xB5_1E


class Kind(IntEnum):
    """What a layer's header asks for."""

    FP_CONV = 1
    BIN_CONV = 2
    BIN_FC = 3
    PLANES = 4


class Error(IntEnum):
    """Why a run ended early; STATUS holds it with the layer's index."""

    NONE = 0
    START = 1
    PROGRAM = 2
    HEADER = 3
    ENDED = 4
    RANGE = 5
    RESULTS = 6
    READ = 7
    WRITE = 8


ERROR_TEXT: Mapping[Error, str] = {
    Error.NONE: "no error",
    Error.START: "a start with a count of zero or an address that is no multiple of 8",
    Error.PROGRAM: "the program's first words are not a program of this version, or do not fit the sizes",
    Error.HEADER: "a layer's header is invalid or exceeds the parameter ring",
    Error.ENDED: "the program is longer or shorter than its length says",
    Error.RANGE: "a layer reads or writes beyond the lane buffers or its own weights",
    Error.RESULTS: "the results need more room than was given",
    Error.READ: "the memory answered a read with an error",
    Error.WRITE: "the memory answered a write with an error",
}


class Bits(NamedTuple):
    """A part of a register: ``width`` bits from bit ``low`` up."""

    name: str
    low: int
    width: int

    @property
    def mask(self) -> int:
        """Ones at its bits."""
        return (1 << self.width) - 1 << self.low

    def of(self, value: int) -> int:
        """The part of a register's ``value``."""
        return (value & self.mask) >> self.low

    def at(self, part: int) -> int:
        """A register's value with ``part`` here and 0 elsewhere."""
        return part << self.low & self.mask


@dataclass(frozen=True)
class Register:
    """A 32-bit register of the AXI-Lite slave."""

    name: str
    offset: int
    access: str
    doc: str
    bits: tuple[Bits, ...] = ()

    def __getitem__(self, name: str) -> Bits:
        return next(bits for bits in self.bits if bits.name == name)


REGISTERS: tuple[Register, ...] = (
    Register("ID", 0x00, "r", f"{IDENTITY:#010x}"),
    Register("VERSION", 0x04, "r", "version of registers and stream"),
    Register("ARRAY", 0x08, "r", "sizes of the array",
             (Bits("LANES", 0, 8), Bits("PE", 8, 8), Bits("SIMD", 16, 8), Bits("ACC_WIDTH", 24, 8))),
    Register("MEMORY", 0x0C, "r", "sizes of the memories, in words and rows",
             (Bits("BUFFER_DEPTH", 0, 16), Bits("RING_DEPTH", 16, 16))),
    Register("CONTROL", 0x10, "w", "START begins a run (ignored while busy); RESET ends one and clears STATUS",
             (Bits("START", 0, 1), Bits("RESET", 1, 1))),
    Register("STATUS", 0x14, "r", "BUSY while running or resetting; DONE, FAILED and ERROR until the next start or "
                                  "reset; LAYER at fault, or at work",
             (Bits("BUSY", 0, 1), Bits("DONE", 1, 1), Bits("FAILED", 2, 1), Bits("ERROR", 8, 8), Bits("LAYER", 16, 8))),
    Register("INTERRUPT", 0x18, "rw", "ENABLE lets DONE drive the interrupt line", (Bits("ENABLE", 0, 1),)),
    Register("PROGRAM_ADDRESS", 0x20, "rw", "bytes, a multiple of 8"),
    Register("PROGRAM_WORDS", 0x24, "rw", "64-bit words"),
    Register("IMAGE_ADDRESS", 0x28, "rw", "bytes, a multiple of 8"),
    Register("IMAGE_COUNT", 0x2C, "rw", "images of the batch"),
    Register("RESULT_ADDRESS", 0x30, "rw", "bytes, a multiple of 8"),
    Register("RESULT_WORDS", 0x34, "rw", "64-bit words that may be written"),
    Register("CYCLES", 0x40, "r", "cycles of the last run"),
    Register("STEPS", 0x44, "r", "of them computing"),
    Register("WAIT_PARAMETERS", 0x48, "r", "waiting for headers, thresholds or weights"),
    Register("WAIT_IMAGES", 0x4C, "r", "waiting for images"),
    Register("WAIT_RESULTS", 0x50, "r", "reading results out and waiting for them to be written"),
)


@dataclass(frozen=True)
class Field:
    """Bits of a stream record; a field lies within one 64-bit word."""

    name: str
    bits: int
    doc: str


_CHECK = "makes the XOR of the record's 16-bit parts 0xFFFF"

# Words of a record; fields from bit 0 up.
PROGRAM_RECORD: tuple[tuple[Field, ...], ...] = (
    (Field("magic", 16, f"{PROGRAM_MAGIC:#06x}"), Field("version", 8, "VERSION"), Field("layers", 8, "headers"),
     Field("in_words", 16, "words of an image in DDR"), Field("out_words", 16, "words of a result in DDR")),
    (Field("in_base", 16, "where images go in the lane buffer"), Field("in_stride", 16, "words from image to image"),
     Field("out_base", 16, "where results lie in the lane buffer"),
     Field("out_stride", 16, "words from result to result")),
    (Field("slots", 16, "images per lane"), Field("classes", 16, "scores of an image"), Field("check", 16, _CHECK),
     Field("scores", 1, "results are scores, not maps"),
     Field("halved", 1, "score = 2·accumulator + odd"), Field("odd", 1, "fan-in mod 2")),
)

LAYER_RECORD: tuple[tuple[Field, ...], ...] = (
    (Field("magic", 16, f"{LAYER_MAGIC:#06x}"), Field("kind", 4, "1 FP-Conv, 2 Bin-Conv, 3 Bin-FC, 4 planes"),
     Field("index", 8, "of the header, from 0"), Field("last", 1, "last header of the program"),
     Field("frees_images", 1, "after this layer the images' words are free for the next group"),
     Field("score", 1, "no threshold: sums leave as bit planes"), Field("pad_one", 1, "padded taps are +1"),
     Field("planes", 1, "a Bin-FC on 8 bit planes"), Field("pool_log2", 2, "pool windows of 1, 2, 4"),
     Field("stride", 2, "1 or 2"), Field("kernel", 3, "1 to 7"), Field("padding", 3, "0 to 6"),
     Field("pad_byte", 8, "FP-Conv's padding"), Field("last_channels", 7, "real channels of a pixel's last word")),
    (Field("tiles", 16, "⌈channels/PE⌉"), Field("rows", 16, "ring rows of a tile, thresholds included"),
     Field("in_base", 16, "first word of the input map"), Field("in_stride", 16, "words from image to image")),
    (Field("out_base", 16, "first word of the output map"), Field("out_stride", 16, "words from image to image"),
     Field("in_height", 16, "rows of the input map"), Field("in_width", 16, "its columns")),
    (Field("out_height", 16, "rows of the output map"), Field("out_width", 16, "its columns"),
     Field("pixel_words", 16, "words of a pixel (Bin-Conv), bytes (FP-Conv), words of an image (Bin-FC)"),
     Field("row_words", 16, "words of an input row (Bin-Conv), bytes (FP-Conv)")),
    (Field("out_pixel_words", 16, "words of an output pixel"),
     Field("tap_values", 16, "real inputs of a tap, of the whole vector in Bin-FC"),
     Field("kernel_row_words", 16, "weight words of a kernel row (Bin-Conv), bytes (FP-Conv)"),
     Field("check", 16, _CHECK)),
)

# A PE's word of a threshold row.
THRESHOLD_RECORD: tuple[tuple[Field, ...], ...] = (
    (Field("start", 32, "signed: the sum starts at ⌊(start − N)/2⌋"),
     Field("carries", 7, "FP layers: added to the planes 6…0, bit 6 first"), Field("invert", 1, "XOR of the result")),
)


def pack(record: tuple[tuple[Field, ...], ...], values: Mapping[str, int]) -> list[int]:
    """The 64-bit words of a record; fields that ``values`` leaves out are 0, ``check`` is made to fit.

    Raises
    ------
    ValueError
        A value that does not fit its field, or a name that no field has (errors of the scheduler).
    """
    left, words, check = dict(values), [], None
    for number, fields in enumerate(record):
        word, shift = 0, 0
        for field in fields:
            value = int(left.pop(field.name, 0))
            if not 0 <= value < 1 << field.bits:
                raise ValueError(f"{field.name} = {value} does not fit {field.bits} bits")
            if field.name == "check":
                check = number, shift
            word |= value << shift
            shift += field.bits
        words.append(word)
    if left:
        raise ValueError(f"no field is called {', '.join(left)}")
    if check is not None:
        number, shift = check
        words[number] |= (0xFFFF ^ _fold(words)) << shift
    return words


def _fold(words: list[int]) -> int:
    """XOR of the 16-bit parts; the field ``check`` lies on one of them."""
    folded = 0
    for word in words:
        for shift in range(0, 64, 16):
            folded ^= word >> shift & 0xFFFF
    return folded
