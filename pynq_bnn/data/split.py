"""Pictures with labels, and texts about them for messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Array

LAYOUTS = ("a data set directory holds the CIFAR-10 binary batches, the MNIST idx files, SVHN's train_32x32.mat and"
           " test_32x32.mat, GTSRB's Final_Training, or CLASS/picture.jpg for two classes or more")
# With more classes than this, only the smallest and the largest are named.
_NAMED = 12


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures with labels.

    images : (N, H, W, C) uint8.
    labels : (N,) int64, indices into the data set's classes.
    groups : (N,) int64 or None; pictures with the same number show the same object, such as the frames of one drive
    past a traffic sign, and must not be divided between training and validation.
    """

    images: Array
    labels: Array
    groups: Array | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Array) -> Split:
        """The pictures and labels at ``indices``, in that order."""
        groups = None if self.groups is None else self.groups[indices]
        return Split(self.images[indices], self.labels[indices], groups)

    @classmethod
    def joined(cls, splits: Sequence[Split]) -> Split:
        """The pictures and labels of all ``splits``, one after the other; groups are not kept."""
        return cls(*(np.concatenate([getattr(split, name) for split in splits]) for name in ("images", "labels")))

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Split:
        """A split without pictures, whose images have ``shape``."""
        return cls(np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64))


def count_words(classes: Sequence[str], labels: Sequence[int] | Array) -> str:
    """How many pictures each class has, in words: "30 pictures: apple 20, pear 10"."""
    counts = np.bincount(np.asarray(labels, np.int64), minlength=len(classes)).tolist()
    total = f"{sum(counts):,} pictures"
    if len(classes) <= _NAMED:
        return f"{total}: " + ", ".join(f"{name} {count:,}" for name, count in zip(classes, counts))
    few, many = (pick(range(len(counts)), key=counts.__getitem__) for pick in (min, max))
    return f"{total}: from {counts[few]:,} ({classes[few]}) to {counts[many]:,} ({classes[many]}) a class"
