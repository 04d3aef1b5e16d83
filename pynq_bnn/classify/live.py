"""Answers for the frames of a camera, a video or an image sequence, one at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, fields

from ..arrays import Array
from ..camera.frames import Frames, Source, open_frames
from .result import Result

# The rate is averaged over this many frames, or over this many seconds if that is shorter.
_RATE_FRAMES, _RATE_SECONDS = 60, 2.0


@dataclass(frozen=True, eq=False)
class LiveResult(Result):
    """The answer for one frame.

    frame : (H, W, 3) uint8 RGB, the original frame.
    box : (left, top, right, bottom), the part of the frame that ``input_image`` is made from.
    number : of the frame, from 0.
    seconds : since the first frame.
    fps : recent frames per second, including everything done with them; 0 for the first frame.
    """

    frame: Array
    box: tuple[int, int, int, int]
    number: int
    seconds: float
    fps: float


class Pace:
    """Recent frames per second."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def tick(self, now: float) -> float:
        """Count a frame at ``now`` seconds; returns the recent rate, 0 for the first frame."""
        self._times.append(now)
        while len(self._times) > 2 and (len(self._times) > _RATE_FRAMES or now - self._times[0] > _RATE_SECONDS):
            self._times.popleft()
        passed = now - self._times[0]
        return (len(self._times) - 1) / passed if passed > 0 else 0.0


def live_results(source: Source | Frames, answer: Callable[[Array], Result],
                 box: Callable[[Array], tuple[int, int, int, int]],
                 frames: int | None = None) -> Generator[LiveResult, None, None]:
    """The answer for each frame of ``source``, which is opened for the first frame and closed after the last.

    Parameters
    ----------
    source : int, str, Path or Frames
        As for :func:`~pynq_bnn.camera.frames.open_frames`, or its result.
    answer, box : callable
        Functions of a frame, (H, W, 3) uint8.
    frames : int, optional
        Stop after this many frames.
    """
    pace, began = Pace(), None
    with closing(source if isinstance(source, Frames) else open_frames(source)) as opened:
        number = 0
        while frames is None or number < frames:
            frame = next(opened, None)
            if frame is None:
                return
            now = time.monotonic()
            began = now if began is None else began
            result = answer(frame)
            plain = {field.name: getattr(result, field.name) for field in fields(Result)}
            yield LiveResult(**plain, frame=frame, box=box(frame), number=number, seconds=now - began,
                             fps=pace.tick(now))
            number += 1
