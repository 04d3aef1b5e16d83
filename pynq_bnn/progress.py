"""A progress bar if tqdm is installed, else a plain count (boards)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int | None = None, least: int = 2) -> Iterable[T]:
    """``items``, with progress shown on stderr if that is a terminal and there are at least ``least`` items."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not sys.stderr.isatty() or (total or 0) < least:
        return items
    try:
        from tqdm import tqdm
    except ImportError:
        return _count(items, what, total)
    bar: Iterable[T] = tqdm(items, desc=what, total=total, leave=False)
    return bar


def _count(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    shown = 0.0
    for number, item in enumerate(items):
        if time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            print(f"\r{what} {number}/{total} ", end="", file=sys.stderr, flush=True)
        yield item
    print("\r\033[K", end="", file=sys.stderr)
