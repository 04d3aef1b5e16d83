"""Generates the SystemVerilog package ``bnn_pkg`` from the tables of :mod:`fields`."""

from __future__ import annotations

from . import fields
from .config import MAX_WINDOW_BYTES, PE_GROUP, Config
from .fields import Error, Field, Kind

_HEAD = """\
// Written by `python -m pynq_bnn.program` from pynq_bnn/program/fields.py and config.py: change those, not this.
package bnn_pkg;
"""


def package() -> str:
    """The text of ``hw/rtl/bnn_pkg.sv``."""
    parts = [_HEAD, _sizes(), _constants(), _registers(),
             _struct("program_t", fields.PROGRAM_RECORD), _struct("layer_t", fields.LAYER_RECORD),
             _struct("threshold_t", fields.THRESHOLD_RECORD)]
    return "\n".join(parts) + "endpackage\n"


def _sizes() -> str:
    lines = [_number(f"DEFAULT_{name}", value) for name, value in Config().parameters.items()]
    lines += [_number("PE_GROUP", PE_GROUP), _number("MAX_WINDOW_BYTES", MAX_WINDOW_BYTES)]
    return "".join(lines)


def _number(name: str, value: int) -> str:
    return f"  localparam int {name} = {value};\n"


def _constants() -> str:
    lines = [f"  localparam logic [31:0] IDENTITY = 32'h{fields.IDENTITY:08x};\n",
             f"  localparam logic [7:0] VERSION = 8'd{fields.VERSION};\n",
             f"  localparam logic [15:0] PROGRAM_MAGIC = 16'h{fields.PROGRAM_MAGIC:04x};\n",
             f"  localparam logic [15:0] LAYER_MAGIC = 16'h{fields.LAYER_MAGIC:04x};\n",
             _number("PROGRAM_WORDS", len(fields.PROGRAM_RECORD)), _number("LAYER_WORDS", len(fields.LAYER_RECORD))]
    lines += [f"  localparam logic [3:0] KIND_{kind.name} = 4'd{kind.value};\n" for kind in Kind]
    lines += [f"  localparam logic [7:0] ERROR_{error.name} = 8'd{error.value};\n" for error in Error]
    return "".join(lines)


def _registers() -> str:
    return "".join(f"  localparam logic [11:0] REG_{r.name} = 12'h{r.offset:03x};\n" for r in fields.REGISTERS)


def _struct(name: str, record: tuple[tuple[Field, ...], ...]) -> str:
    """A packed struct; the first word of the stream is the least significant one."""
    lines = []
    for number, word in enumerate(record):
        lines += [f"    logic [{field.bits - 1}:0] {field.name};" for field in word]
        spare = 64 - sum(field.bits for field in word)
        if spare:
            lines.append(f"    logic [{spare - 1}:0] spare{number};")
    return f"  typedef struct packed {{\n{chr(10).join(reversed(lines))}\n  }} {name};\n\n"
