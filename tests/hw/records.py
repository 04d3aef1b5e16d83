"""Packed structs as integers: those of bnn_types from its source, those of bnn_pkg from the package's tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

from pynq_bnn.program import fields
from pynq_bnn.simulation.build import hw_directory


@dataclass(frozen=True)
class Record:
    """A packed struct: (name, bits, signed) of its fields from bit 0 up."""

    fields: tuple[tuple[str, int, bool], ...]

    def pack(self, values: Mapping[str, int]) -> int:
        """The struct as an integer; fields that are not named are 0."""
        left, word, place = dict(values), 0, 0
        for name, bits, _ in self.fields:
            word |= (int(left.pop(name, 0)) & (1 << bits) - 1) << place
            place += bits
        assert not left, f"no field is called {', '.join(left)}"
        return word

    def unpack(self, word: int) -> SimpleNamespace:
        """The fields of an integer, by name."""
        values = {}
        for name, bits, signed in self.fields:
            value = word & (1 << bits) - 1
            values[name] = value - (1 << bits) if signed and value >> bits - 1 else value
            word >>= bits
        return SimpleNamespace(**values)


@cache
def record(name: str) -> Record:
    """The struct called ``bnn_types::…`` or ``bnn_pkg::…``."""
    package, _, kind = name.partition("::")
    if package == "bnn_pkg":
        table = {"layer_t": fields.LAYER_RECORD, "program_t": fields.PROGRAM_RECORD,
                 "threshold_t": fields.THRESHOLD_RECORD}[kind]
        rows = []
        for number, word in enumerate(table):
            rows += [(field.name, field.bits, False) for field in word]
            rows.append((f"spare{number}", 64 - sum(field.bits for field in word), False))
        return Record(tuple(row for row in rows if row[1]))
    text = re.sub(r"//.*", "", (hw_directory() / "rtl" / "bnn_types.sv").read_text(encoding="utf-8"))
    body = re.search(rf"typedef struct packed \{{([^}}]*)\}} {kind};", text)
    assert body, f"no struct {kind} in bnn_types.sv"
    rows = []
    for signed, bounds, names in re.findall(r"logic\s*(signed)?\s*(\[.*?\])?\s*([\w\s,]+);", body[1]):
        high, low = map(int, re.findall(r"\d+", bounds)) if bounds else (0, 0)
        rows += [(name.strip(), high - low + 1, bool(signed)) for name in names.split(",")]
    return Record(tuple(reversed(rows)))


def layer_words(**values: int) -> list[int]:
    """The words of a layer's header with a right check."""
    return fields.pack(fields.LAYER_RECORD, {"magic": fields.LAYER_MAGIC, **values})


def program_words(**values: int) -> list[int]:
    """The words of a program's record with a right check."""
    values = {"magic": fields.PROGRAM_MAGIC, "version": fields.VERSION, **values}
    return fields.pack(fields.PROGRAM_RECORD, values)
