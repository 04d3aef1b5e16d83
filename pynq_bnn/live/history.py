"""The answers of a live run, frame by frame, without the frames themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..classify.live import LiveResult


@dataclass(frozen=True, eq=False)
class History:
    """seconds, fps : (N,) float64; index : (N,) int64; probabilities : (N, K) float32; classes : K names."""

    seconds: Array
    fps: Array
    index: Array
    probabilities: Array
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.seconds)

    @classmethod
    def of(cls, results: Sequence[LiveResult]) -> History:
        """The history of some results."""
        classes = results[0].classes if results else ()
        probabilities = np.array([r.probabilities for r in results], np.float32).reshape(len(results), len(classes))
        return cls(np.array([r.seconds for r in results], float), np.array([r.fps for r in results], float),
                   np.array([r.index for r in results], np.int64), probabilities, classes)
