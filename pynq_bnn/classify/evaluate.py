"""Accuracy of a classifier on a data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..data.datasets import Dataset
from ..data.names import match_names
from ..data.split import Split
from ..errors import DataError
from .classifier import READY_GROUP, Classifier


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy on a split of a data set.

    top1, top5 : shares of right answers, 0…1; top5 is 1 for a network of up to five classes.
    unanswered : number of pictures for which the network chose no class; they count as wrong, outside ``confusion``.
    confusion : (K, K) counts, true class × answer.
    missing : the network's classes of which the split holds no picture.
    """

    split: str
    images: int
    top1: float
    top5: float
    unanswered: int
    seconds: float
    confusion: Array
    missing: tuple[str, ...] = ()


def evaluate(classifier: Classifier, data: Dataset,
             progress: Callable[[Sequence[int]], Iterable[int]] = lambda batches: batches) -> Evaluation:
    """Classify the data set's test split (else validation, else all pictures) and count right answers.

    Raises
    ------
    DataError
        The split holds a class that the network does not know, or no picture.
    """
    name, split = data.evaluation_split()
    if not len(split):
        raise DataError(f"{data.name} holds no picture to classify")
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
    missing = tuple(classifier.classes[label] for label in sorted(set(range(count)) - set(labels.tolist())))
    return Evaluation(name, len(split), float((index == labels).mean()),
                      float(_in_top5(scores, index, labels).mean()),
                      int((~answered).sum()), seconds, confusion, missing)


def _in_top5(scores: Array, index: Array, labels: Array) -> Array:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    right: Array = (best == labels[:, None]).any(axis=1) | (index == labels)
    return right


def _network_labels(data: Dataset, split: Split, classes: tuple[str, ...]) -> Array:
    """Labels of the data set as indices into the network's classes, matched by name (see :func:`match_names`)."""
    if data.classes == classes:
        return split.labels
    present = np.unique(split.labels)
    names = [data.classes[label] for label in present]
    places = match_names(names, classes)
    unknown = [name for name, place in zip(names, places) if place is None]
    if unknown:
        raise DataError(f"the data set's class {unknown[0]!r} is none of the network's, or may be several:"
                        f" {', '.join(classes)}")
    labels: Array = np.zeros(len(data.classes), np.int64)
    labels[present] = places
    return labels[split.labels]
