"""Matches class names: those of a test folder to the training folder's, those of a data set to a network's."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence


def match_names(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """The index of each name in ``known``; None if it is not there.

    Equal names are matched first. The rest is compared after Unicode composition (file systems decompose accents), then
    ignoring case; each time a match counts only if it is unique on both sides.
    """
    places: dict[int, int] = {}
    for fold in (str, _composed, _folded):
        mine = _unique([i for i in range(len(names)) if i not in places], names, fold)
        taken = set(places.values())
        theirs = _unique([i for i in range(len(known)) if i not in taken], known, fold)
        places |= {place: theirs[name] for name, place in mine.items() if name in theirs}
    return [places.get(i) for i in range(len(names))]


def _unique(places: list[int], names: Sequence[str], fold: Callable[[str], str]) -> dict[str, int]:
    """Folded names that occur only once, with their indices."""
    counts = Counter(fold(names[i]) for i in places)
    return {fold(names[i]): i for i in places if counts[fold(names[i])] == 1}


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())
