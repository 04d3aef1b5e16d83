"""Small checks that the records of a network share."""

from __future__ import annotations

import numpy as np

from ..errors import NetworkError


def need(condition: bool, what: str) -> None:
    """Raise NetworkError with the message ``what`` unless ``condition``."""
    if not condition:
        raise NetworkError(what)


def check_name(name: object, what: str) -> None:
    """A name fits one line of a terminal: 1 to 200 printable characters."""
    need(isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable(),
         f"{what} {name!r:.80}; 1 to 200 printable characters fit")


def is_int(value: object, low: int, high: int) -> bool:
    """Whether ``value`` is an integer, and no truth value, from ``low`` to ``high``."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and low <= value <= high
