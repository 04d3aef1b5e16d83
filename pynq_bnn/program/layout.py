"""Where the maps of a program lie in a lane's ping-pong memory.

The maps between stages take turns at the two ends of the memory. Maps that share an end with the images are put behind
them where there is room, so that the next group's images can be loaded while this one's later layers compute.
"""

from __future__ import annotations

from dataclasses import dataclass

from .stages import Stage


@dataclass(frozen=True)
class Layout:
    """Places for a number of images per lane.

    Parameters
    ----------
    slots : int
        Images per lane.
    bases : tuple of int
        First word of the images, then of what is behind each stage.
    frees : int
        The stage behind which the images' words are no longer used.
    """

    slots: int
    bases: tuple[int, ...]
    frees: int


def sizes(stages: tuple[Stage, ...]) -> list[int]:
    """Words of an image: of the input, then behind each stage."""
    return [stages[0].in_words, *(stage.out_words for stage in stages)]


def find_layout(stages: tuple[Stage, ...], slots: int, depth: int) -> Layout | None:
    """A layout for ``slots`` images in ``depth`` words, or None where they do not fit."""
    spans = [size * slots for size in sizes(stages)]
    images, bases, low = spans[0], [0], True
    for number, stage in enumerate(stages, 1):
        if stage.in_place:
            bases.append(bases[-1])
            continue
        low = not low
        last = number == len(stages)
        bases.append(_base(spans, number, low, images, depth, keep_images=last))
    if any(not _apart(bases, spans, number, depth) for number, stage in enumerate(stages, 1) if not stage.in_place):
        return None
    if bases[-1] < images:  # results are read out while the next images come
        return None
    return Layout(slots, tuple(bases), _last_use(bases, images, len(stages)))


def _base(spans: list[int], number: int, low: bool, images: int, depth: int, keep_images: bool) -> int:
    if not low:
        return depth - spans[number]
    neighbours = spans[number + 1] if number + 1 < len(spans) else 0
    room = depth - max(spans[number - 1], neighbours)
    return images if keep_images or images + spans[number] <= room else 0


def _apart(bases: list[int], spans: list[int], number: int, depth: int) -> bool:
    """Whether a stage's output fits the memory and does not touch its input."""
    a, b = bases[number - 1], bases[number]
    if b < 0 or b + spans[number] > depth:
        return False
    return a + spans[number - 1] <= b or b + spans[number] <= a


def _last_use(bases: list[int], images: int, stages: int) -> int:
    """The last stage that reads or writes words of the images."""
    return max(stage for stage in range(stages) if stage == 0 or min(bases[stage], bases[stage + 1]) < images)
