"""The tables of ``hw/README.md``, generated from :mod:`fields`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from . import fields
from .fields import ERROR_TEXT, REGISTERS, Error, Field


def update(readme: str) -> str:
    """``readme`` with the parts between ``<!-- name -->`` and ``<!-- /name -->`` generated from the tables."""
    tables = {"registers": _registers(), "errors": _errors(), "program": _record(fields.PROGRAM_RECORD),
              "layer": _record(fields.LAYER_RECORD), "threshold": _record(fields.THRESHOLD_RECORD)}
    for name, table in tables.items():
        pattern = f"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        readme = re.sub(pattern, partial(_filled, table), readme, flags=re.DOTALL)
    return readme


def _filled(table: str, found: re.Match[str]) -> str:
    return found[1] + table + found[2]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _registers() -> str:
    rows = []
    for register in REGISTERS:
        bits = ", ".join(f"{name} {low}" if width == 1 else f"{name} {low + width - 1}…{low}"
                         for name, low, width in register.bits)
        rows.append((f"{register.offset:#04x}", register.name, register.access,
                     f"{register.doc}; {bits}" if bits else register.doc))
    return _table(("offset", "register", "access", "what"), rows)


def _errors() -> str:
    return _table(("code", "name", "why"), [(str(error.value), error.name, ERROR_TEXT[error]) for error in Error])


def _record(record: tuple[tuple[Field, ...], ...]) -> str:
    rows = []
    for number, word in enumerate(record):
        low = 0
        for field in word:
            place = f"{low + field.bits - 1}…{low}" if field.bits > 1 else str(low)
            rows.append((str(number), place, field.name, field.doc))
            low += field.bits
    return _table(("word", "bits", "field", "what"), rows)
