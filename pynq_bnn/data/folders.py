"""Pictures in one folder per class, directly or inside train, val and test, or within folders left by an archive."""

from __future__ import annotations

import logging
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import Array
from ..errors import DataError, ImageError, first_line
from .names import match_names
from .split import LAYOUTS, Split

log = logging.getLogger(__name__)

# Names of the splits' folders, upper or lower case.
SPLITS = {
    "train": ("train", "training", "train_set", "training_set"),
    "validation": ("val", "valid", "validate", "validation", "val_set", "validation_set"),
    "test": ("test", "testing", "test_set", "testing_set"),
}
# Words that mark a split inside a longer name, such as seg_train or Final_Training.
_SPLIT_WORDS = {word: split for split, names in SPLITS.items() for name in names for word in (name, name + "set")}
_UNLABELLED_WORDS = {"pred", "predict", "prediction", "unlabeled", "unlabelled"}
# Folders left by archivers, file systems and file managers.
_JUNK_FOLDERS = {"__macosx", "lost+found", "system volume information", "$recycle.bin", "@eadir", "__pycache__"}
# Text files beside pictures are normal and not reported.
_TEXTS = {".md", ".txt", ".csv", ".json", ".xml", ".yaml", ".yml", ".html", ".ini", ".log", ".py", ".ipynb", ".db"}
# Formats whose suffixes Pillow registers, but which it cannot read, or which are documents or films.
_NO_PICTURES = {"PDF", "MPEG", "EPS", "HDF5", "BUFR", "GRIB", "WMF"}
# Pictures that Pillow alone cannot read; the user is advised to convert them.
_CONVERTIBLE = {".heic", ".heif", ".avif", ".jxl", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf",
                ".rw2", ".pdf", ".eps"}
# Maximum number of folders wrapped around the data; deeper nesting is a loop of links.
_MOST_WRAPPERS = 8

# Wraps the list of pictures to read, (path, label) each, for a progress bar.
Progress = Callable[[Sequence[tuple[Path, int]]], Iterable[tuple[Path, int]]]


@dataclass
class Reading:
    """The files of a split that is to be read.

    pairs : (path, label) of every picture.
    groups : group number of each pair, or empty.
    crc : checksum of the contents read so far, without names, so that a folder may be moved.
    """

    pairs: list[tuple[Path, int]]
    groups: list[int] = field(default_factory=list)
    crc: int = 0

    def read(self, classes: Sequence[str], prepare: Callable[[Path], Array], progress: Progress) -> Split | None:
        """The pictures, without those that cannot be read (with a warning); None if there are none.

        Raises
        ------
        DataError
            A class has pictures, but none of them can be read.
        """
        images, kept = [], []
        for number, (path, _) in enumerate(progress(self.pairs)):
            try:
                images.append(prepare(path))
                self.crc = zlib.crc32(path.read_bytes(), self.crc)
                kept.append(number)
            except ImageError as error:
                log.warning("left out: %s", error)
            except OSError as error:  # the file has disappeared
                raise DataError(f"cannot read {path}: {first_line(error)}") from None
        labels = [self.pairs[number][1] for number in kept]
        counts = Counter(label for _, label in self.pairs)
        unread = sorted(set(counts) - set(labels))
        if unread:
            where = next(path for path, label in self.pairs if label == unread[0]).parent
            raise DataError(f"{where}: none of its {counts[unread[0]]} pictures can be read (class"
                            f" {classes[unread[0]]!r})")
        if not images:
            return None
        groups = np.array([self.groups[number] for number in kept], np.int64) if self.groups else None
        return Split(np.stack(images), np.array(labels, np.int64), groups)


def find_folders(root: Path, needs_train: bool) -> tuple[dict[str, Path | None], tuple[str, ...]]:
    """The folder of each split (None if missing; without splits, ``root`` is the training folder) and the classes.

    Folders that only wrap others are skipped: one folder around everything, ``seg_train/seg_train/CLASS``.

    Parameters
    ----------
    needs_train : bool
        Whether there must be training pictures, of at least two classes; otherwise the classes are those of the split
        to be scored.

    Raises
    ------
    DataError
        There are too few classes, splits and classes side by side, or no training folder.
    """
    root = _unwrapped(root, splits=True)
    folders = _split_folders(root)
    found = [folder for folder in folders.values() if folder]
    if not found:
        folders["train"] = root
    elif needs_train and folders["train"] is None:
        raise DataError(f"{root} holds {found[0].name!r} but no 'train'; {LAYOUTS}")
    first = next(folder for name in (("train",) if needs_train else ("test", "validation", "train"))
                 if (folder := folders[name]))
    names = tuple(d.name for d in subfolders(first))
    if len(names) < (2 if needs_train else 1):
        needed = "two or more are" if needs_train else "one or more is"
        raise DataError(f"{first} holds {len(names)} class folder(s), {needed} needed; {LAYOUTS}")
    return folders, names


def _split_folders(root: Path) -> dict[str, Path | None]:
    folders: dict[str, Path | None] = dict.fromkeys(SPLITS)
    beside, loose = [], _loose_splits(root)
    for folder in subfolders(root):
        split = _exact_split(folder) or loose.get(folder)
        if split is None:
            beside.append(folder)
        elif folders[split] is not None:
            raise DataError(f"{folder} and {folders[split]} are both taken for {split} pictures; rename one")
        else:
            folders[split] = folder
    found = [folder for folder in folders.values() if folder]
    if found and loose:
        for folder in beside:
            log.warning("left out: %s, whose pictures have no classes", folder)
    elif found and beside:
        raise DataError(f"{root} holds {found[0].name!r}, taken for a split, beside {beside[0].name!r}; put the classes"
                        " into train/, val/ and test/, or rename the class")
    return {split: _labelled(split, folder) for split, folder in folders.items()}


def _labelled(split: str, folder: Path | None) -> Path | None:
    """The folder that holds the split's class folders; None if its pictures have no classes."""
    if folder is None:
        return None
    folder = _unwrapped(folder, splits=False)
    if is_class_folder(folder):
        if split == "train":
            raise DataError(f"{folder} holds pictures but no class folder; {LAYOUTS}")
        log.warning("left out: %s, whose pictures have no classes", folder)
        return None
    return folder


def _exact_split(folder: Path) -> str | None:
    return next((split for split, names in SPLITS.items() if folder.name.casefold() in names), None)


def _loose_splits(root: Path) -> dict[Path, str]:
    """Splits recognised by a word in their names, as in seg_train and Final_Test, if every folder has such a name.

    Each must hold folders and no pictures directly, so that a class called "crash test" is not taken for a split.
    """
    found: dict[Path, str] = {}
    for folder in subfolders(root):
        words = re.findall(r"[a-z]+", folder.name.casefold())
        splits = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
        if _UNLABELLED_WORDS & set(words):
            continue
        if len(splits) != 1 or _holds_pictures(folder) or not subfolders(folder):
            return {}
        found[folder] = splits.pop()
    return found if len(set(found.values())) == len(found) else {}


def _unwrapped(folder: Path, splits: bool) -> Path:
    """``folder``, or the folder inside it if that is the only one and holds folders, and so on inwards.

    With ``splits``, a folder of a split is not treated as such a wrapper.
    """
    for _ in range(_MOST_WRAPPERS):
        inside = subfolders(folder)
        if _holds_pictures(folder) or len(inside) != 1:
            return folder
        if splits and (_exact_split(inside[0]) or _loose_splits(folder)):
            return folder
        if _holds_pictures(inside[0]) or not subfolders(inside[0]):  # a class
            return folder
        folder = inside[0]
    return folder


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder``, sorted, without hidden ones and those left by archivers or file systems."""
    try:
        return sorted(d for d in folder.iterdir() if d.is_dir() and not d.name.startswith(".")
                      and d.name.casefold() not in _JUNK_FOLDERS)
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None


def is_picture_name(path: Path) -> bool:
    """Whether the suffix is that of a picture format that Pillow reads."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind in Image.OPEN and kind not in _NO_PICTURES


def is_class_folder(folder: Path) -> bool:
    """Whether the folder holds pictures and no folders."""
    return not subfolders(folder) and _holds_pictures(folder)


def _holds_pictures(folder: Path) -> bool:
    try:
        return any(is_picture_name(p) and not p.name.startswith(".") and p.is_file() for p in folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None


def _files_below(folder: Path) -> Iterable[Path]:
    """Every file below ``folder``, except hidden ones and those in folders that are hidden or left by archivers."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part.casefold() in _JUNK_FOLDERS for part in parts) and path.is_file():
            yield path


def picture_paths(folder: Path) -> list[Path]:
    """Every picture file below ``folder`` that Pillow reads, by suffix, sorted, without hidden ones."""
    return _sorted_files(folder)[0]


def skipped_files(folder: Path) -> Counter[str]:
    """Counts of the files below ``folder`` that are neither texts nor readable pictures, by suffix ("" for none)."""
    return _sorted_files(folder)[1]


def _sorted_files(folder: Path) -> tuple[list[Path], Counter[str]]:
    pictures: list[Path] = []
    others: Counter[str] = Counter()
    try:
        for path in _files_below(folder):
            if is_picture_name(path):
                pictures.append(path)
            elif path.suffix.lower() not in _TEXTS:
                others[path.suffix.lower()] += 1
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None
    return sorted(pictures), others


def skipped_words(skipped: Counter[str]) -> str:
    """A message about skipped files, with the advice to convert those that may be pictures."""
    names = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in skipped.most_common())
    words = f"left out, no pictures that can be read here: {names}"
    convertible = [suffix for suffix, _ in skipped.most_common() if suffix in _CONVERTIBLE]
    if convertible:
        words += f"; make JPEG or PNG of them first (ImageMagick: magick mogrify -format jpg *{convertible[0]})"
    return words


def scan_split(folder: Path, classes: tuple[str, ...], needs_all: bool) -> Reading:
    """The pictures of every class in ``folder``, not read yet.

    Parameters
    ----------
    needs_all : bool
        Whether every class must have a picture; otherwise classes without pictures are named in a warning.

    Raises
    ------
    DataError
        A class is unknown, or has no picture but needs one.
    """
    inside = subfolders(folder)
    labels = match_names([d.name for d in inside], classes)
    extra = [d for d, label in zip(inside, labels) if label is None]
    if extra:
        raise DataError(f"{extra[0]} is a class that the training folder does not have")
    pairs: list[tuple[Path, int]] = []
    skipped: Counter[str] = Counter()
    known = [(place, label) for place, label in zip(inside, labels) if label is not None]
    for place, label in sorted(known, key=lambda pair: pair[1]):
        pictures, others = _sorted_files(place)
        pairs += [(path, label) for path in pictures]
        skipped += others
        if needs_all and not pictures:
            what = f" ({skipped_words(others)})" if others else ""
            raise DataError(f"{place} holds no picture{what}")
    if skipped:
        log.warning("%s: %s", folder, skipped_words(skipped))
    loose = sum(is_picture_name(p) and not p.name.startswith(".") for p in folder.iterdir())
    if loose:
        log.warning("left out: %d picture(s) beside the class folders of %s", loose, folder)
    missing = [classes[label] for label in sorted(set(range(len(classes))) - {label for _, label in pairs})]
    if missing:
        log.warning("%s holds no picture of %s", folder, ", ".join(missing))
    return Reading(pairs)
