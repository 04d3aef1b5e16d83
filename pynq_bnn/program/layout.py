"""Allocation of a program's maps in a lane's memory.

A map occupies its words from the stage that writes it to the last that reads it; two maps may share words only if their
lifetimes do not overlap. Each map is placed at the end of the memory opposite to the map it is computed from, so in a
chain any two consecutive maps fit that together fill the memory. At the lower end a map is placed above the images if
there is room, so that the next group's images can be loaded while later layers of this group are computed.
"""

from __future__ import annotations

from dataclasses import dataclass

from .stages import Stage


@dataclass(frozen=True)
class Layout:
    """Base addresses of the maps, for a number of images per lane.

    Parameters
    ----------
    slots : int
        Images per lane.
    bases : tuple of int
        First word of the images, then of each stage's output map.
    frees : int
        The stage after which the images' words are no longer used.
    """

    slots: int
    bases: tuple[int, ...]
    frees: int


@dataclass
class _Placed:
    """A map in memory: words base … base + span − 1, in use from stage ``born`` to stage ``dies``."""

    span: int
    born: int
    dies: int
    base: int = 0
    low: bool = True

    def lives_with(self, other: _Placed) -> bool:
        return self.born <= other.dies and other.born <= self.dies

    def overlaps(self, other: _Placed) -> bool:
        return self.base < other.base + other.span and other.base < self.base + self.span


def sizes(stages: tuple[Stage, ...]) -> list[int]:
    """Words per image: of the input, then of each stage's output map."""
    return [stages[0].in_words, *(stage.out_words for stage in stages)]


def sources(stages: tuple[Stage, ...]) -> list[int]:
    """For each stage, the index of the map that it reads, in the order of :func:`sizes`."""
    return [max(0, stage.source - stages[0].index + 1) for stage in stages]


def find_layout(stages: tuple[Stage, ...], slots: int, depth: int) -> Layout | None:
    """A layout for ``slots`` images in ``depth`` words, or None if they do not fit."""
    maps = _lifetimes(stages, slots)
    images = maps[0].span
    for number, (stage, source) in enumerate(zip(stages, sources(stages)), 1):
        here = maps[number]
        here.low = maps[source].low if stage.in_place else not maps[source].low
        if stage.in_place:
            here.base = maps[source].base
        else:
            here.base = _base(maps, number, images, depth)
    if any(not _fits(maps, number, depth) for number in range(1, len(maps)) if not stages[number - 1].in_place):
        return None
    if maps[-1].base < images:  # results are read out while the next images come
        return None
    frees = max(max(each.born, each.dies) for each in maps if each.base < images)
    return Layout(slots, tuple(each.base for each in maps), frees)


def _lifetimes(stages: tuple[Stage, ...], slots: int) -> list[_Placed]:
    """All maps with their lifetimes but not placed yet; the result is in use until the end."""
    maps = [_Placed(size * slots, number - 1, number - 1) for number, size in enumerate(sizes(stages))]
    maps[0].born = 0
    for number, source in enumerate(sources(stages)):
        maps[source].dies = number
    maps[-1].dies = len(stages)
    return maps


def _base(maps: list[_Placed], number: int, images: int, depth: int) -> int:
    """The base of map ``number`` at its end of the memory, beside maps already placed whose lifetimes overlap."""
    here = maps[number]
    beside = [each for each in maps[:number] if each.lives_with(here)]
    if not here.low:
        top = depth
        for other in sorted((each for each in beside if not each.low), key=lambda each: -each.base):
            top = other.base if top - here.span < other.base + other.span else top
        return top - here.span
    bottom = 0
    for other in sorted((each for each in beside if each.low), key=lambda each: each.base):
        bottom = other.base + other.span if bottom + here.span > other.base else bottom
    is_result = number == len(maps) - 1
    above = sum(each.span for each in beside if not each.low)
    room = depth - max(above, 0 if is_result else maps[number + 1].span)
    keeps_images = is_result or images + here.span <= room
    return max(bottom, images) if keeps_images else bottom


def _fits(maps: list[_Placed], number: int, depth: int) -> bool:
    """Whether a map is within the memory and overlaps no earlier map that is in use at the same time."""
    here = maps[number]
    if here.base < 0 or here.base + here.span > depth:
        return False
    return not any(each.overlaps(here) for each in maps[:number] if each.lives_with(here))
