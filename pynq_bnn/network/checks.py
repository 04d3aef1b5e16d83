"""Small checks shared by the records of a network."""

from __future__ import annotations

import unicodedata

import numpy as np

from ..errors import NetworkError

# Zero-width joiner and non-joiner: letters of Persian and Hindi, and some emoji, need them.
_JOINERS = "\u200c\u200d"


def need(condition: bool, what: str) -> None:
    """Raise NetworkError with the message ``what`` unless ``condition``."""
    if not condition:
        raise NetworkError(what)


def check_name(name: object, what: str) -> None:
    """Raise NetworkError unless a name has 1 to 200 characters and can be shown on one line of a terminal.

    Spaces of any width and joiners are allowed; control and format characters, line ends and lone surrogates (bytes of
    a file name that are not UTF-8) are not. Unassigned characters are allowed, since a board's older Python knows fewer
    characters.
    """
    fits = isinstance(name, str) and 0 < len(name) <= 200 and bool(name.strip(_JOINERS))
    need(fits, f"{what} {name!r:.80}; 1 to 200 characters fit")
    unfit = next((c for c in str(name) if moves_cursor(c)), None)
    need(unfit is None, f"{what} {ascii(name):.80} holds the character {ascii(unfit)}, which no line of text can show;"
                        " rename it")


def moves_cursor(character: str) -> bool:
    """Whether a character ends a line, moves a terminal's cursor, changes the writing direction, or is a surrogate."""
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and character not in _JOINERS)


def one_line(text: str) -> str:
    """``text`` with line ends and control characters escaped, for messages that quote the contents of users' files."""
    return "".join(ascii(c)[1:-1] if moves_cursor(c) else c for c in text)


def is_int(value: object, low: int, high: int) -> bool:
    """Whether ``value`` is an integer, and no truth value, from ``low`` to ``high``."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(low <= value <= high)
