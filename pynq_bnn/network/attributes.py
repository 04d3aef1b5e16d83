"""Attributes of a kind of layer: declared once, with their allowed values and meaning.

The dataclass field that declares an attribute also holds its check and its documentation, so the JSON header of a
``.bnn`` file, the keys of a topology table and FORMAT.md are all derived from the record itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from .checks import need

_KEY = "attribute"


class Fits(Protocol):
    """The allowed values of an attribute; ``str()`` describes them."""

    def allows(self, value: object) -> bool: ...


@dataclass(frozen=True)
class Range:
    """Integers from ``low`` to ``high``."""

    low: int
    high: int

    def allows(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class OneOf:
    """One of a few values, all of one type."""

    values: tuple[Any, ...]

    def allows(self, value: object) -> bool:
        return type(value) is type(self.values[0]) and value in self.values

    def __str__(self) -> str:
        return " or ".join(map(repr, self.values))


@dataclass(frozen=True)
class Attribute:
    """One attribute of a record.

    doc : its meaning, as printed in FORMAT.md; type : int or str.
    """

    name: str
    fits: Fits
    doc: str
    type: type


def attribute(fits: Fits, doc: str, default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that is an attribute; required if there is no ``default``."""
    return dataclasses.field(default=default, metadata={_KEY: (fits, doc)})


def attributes(record: Any) -> Iterator[Attribute]:
    """The attributes of a record or of its class, in order."""
    for field in dataclasses.fields(record):
        if _KEY in field.metadata:
            fits, doc = field.metadata[_KEY]
            kind = int if isinstance(fits, Range) else type(fits.values[0])
            yield Attribute(field.name, fits, doc, kind)


def attribute_values(record: Any) -> dict[str, Any]:
    """The attributes of ``record`` by name, plain JSON values."""
    return {each.name: getattr(record, each.name) for each in attributes(record)}


def check_attributes(record: Any) -> None:
    """Raise NetworkError for the first attribute of ``record`` that does not fit."""
    for each in attributes(record):
        value = getattr(record, each.name)
        need(each.fits.allows(value), f"{each.name} is {value!r:.60}; {each.fits} fits")
