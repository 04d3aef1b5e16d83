"""Class names of one place found again in another: a test folder's in the training's, a data set's in a network's."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence


def match_names(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """The place of each name in ``known``; None where it is not there.

    Equal names come first. What is left is compared after Unicode composition (file systems decompose accents), then
    without regard to upper and lower case, each time where exactly one name on either side can be meant.
    """
    places: dict[int, int] = {}
    for fold in (str, _composed, _folded):
        mine = _unique([i for i in range(len(names)) if i not in places], names, fold)
        taken = set(places.values())
        theirs = _unique([i for i in range(len(known)) if i not in taken], known, fold)
        places |= {place: theirs[name] for name, place in mine.items() if name in theirs}
    return [places.get(i) for i in range(len(names))]


def _unique(places: list[int], names: Sequence[str], fold: Callable[[str], str]) -> dict[str, int]:
    """Folded names that occur once, with their places."""
    counts = Counter(fold(names[i]) for i in places)
    return {fold(names[i]): i for i in places if counts[fold(names[i])] == 1}


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())
