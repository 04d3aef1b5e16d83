"""SVHN's cropped digits (Netzer et al. 2011, format 2) in their publisher's MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import DataError, first_line
from ..files import is_file
from .classes import DIGITS
from .matlab import read_arrays
from .split import LAYOUTS, Split


def svhn_file(place: Path, part: str) -> Path:
    """The file of a part: "train", "test" or "extra"."""
    return place / f"{part}_32x32.mat"


def read_training(place: Path) -> Split:
    """The training digits, followed by those of ``extra`` if that file exists."""
    parts = ["train", "extra"] if is_file(svhn_file(place, "extra")) else ["train"]
    return Split.joined([read_part(place, part) for part in parts])


def read_part(place: Path, part: str) -> Split:
    """The digits of a file: X, (32, 32, 3, N) uint8, and y, (N, 1) of 1 to 10, where 10 is the digit 0.

    Raises
    ------
    DataError
        The file is missing, damaged or not of SVHN.
    """
    path = svhn_file(place, part)
    if not is_file(path):
        raise DataError(f"{path} is missing; {LAYOUTS}")
    content = _load(path)
    images, labels = (np.asarray(content.get(name, ())) for name in ("X", "y"))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3) or not images.shape[3]:
        raise DataError(f"{path} is no file of cropped SVHN digits: X is {images.dtype} of {images.shape}, not uint8 of"
                        " (32, 32, 3, N)")
    if labels.size != images.shape[3] or labels.dtype.kind not in "uif":
        raise DataError(f"{path} holds {images.shape[3]} pictures and {labels.size} labels")
    labels = labels.reshape(-1).astype(np.int64)
    if labels.min() < 1 or labels.max() > len(DIGITS):
        raise DataError(f"{path} holds labels from {labels.min()} to {labels.max()}; SVHN has 1 to {len(DIGITS)}")
    return Split(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels % len(DIGITS))


def _load(path: Path) -> dict[str, Array]:
    try:
        return read_arrays(path, ("X", "y"))
    except MemoryError:
        raise DataError(f"{path} does not fit into memory; take a machine with more, or move the file away") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {first_line(error)}; is it whole?") from None
