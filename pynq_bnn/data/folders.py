"""Own pictures: one folder a class, either flat or inside train, val and test."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import DataError, ImageError, first_line
from .split import LAYOUTS, Split

log = logging.getLogger(__name__)

# Names of the splits' folders, in any case of letters.
SPLITS = {
    "train": ("train", "training", "train_set", "training_set"),
    "validation": ("val", "valid", "validate", "validation", "val_set", "validation_set"),
    "test": ("test", "testing", "test_set", "testing_set"),
}
# Pillow registers suffixes of formats that it cannot read, or that are documents and films.
_NO_PICTURES = {"PDF", "MPEG", "EPS", "HDF5", "BUFR", "GRIB", "WMF"}


def find_folders(root: Path, needs_train: bool) -> tuple[dict[str, Path | None], tuple[str, ...]]:
    """The folder of each split (None where there is none; ``root`` itself when it is flat) and the classes.

    Raises
    ------
    DataError
        Fewer than two classes, splits and classes side by side, or a training folder that is missing.
    """
    folders: dict[str, Path | None] = dict.fromkeys(SPLITS)
    beside = []
    for folder in _subfolders(root):
        split = next((name for name, names in SPLITS.items() if folder.name.casefold() in names), None)
        if split is None:
            beside.append(folder)
        elif folders[split] is not None:
            raise DataError(f"{folder} and {folders[split]} are both taken for {split} pictures; rename one")
        else:
            folders[split] = folder
    found = [folder for folder in folders.values() if folder]
    if not found:
        folders["train"] = root
    elif beside:
        raise DataError(f"{root} holds {found[0].name!r}, taken for a split, beside {beside[0].name!r}; put the classes"
                        " into train/, val/ and test/, or rename the class")
    elif needs_train and folders["train"] is None:
        raise DataError(f"{root} holds {found[0].name!r} but no 'train'; {LAYOUTS}")
    return folders, _class_names(folders["train"] or found[0])


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(d for d in folder.iterdir() if d.is_dir() and not d.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(d.name for d in _subfolders(folder))
    if len(names) < 2:
        raise DataError(f"{folder} holds {len(names)} class folder(s), two or more are needed; {LAYOUTS}")
    return names


def is_picture_name(path: Path) -> bool:
    """Whether a file's suffix is one of a picture that Pillow reads."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind in Image.OPEN and kind not in _NO_PICTURES


def picture_paths(folder: Path) -> list[Path]:
    """Every file below ``folder`` whose suffix is one of a picture that Pillow reads, sorted; none that is hidden."""
    try:
        return sorted(p for p in folder.rglob("*") if is_picture_name(p) and p.is_file()
                      and not any(part.startswith(".") for part in p.relative_to(folder).parts))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None


def read_folder(folder: Path, classes: tuple[str, ...], prepare: Callable[[Path], np.ndarray],
                progress: Callable) -> Split:
    """The pictures of every class below ``folder``; one that cannot be read is left out with a warning.

    Raises
    ------
    DataError
        A class is unknown, has no picture, or none that can be read.
    """
    extra = sorted({d.name for d in _subfolders(folder)} - set(classes))
    if extra:
        raise DataError(f"{folder / extra[0]} is a class that the training folder does not have")
    pairs = [(path, label) for label, name in enumerate(classes) for path in picture_paths(folder / name)]
    missing = sorted(set(range(len(classes))) - {label for _, label in pairs})
    if missing:
        raise DataError(f"{folder / classes[missing[0]]} holds no picture")
    images, labels = [], []
    for path, label in progress(pairs):
        try:
            images.append(prepare(path))
            labels.append(label)
        except ImageError as error:
            log.warning("left out: %s", error)
    unread = sorted(set(range(len(classes))) - set(labels))
    if unread:
        count = sum(label == unread[0] for _, label in pairs)
        raise DataError(f"{folder / classes[unread[0]]}: none of its {count} pictures can be read")
    return Split(np.stack(images), np.array(labels, np.int64))
