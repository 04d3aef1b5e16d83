"""Accuracy of a classifier on a data set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data.datasets import Dataset
from ..data.split import Split
from ..errors import DataError
from .classifier import READY_GROUP, Classifier


@dataclass(frozen=True, eq=False)
class Evaluation:
    """top1, top5 : shares of right answers, 0…1; confusion : (K, K) counts, true class × answer.

    unanswered counts pictures for which the network chose no class; they are wrong and not in ``confusion``.
    """

    split: str
    images: int
    top1: float
    top5: float
    unanswered: int
    seconds: float
    confusion: np.ndarray


def evaluate(classifier: Classifier, data: Dataset, progress: Callable = lambda batches: batches) -> Evaluation:
    """Classify the data set's test split (else validation, else all) and count.

    Raises
    ------
    DataError
        When the data set has a class that the network does not know.
    """
    name, split = data.evaluation_split()
    labels = _network_labels(data, split, classifier.classes)
    began = time.perf_counter()
    starts = range(0, len(split), READY_GROUP)
    answers = classifier.classify_arrays(split.images[start:start + READY_GROUP] for start in progress(starts))
    seconds = time.perf_counter() - began
    index, scores = answers.index, answers.scores
    count = len(classifier.classes)
    confusion = np.zeros((count, count), np.int64)
    answered = index >= 0
    np.add.at(confusion, (labels[answered], index[answered]), 1)
    return Evaluation(name, len(split), float((index == labels).mean()),
                      float(_in_top5(scores, index, labels).mean()),
                      int((~answered).sum()), seconds, confusion)


def _in_top5(scores: np.ndarray, index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    return (best == labels[:, None]).any(axis=1) | (index == labels)


def _network_labels(data: Dataset, split: Split, classes: tuple[str, ...]) -> np.ndarray:
    """Labels of the data set as indices into the network's classes, matched by name, upper or lower case."""
    known = {name.casefold(): index for index, name in enumerate(classes)}
    unknown = [name for name in data.classes if name.casefold() not in known]
    if unknown:
        raise DataError(f"the data set's class {unknown[0]!r} is none of the network's: {', '.join(classes)}")
    return np.array([known[name.casefold()] for name in data.classes])[split.labels]
