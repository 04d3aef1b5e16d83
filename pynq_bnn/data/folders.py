"""Own pictures: one folder a class, flat or inside train, val and test, and whatever archives wrap around them."""

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

# Names of the splits' folders, in any case of letters.
SPLITS = {
    "train": ("train", "training", "train_set", "training_set"),
    "validation": ("val", "valid", "validate", "validation", "val_set", "validation_set"),
    "test": ("test", "testing", "test_set", "testing_set"),
}
# Words that mark a split inside a longer name, such as seg_train or Final_Training.
_SPLIT_WORDS = {word: split for split, names in SPLITS.items() for name in names for word in (name, name + "set")}
_UNLABELLED_WORDS = {"pred", "predict", "prediction", "unlabeled", "unlabelled"}
# What archivers, file systems and file managers leave behind.
_JUNK_FOLDERS = {"__macosx", "lost+found", "system volume information", "$recycle.bin", "@eadir", "__pycache__"}
# Texts lie beside pictures by right.
_TEXTS = {".md", ".txt", ".csv", ".json", ".xml", ".yaml", ".yml", ".html", ".ini", ".log", ".py", ".ipynb", ".db"}
# Pillow registers suffixes of formats that it cannot read, or that are documents and films.
_NO_PICTURES = {"PDF", "MPEG", "EPS", "HDF5", "BUFR", "GRIB", "WMF"}
# Pictures that Pillow does not read by itself: worth converting.
_CONVERTIBLE = {".heic", ".heif", ".avif", ".jxl", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf",
                ".rw2", ".pdf", ".eps"}
# Folders around folders; deeper nesting is a loop of links.
_MOST_WRAPPERS = 8

# What wraps the list of pictures to read: path and label of each.
Progress = Callable[[Sequence[tuple[Path, int]]], Iterable[tuple[Path, int]]]


@dataclass
class Reading:
    """Pictures on their way into a split: their files, and what is to be done with each.

    pairs : (path, label) of every picture; groups : of each pair, or empty; crc : of the files read so far, names left
    out, so that a folder may be moved.
    """

    pairs: list[tuple[Path, int]]
    groups: list[int] = field(default_factory=list)
    crc: int = 0

    def read(self, classes: Sequence[str], prepare: Callable[[Path], Array], progress: Progress) -> Split | None:
        """The pictures; one that cannot be read is left out with a warning. None where none can be.

        Raises
        ------
        DataError
            A class has pictures, and none of them can be read.
        """
        images, kept = [], []
        for number, (path, _) in enumerate(progress(self.pairs)):
            try:
                images.append(prepare(path))
                self.crc = zlib.crc32(path.read_bytes(), self.crc)
                kept.append(number)
            except ImageError as error:
                log.warning("left out: %s", error)
            except OSError as error:  # gone in the meantime
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
    """The folder of each split (None where there is none; all of it training when it is flat) and the classes.

    Folders that only wrap others are looked through: one folder around everything, ``seg_train/seg_train/CLASS``.

    Parameters
    ----------
    needs_train : bool
        Whether there must be training pictures, of two classes or more; else the classes are those of the split that
        is there to be scored.

    Raises
    ------
    DataError
        Fewer classes than needed, splits and classes side by side, or a training folder that is missing.
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
    """The folder that holds the split's class folders; None where its pictures have no classes."""
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
    """Splits told by a word of their names, as in seg_train and Final_Test, where every folder is such a one.

    Each must hold folders and no pictures of its own, so that a class called "crash test" stays one.
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
    """``folder``, or where it holds one folder of folders and nothing else, that one.

    With ``splits`` a split is no such wrapper.
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
    """The folders in ``folder``, sorted; none that is hidden or left by an archiver or a file system."""
    try:
        return sorted(d for d in folder.iterdir() if d.is_dir() and not d.name.startswith(".")
                      and d.name.casefold() not in _JUNK_FOLDERS)
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None


def is_picture_name(path: Path) -> bool:
    """Whether a file's suffix is one of a picture that Pillow reads."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind in Image.OPEN and kind not in _NO_PICTURES


def is_class_folder(folder: Path) -> bool:
    """Whether it holds pictures and no folder."""
    return not subfolders(folder) and _holds_pictures(folder)


def _holds_pictures(folder: Path) -> bool:
    try:
        return any(is_picture_name(p) and not p.name.startswith(".") and p.is_file() for p in folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from None


def _files_below(folder: Path) -> Iterable[Path]:
    """Every file below ``folder`` that is not hidden, nor in a folder that is or that an archiver left."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part.casefold() in _JUNK_FOLDERS for part in parts) and path.is_file():
            yield path


def picture_paths(folder: Path) -> list[Path]:
    """Every file below ``folder`` whose suffix is one of a picture that Pillow reads, sorted; none that is hidden."""
    return _sorted_files(folder)[0]


def skipped_files(folder: Path) -> Counter[str]:
    """How many files below ``folder`` are neither texts nor pictures that Pillow reads, by suffix ("" for none)."""
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
    """What was passed over, in words, with the advice to convert what may hold pictures."""
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
        Whether every class must have a picture; else one that has none is named in a warning.

    Raises
    ------
    DataError
        A class is unknown, or has no picture though it must.
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
