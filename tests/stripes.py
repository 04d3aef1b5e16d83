"""A data set of two classes that a small network learns in seconds."""

from __future__ import annotations

import numpy as np

from pynq_bnn.data.datasets import Dataset
from pynq_bnn.data.split import Split


def stripes(count, seed):
    """Two classes: stripes across or down, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    wave = np.where(np.arange(8) % 2, 200, 50)
    images = np.where(labels[:, None, None] == 0, wave[None, :, None], wave[None, None, :])
    return Split(np.clip(images + rng.normal(0, 30, (count, 8, 8)), 0, 255).astype(np.uint8)[..., None], labels)


def dataset():
    return Dataset("stripes", ("across", "down"), stripes(400, 1), test=stripes(100, 2))
