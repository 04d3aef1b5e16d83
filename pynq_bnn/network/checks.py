"""Small checks that the records of a network share."""

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
    """A name fits one line of a terminal: 1 to 200 characters, none that moves its cursor or turns its direction.

    Spaces of any width and joiners may be in it; control and format characters, line ends and lone surrogates (bytes of
    a file name that are no UTF-8) may not. What Unicode has not assigned yet may: a board's Python knows fewer letters.
    """
    fits = isinstance(name, str) and 0 < len(name) <= 200 and bool(name.strip(_JOINERS))
    need(fits, f"{what} {name!r:.80}; 1 to 200 characters fit")
    unfit = next((c for c in str(name) if moves_cursor(c)), None)
    need(unfit is None, f"{what} {ascii(name):.80} holds the character {ascii(unfit)}, which no line of text can show;"
                        " rename it")


def moves_cursor(character: str) -> bool:
    """Whether a character ends a line, moves the cursor of a terminal or turns its direction, or is no character."""
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and character not in _JOINERS)


def one_line(text: str) -> str:
    """``text`` with what no line can show written as escapes, for messages that quote what users' files hold."""
    return "".join(ascii(c)[1:-1] if moves_cursor(c) else c for c in text)


def is_int(value: object, low: int, high: int) -> bool:
    """Whether ``value`` is an integer, and no truth value, from ``low`` to ``high``."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(low <= value <= high)
