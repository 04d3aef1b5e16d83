"""Data sets in their publishers' layouts, as uint8 arrays: CIFAR-10, MNIST, SVHN, GTSRB, own class folders."""

from __future__ import annotations

import gzip
import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..arrays import Array
from ..errors import DataError, first_line
from ..files import is_dir, is_file
from ..network.spec import InputSpec
from ..pictures.preprocess import Picture, network_input
from .classes import CIFAR10_CLASSES, DIGITS, GTSRB_CLASSES
from .folders import Progress, Reading, find_folders, is_class_folder, picture_paths, scan_split
from .gtsrb import Places, cutter, find_gtsrb, scan_test, scan_training
from .split import LAYOUTS, Split, count_words
from .svhn import read_part, read_training

log = logging.getLogger(__name__)

CIFAR_RECORD = 1 + 32 * 32 * 3
# The input of a network, or a function that returns it for the classes of the pictures.
Spec = Union[InputSpec, Callable[[tuple[str, ...]], InputSpec]]
# Maximum unpacked size of a .gz file; MNIST's largest has 47 MB.
_MAX_UNPACKED = 1 << 30


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set; ``validation`` and ``test`` are None if the directory holds no such split.

    content : checksums of the files of its training and validation pictures, which identify it wherever it is stored;
    empty for published sets, whose arrays can be compared directly because no decoder was involved.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None
    content: str = ""

    def evaluation_split(self) -> tuple[str, Split]:
        """What ``evaluate`` scores: the test split, else the validation split, else every picture."""
        if self.test is not None:
            return "test", self.test
        if self.validation is not None:
            return "validation", self.validation
        return "all", self.train


def load_dataset(directory: str | Path, spec: Spec, *, parts: str = "all",
                 progress: Progress | None = None, prepare: Callable[[Picture], Array] | None = None,
                 check: Callable[[tuple[str, ...]], None] | None = None) -> Dataset:
    """The data set in ``directory``, its layout recognised from the files.

    The number of pictures per class is logged as information, skipped files as a warning.

    Parameters
    ----------
    spec : InputSpec, or callable
        The network's input, or a function that returns it for the classes. Pictures in class folders are fitted to its
        size; published sets must have that size.
    parts : str
        "all", or "test" for what ``evaluate`` scores: the training part is not read if there is a test part, and a
        class may be missing.
    progress : callable, optional
        Wraps the list of pictures to read, e.g. ``tqdm``.
    prepare : callable, optional
        From a picture of a class folder (a path or a PIL image) to its (H, W, C) uint8 pixels, instead of the
        network's rule.
    check : callable, optional
        Called with the classes before any picture is read; its exceptions are passed on.

    Raises
    ------
    DataError
        Names the missing or damaged file, or the layouts that fit.
    """
    root = Path(directory)
    if not str(directory) or not is_dir(root):  # Path("") is the current folder
        raise DataError(f"{str(directory) or 'an empty name'} is not a directory; {LAYOUTS}")
    progress, check = progress or (lambda paths: paths), check or (lambda classes: None)
    published = _published(root)
    if published:
        # A directory may hold several sets; if none fits, the error is about the last one.
        read, _, classes = next((one for one in published if one[1] == _for_classes(spec, one[2]).shape), published[-1])
        check(classes)
        data = _sized(read(parts), _for_classes(spec, classes))
        _tell(data.name, data.classes, {name: split.labels for name in ("train", "validation", "test")
                                        if (split := getattr(data, name)) is not None and len(split)})
        return data
    signs = find_gtsrb(root)
    if signs:
        check(GTSRB_CLASSES)
        return _gtsrb(signs, _for_classes(spec, GTSRB_CLASSES), parts, prepare, progress)
    return _class_folders(root, spec, parts, prepare, progress, check)


def _for_classes(spec: Spec, classes: tuple[str, ...]) -> InputSpec:
    return spec if isinstance(spec, InputSpec) else spec(classes)


def _tell(name: str, classes: tuple[str, ...], labels: dict[str, Any]) -> None:
    parts = "; ".join(f"{split} {count_words(classes, numbers)}" for split, numbers in labels.items())
    log.info("%s, %d classes; %s", name, len(classes), parts)


def _published(root: Path) -> list[tuple[Callable[[str], Dataset], tuple[int, int, int], tuple[str, ...]]]:
    """Readers of the published data sets found in ``root``, each with the shape of its pictures and its classes."""
    found: list[tuple[Callable[[str], Dataset], tuple[int, int, int], tuple[str, ...]]] = []
    for place in (root, root / "cifar-10-batches-bin"):
        if any(place.glob("*_batch*.bin")):
            found.append((partial(_cifar10, place), (32, 32, 3), CIFAR10_CLASSES))
    for place in (root, root / "MNIST" / "raw", root / "raw"):
        if any(place.glob("*idx?-ubyte*")):
            found.append((partial(_mnist, place), (28, 28, 1), DIGITS))
    if any(root.glob("*_32x32.mat")):
        found.append((partial(_svhn, root), (32, 32, 3), DIGITS))
    return found


def _sized(data: Dataset, spec: InputSpec) -> Dataset:
    for part, split in (("training", data.train), ("test", data.test)):
        if split and split.images.shape[1:] != spec.shape:
            raise DataError(f"{data.name} has {part} pictures of {split.images.shape[1:]}, the network takes"
                            f" {spec.shape} (height, width, channels)")
    return data


def _read(path: Path) -> bytes:
    """The bytes of ``path`` or of ``path.gz``."""
    zipped = path.with_name(path.name + ".gz")
    try:
        if is_file(path):
            return path.read_bytes()
        if is_file(zipped):
            path = zipped
            with gzip.open(zipped) as file:
                content = file.read(_MAX_UNPACKED + 1)
            if len(content) > _MAX_UNPACKED:
                raise DataError(f"{zipped} unpacks to more than {_MAX_UNPACKED} bytes, too much for this data set")
            return content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {first_line(error)}") from None
    raise DataError(f"{path} is missing; {LAYOUTS}")


def _cifar10(place: Path, parts: str) -> Dataset:
    test = _cifar_records(place / "test_batch.bin")
    if parts == "test":
        return Dataset("CIFAR-10", CIFAR10_CLASSES, Split.empty((32, 32, 3)), test=test)
    train = Split.joined([_cifar_records(place / f"data_batch_{i}.bin") for i in range(1, 6)])
    return Dataset("CIFAR-10", CIFAR10_CLASSES, train, test=test)


def _cifar_records(path: Path) -> Split:
    raw = np.frombuffer(_read(path), np.uint8)
    if not len(raw) or len(raw) % CIFAR_RECORD:
        raise DataError(f"{path} has {len(raw)} bytes; CIFAR-10 records take {CIFAR_RECORD} bytes each")
    records = raw.reshape(-1, CIFAR_RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        raise DataError(f"{path} holds the label {labels.max()}; CIFAR-10 has 0 to 9 (is this CIFAR-100?)")
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def _mnist(place: Path, parts: str) -> Dataset:
    test = _idx_pair(place, "t10k", len(DIGITS))
    train = Split.empty(test.images.shape[1:]) if parts == "test" else _idx_pair(place, "train", len(DIGITS))
    return Dataset("MNIST", DIGITS, train, test=test)


def _svhn(place: Path, parts: str) -> Dataset:
    test = read_part(place, "test")
    train = Split.empty(test.images.shape[1:]) if parts == "test" else read_training(place)
    return Dataset("SVHN", DIGITS, train, test=test)


def _idx_pair(place: Path, name: str, classes: int) -> Split:
    images = _idx(place / f"{name}-images-idx3-ubyte", 3)
    labels = _idx(place / f"{name}-labels-idx1-ubyte", 1).astype(np.int64)
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{place}: {name} has {len(images)} images and {len(labels)} labels")
    if labels.max() >= classes:
        raise DataError(f"{place}: {name} holds the label {labels.max()}; 0 to {classes - 1} fit")
    return Split(images[..., None], labels)


def _idx(path: Path, rank: int) -> Array:
    dotted = path.with_name(path.name.replace("-idx", ".idx"))  # as some archives name them
    raw = _read(dotted if is_file(dotted) else path)
    head = 4 + 4 * rank
    if len(raw) < head or raw[:4] != bytes((0, 0, 8, rank)):
        raise DataError(f"{path} is not an idx file of {rank}-dimensional unsigned bytes")
    shape = struct.unpack(f">{rank}I", raw[4:head])
    if len(raw) - head != int(np.prod(shape, dtype=object)):
        raise DataError(f"{path} says {shape} and holds {len(raw) - head} bytes")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def _class_folders(root: Path, spec: Spec, parts: str, prepare: Callable[[Picture], Array] | None,
                   progress: Progress, check: Callable[[tuple[str, ...]], None]) -> Dataset:
    scored, name = parts == "test", root.resolve().name or "root"
    classes: tuple[str, ...]
    if scored and is_class_folder(root):
        classes, readings = (name,), {"train": Reading([(path, 0) for path in picture_paths(root)])}
        check(classes)
    else:
        folders, classes = find_folders(root, needs_train=not scored)
        check(classes)
        wanted = [next(split for split in ("test", "validation", "train") if folders[split])] if scored else folders
        readings = {split: scan_split(folder, classes, needs_all=split == "train" and not scored)
                    for split in wanted if (folder := folders[split])}
    if not any(reading.pairs for reading in readings.values()):
        raise DataError(f"{root} holds no picture; {LAYOUTS}")
    _tell(name, classes, {split: [label for _, label in reading.pairs] for split, reading in readings.items()})
    spec = _for_classes(spec, classes)
    prepare = prepare or partial(network_input, spec=spec)
    splits = {split: reading.read(classes, prepare, progress) for split, reading in readings.items()}
    return _dataset(name, classes, spec, splits, readings)


def _gtsrb(places: Places, spec: InputSpec, parts: str, prepare: Callable[[Picture], Array] | None,
           progress: Progress) -> Dataset:
    readings: dict[str, Any] = {}
    test = scan_test(places, needed=places.train is None)
    if parts != "test" or test is None:
        if places.train is None:
            raise DataError(f"{places.test} holds GTSRB's test pictures; its Final_Training is missing")
        readings["train"] = scan_training(places.train)
    if test:
        readings["test"] = test
    _tell("GTSRB", GTSRB_CLASSES, {split: [label for _, label in part.pairs] for split, part in readings.items()})
    cut = partial(cutter, prepare=prepare or partial(network_input, spec=spec))
    splits = {split: part.read(GTSRB_CLASSES, cut(part), progress) for split, part in readings.items()}
    return _dataset("GTSRB", GTSRB_CLASSES, spec, splits, readings)


def _dataset(name: str, classes: tuple[str, ...], spec: InputSpec, splits: dict[str, Split | None],
             readings: dict[str, Reading]) -> Dataset:
    content = " ".join(f"{reading.crc:08x}" for split, reading in readings.items() if split != "test")
    return Dataset(name, classes, splits.get("train") or Split.empty(spec.shape), splits.get("validation"),
                   splits.get("test"), content)
