"""What a classification gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network import OutputSpec

NO_CLASS = "(none)"


@dataclass(frozen=True)
class Timing:
    """Seconds of the last call: preprocessing pictures, moving data, computing, and the whole call.

    Preprocessing while the accelerator computes counts as preprocessing alone.
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
    scores : (K,) int32, the integers that every backend agrees on.
    logits, probabilities : (K,) float32.
    input_image : (H, W, C) uint8, the pixels the network really saw.
    classes : names of all K classes.
    native_scores : (K,) int32, in the numbers of the system an imported network came from.
    """

    label: str
    index: int
    scores: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    input_image: np.ndarray
    classes: tuple[str, ...]
    native_scores: np.ndarray

    @property
    def confidence(self) -> float:
        """Probability of the label, 0…1."""
        return float(self.probabilities[self.index]) if self.index >= 0 else 0.0

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k best classes as (name, probability): the label first, the others by probability."""
        order = sorted(range(len(self.classes)), key=lambda i: (i != self.index, -self.probabilities[i]))[:k]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]

    def __repr__(self) -> str:
        return f"Result({self.label!r}, confidence={self.confidence:.3f})"


@dataclass(frozen=True, eq=False)
class BatchResult:
    """The answers for an array of pictures, as arrays.

    index : (N,) int64; scores : (N, K) int32; logits, probabilities : (N, K) float32.
    """

    index: np.ndarray
    scores: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> list[str]:
        return [label_of(self.classes, i) for i in self.index]


def label_of(classes: tuple[str, ...], index: int) -> str:
    """The name of class ``index``; "(none)" for −1."""
    return classes[index] if index >= 0 else NO_CLASS


def batch_result(output: OutputSpec, scores: np.ndarray) -> BatchResult:
    """Labels and probabilities of (N, K) int32 ``scores``."""
    return BatchResult(output.indices(scores), scores, output.logits(scores), output.probabilities(scores),
                       output.classes)


def single_results(output: OutputSpec, scores: np.ndarray, pixels: np.ndarray) -> list[Result]:
    """One :class:`Result` for each row of ``scores`` and picture of ``pixels``."""
    batch, native = batch_result(output, scores), output.native_scores(scores)
    return [Result(label_of(output.classes, i), int(i), scores[n], batch.logits[n], batch.probabilities[n],
                   pixels[n], output.classes, native[n]) for n, i in enumerate(batch.index)]
