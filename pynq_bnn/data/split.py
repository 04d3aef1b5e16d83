"""Pictures with labels, and the words for the layouts they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LAYOUTS = ("a data set directory holds the CIFAR-10 binary batches, the MNIST idx files, SVHN's train_32x32.mat and"
           " test_32x32.mat, or CLASS/picture.jpg for two classes or more")


@dataclass(frozen=True, eq=False)
class Split:
    """images : (N, H, W, C) uint8; labels : (N,) int64, indices into the data set's classes."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> Split:
        """The pictures and labels at ``indices``, in that order."""
        return Split(self.images[indices], self.labels[indices])

    @classmethod
    def joined(cls, splits: Sequence[Split]) -> Split:
        """The pictures and labels of all ``splits``, one behind the other."""
        return cls(*(np.concatenate([getattr(split, name) for split in splits]) for name in ("images", "labels")))
