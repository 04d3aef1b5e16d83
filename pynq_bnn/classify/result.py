"""The results of a classification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..network import OutputSpec

NO_CLASS = "(none)"
BLANK, UNDECIDED = "blank", "undecided"


@dataclass(frozen=True)
class Timing:
    """Seconds of the last call: preprocessing pictures, moving data, computing, and the whole call.

    Preprocessing done while the accelerator computes counts only as preprocessing.
    """

    images: int = 0
    preprocess: float = 0.0
    transfer: float = 0.0
    compute: float = 0.0
    wall: float = 0.0


@dataclass(frozen=True, eq=False)
class Result:
    """The answer for one picture.

    label, index : the class; "(none)" and −1 when the network's rule chose none.
    scores, probabilities : (K,) float32; the label's is the largest (the first of equals).
    sums : (K,) int32, the last layer's raw sums, the same integers on every backend. They cannot be compared between
    classes: each class has its own scale and offset, which turn its sum into its score.
    input_image : (H, W, C) uint8, the pixels the network actually saw.
    classes : names of all K classes.
    native_scores : (K,) int32, the sums on the scale of the system that an imported network came from.
    doubt : why label and confidence mean nothing: "blank" if the picture shows nothing, "undecided" if no class reached
    its threshold, otherwise "".
    """

    label: str
    index: int
    scores: Array
    sums: Array
    probabilities: Array
    input_image: Array
    classes: tuple[str, ...]
    native_scores: Array
    doubt: str

    @property
    def confidence(self) -> float:
        """Probability of the label, 0…1; it means nothing if ``doubt`` is set."""
        return float(self.probabilities[self.index]) if self.index >= 0 else 0.0

    @property
    def certainty(self) -> str:
        """The confidence in percent, or the doubt."""
        return self.doubt or f"{self.confidence:.0%}"

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k best classes as (name, probability): the label first, the others by probability."""
        order = sorted(range(len(self.classes)), key=lambda i: (i != self.index, -self.probabilities[i]))[:k]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]

    def __repr__(self) -> str:
        doubt = f", doubt={self.doubt!r}" if self.doubt else ""
        return f"{type(self).__name__}({self.label!r}, confidence={self.confidence:.3f}{doubt})"


@dataclass(frozen=True, eq=False)
class BatchResult:
    """The answers for an array of pictures, as arrays; see :class:`Result`.

    index : (N,) int64; scores, probabilities : (N, K) float32; sums : (N, K) int32.
    doubts : (N,) str.
    """

    index: Array
    scores: Array
    sums: Array
    probabilities: Array
    classes: tuple[str, ...]
    doubts: Array

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> list[str]:
        return [label_of(self.classes, i) for i in self.index]


def label_of(classes: tuple[str, ...], index: int) -> str:
    """The name of class ``index``; "(none)" for −1."""
    return classes[index] if index >= 0 else NO_CLASS


def batch_result(output: OutputSpec, sums: Array, blank: Array) -> BatchResult:
    """Labels and probabilities of (N, K) int32 ``sums``; ``blank`` : (N,) bool, pictures that show nothing."""
    doubts = np.where(blank, BLANK, np.where(output.undecided(sums), UNDECIDED, ""))
    return BatchResult(output.indices(sums), output.scores(sums), sums, output.probabilities(sums), output.classes,
                       doubts)


def single_results(output: OutputSpec, sums: Array, pixels: Array, blank: Array) -> list[Result]:
    """One :class:`Result` for each row of ``sums``, picture of ``pixels`` and flag of ``blank``."""
    batch, native = batch_result(output, sums, blank), output.native_scores(sums)
    return [Result(label_of(output.classes, i), int(i), batch.scores[n], sums[n], batch.probabilities[n], pixels[n],
                   output.classes, native[n], str(batch.doubts[n])) for n, i in enumerate(batch.index)]
