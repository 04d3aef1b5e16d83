"""Data sets in their publishers' layouts, as uint8 arrays: CIFAR-10 binary, MNIST idx, class folders."""

from __future__ import annotations

import gzip
import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..classify.preprocess import network_input
from ..errors import DataError, ImageError
from ..network.spec import InputSpec

log = logging.getLogger(__name__)

CIFAR_RECORD = 1 + 32 * 32 * 3
_TRAIN_NAMES = ("train", "training")
_TEST_NAMES = ("test", "testing")
_VALIDATION_NAMES = ("val", "valid", "validation")
LAYOUTS = """\
  CIFAR-10 binary:  DIR/data_batch_1.bin … data_batch_5.bin, test_batch.bin (or in DIR/cifar-10-batches-bin)
  MNIST idx:        DIR/train-images-idx3-ubyte … t10k-labels-idx1-ubyte, plain or .gz (or in DIR/MNIST/raw)
  own pictures:     DIR/CLASS/picture.jpg, or DIR/train/CLASS/… with DIR/val and DIR/test beside it"""


@dataclass(frozen=True, eq=False)
class Split:
    """images : (N, H, W, C) uint8; labels : (N,) int64, indices into the data set's classes."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> Split:
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set; ``validation`` and ``test`` are None where the directory holds no such split."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None

    def evaluation_split(self) -> tuple[str, Split]:
        """What ``evaluate`` scores: the test split, else the validation split, else every picture."""
        if self.test is not None:
            return "test", self.test
        if self.validation is not None:
            return "validation", self.validation
        return "all", self.train


def load_dataset(directory: str | Path, spec: InputSpec, *, parts: str = "all",
                 progress: Callable | None = None) -> Dataset:
    """The data set in ``directory``, its layout recognised from the files.

    Parameters
    ----------
    spec : InputSpec
        The network's input; pictures of own folders are brought to its size, published sets must have it.
    parts : str
        "all", or "test" to spare reading the training part where a test part exists.
    progress : callable, optional
        Wraps the list of pictures to read, e.g. ``tqdm``.

    Raises
    ------
    DataError
        Names the missing or damaged file, or the layouts that fit.
    """
    root = Path(directory)
    if not root.is_dir():
        raise DataError(f"{root} is not a directory; a data set directory is one of\n{LAYOUTS}")
    published = _published(root)
    if published:
        # A directory may hold several; the last one is the one to complain about.
        read = next((read for read, shape in published if shape == spec.shape), published[-1][0])
        return _sized(read(parts), spec)
    return _class_folders(root, spec, parts, progress or (lambda paths: paths))


def _published(root: Path) -> list[tuple[Callable[[str], Dataset], tuple[int, int, int]]]:
    """Readers of the published data sets found in ``root``, each with the shape of its pictures."""
    found: list[tuple[Callable[[str], Dataset], tuple[int, int, int]]] = []
    for place in (root, root / "cifar-10-batches-bin"):
        if any(place.glob("*_batch*.bin")):
            found.append((partial(_cifar10, place), (32, 32, 3)))
    for place in (root, root / "MNIST" / "raw", root / "raw"):
        if any(place.glob("*-idx?-ubyte*")):
            found.append((partial(_mnist, place), (28, 28, 1)))
    return found


def _sized(data: Dataset, spec: InputSpec) -> Dataset:
    for part, split in (("training", data.train), ("test", data.test)):
        if split and split.images.shape[1:] != spec.shape:
            raise DataError(f"{data.name} has {part} pictures of {split.images.shape[1:]}, the network takes"
                            f" {spec.shape} (height, width, channels)")
    return data


def _empty(shape: tuple[int, ...]) -> Split:
    return Split(np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64))


def _read(path: Path) -> bytes:
    """The bytes of ``path`` or of ``path.gz``."""
    zipped = path.with_name(path.name + ".gz")
    try:
        if path.is_file():
            return path.read_bytes()
        if zipped.is_file():
            path = zipped
            return gzip.decompress(zipped.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    raise DataError(f"{path} is missing; a data set directory is one of\n{LAYOUTS}")


def _cifar10(place: Path, parts: str) -> Dataset:
    from ..zoo.tables import CIFAR10_CLASSES

    test = _cifar_records(place / "test_batch.bin")
    if parts == "test":
        return Dataset("CIFAR-10", CIFAR10_CLASSES, _empty((32, 32, 3)), test=test)
    batches = [_cifar_records(place / f"data_batch_{i}.bin") for i in range(1, 6)]
    train = Split(*(np.concatenate([getattr(b, part) for b in batches]) for part in ("images", "labels")))
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
    digits = tuple("0123456789")
    test = _idx_pair(place, "t10k", len(digits))
    train = _empty(test.images.shape[1:]) if parts == "test" else _idx_pair(place, "train", len(digits))
    return Dataset("MNIST", digits, train, test=test)


def _idx_pair(place: Path, name: str, classes: int) -> Split:
    images = _idx(place / f"{name}-images-idx3-ubyte", 3)
    labels = _idx(place / f"{name}-labels-idx1-ubyte", 1).astype(np.int64)
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{place}: {name} has {len(images)} images and {len(labels)} labels")
    if labels.max() >= classes:
        raise DataError(f"{place}: {name} holds the label {labels.max()}; 0 to {classes - 1} fit")
    return Split(images[..., None], labels)


def _idx(path: Path, rank: int) -> np.ndarray:
    raw = _read(path)
    head = 4 + 4 * rank
    if len(raw) < head or raw[:4] != bytes((0, 0, 8, rank)):
        raise DataError(f"{path} is not an idx file of {rank}-dimensional unsigned bytes")
    shape = struct.unpack(f">{rank}I", raw[4:head])
    if len(raw) - head != int(np.prod(shape, dtype=object)):
        raise DataError(f"{path} says {shape} and holds {len(raw) - head} bytes")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def _class_folders(root: Path, spec: InputSpec, parts: str, progress: Callable) -> Dataset:
    train_dir = _first_dir(root, _TRAIN_NAMES)
    folders = {"train": train_dir or root, "validation": None, "test": _first_dir(root, _TEST_NAMES)}
    if train_dir is not None:
        folders["validation"] = _first_dir(root, _VALIDATION_NAMES)
    else:
        folders["test"] = None
    classes = _class_names(folders["train"])
    if set(classes) <= {*_TEST_NAMES, *_VALIDATION_NAMES}:
        raise DataError(f"{root} holds {' and '.join(classes)} but no train; a data set directory is one of\n{LAYOUTS}")
    if parts == "test" and (folders["test"] or folders["validation"]):
        folders["train"] = None
    splits = {name: None if folder is None else _read_folder(folder, classes, spec, progress)
              for name, folder in folders.items()}
    return Dataset(root.name, classes, splits["train"] or _empty(spec.shape), splits["validation"], splits["test"])


def _first_dir(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _class_names(folder: Path) -> tuple[str, ...]:
    names = sorted(d.name for d in folder.iterdir() if d.is_dir() and not d.name.startswith("."))
    if len(names) < 2:
        raise DataError(f"{folder} holds {len(names)} class folder(s), two or more are needed;"
                        f" a data set directory is one of\n{LAYOUTS}")
    return tuple(names)


def picture_paths(folder: Path) -> list[Path]:
    """Every file below ``folder`` whose suffix Pillow knows as a picture's, sorted."""
    known = Image.registered_extensions()
    return sorted(p for p in folder.rglob("*")
                  if p.suffix.lower() in known and p.is_file() and not p.name.startswith("."))


def _read_folder(folder: Path, classes: tuple[str, ...], spec: InputSpec, progress: Callable) -> Split:
    extra = sorted({d.name for d in folder.iterdir() if d.is_dir() and not d.name.startswith(".")} - set(classes))
    if extra:
        raise DataError(f"{folder / extra[0]} is a class that the training folder does not have")
    pairs = [(path, label) for label, name in enumerate(classes) for path in picture_paths(folder / name)]
    missing = sorted(set(range(len(classes))) - {label for _, label in pairs})
    if missing:
        raise DataError(f"{folder / classes[missing[0]]} holds no picture")
    images, labels = [], []
    for path, label in progress(pairs):
        try:
            images.append(network_input(path, spec))
            labels.append(label)
        except ImageError as error:
            log.warning("left out: %s", error)
    unread = sorted(set(range(len(classes))) - set(labels))
    if unread:
        count = sum(label == unread[0] for _, label in pairs)
        raise DataError(f"{folder / classes[unread[0]]}: none of its {count} pictures can be read")
    return Split(np.stack(images), np.array(labels, np.int64))
