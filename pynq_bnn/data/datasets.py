"""Data sets in their publishers' layouts, as uint8 arrays: CIFAR-10 binary, MNIST idx, SVHN, own class folders."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..classify.preprocess import network_input
from ..errors import DataError, first_line
from ..files import is_dir, is_file
from ..network.spec import InputSpec
from ..zoo.tables import CIFAR10_CLASSES, DIGITS
from .folders import SPLITS, find_folders, read_folder
from .split import LAYOUTS, Split
from .svhn import read_part, read_training

CIFAR_RECORD = 1 + 32 * 32 * 3
# What a .gz may unpack to; MNIST's largest file has 47 MB.
_MAX_UNPACKED = 1 << 30


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
                 progress: Callable | None = None, prepare: Callable | None = None) -> Dataset:
    """The data set in ``directory``, its layout recognised from the files.

    Parameters
    ----------
    spec : InputSpec
        The network's input; pictures of own folders are brought to its size, published sets must have it.
    parts : str
        "all", or "test" to spare reading the training part where a test part exists.
    progress : callable, optional
        Wraps the list of pictures to read, e.g. ``tqdm``.
    prepare : callable, optional
        From the path of an own picture to its (H, W, C) uint8 pixels, instead of the network's rule.

    Raises
    ------
    DataError
        Names the missing or damaged file, or the layouts that fit.
    """
    root = Path(directory)
    if not is_dir(root):
        raise DataError(f"{root} is not a directory; {LAYOUTS}")
    published = _published(root)
    if published:
        # A directory may hold several; the last one is the one to complain about.
        read = next((read for read, shape in published if shape == spec.shape), published[-1][0])
        return _sized(read(parts), spec)
    prepare = prepare or partial(network_input, spec=spec)
    return _class_folders(root, spec, parts, prepare, progress or (lambda paths: paths))


def _published(root: Path) -> list[tuple[Callable[[str], Dataset], tuple[int, int, int]]]:
    """Readers of the published data sets found in ``root``, each with the shape of its pictures."""
    found: list[tuple[Callable[[str], Dataset], tuple[int, int, int]]] = []
    for place in (root, root / "cifar-10-batches-bin"):
        if any(place.glob("*_batch*.bin")):
            found.append((partial(_cifar10, place), (32, 32, 3)))
    for place in (root, root / "MNIST" / "raw", root / "raw"):
        if any(place.glob("*idx?-ubyte*")):
            found.append((partial(_mnist, place), (28, 28, 1)))
    if any(root.glob("*_32x32.mat")):
        found.append((partial(_svhn, root), (32, 32, 3)))
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
        if is_file(path):
            return path.read_bytes()
        if is_file(zipped):
            path = zipped
            with gzip.open(zipped) as file:
                content = file.read(_MAX_UNPACKED + 1)
            if len(content) > _MAX_UNPACKED:
                raise DataError(f"{zipped} unpacks to more than {_MAX_UNPACKED} bytes; this is no such data set")
            return content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {first_line(error)}") from None
    raise DataError(f"{path} is missing; {LAYOUTS}")


def _cifar10(place: Path, parts: str) -> Dataset:
    test = _cifar_records(place / "test_batch.bin")
    if parts == "test":
        return Dataset("CIFAR-10", CIFAR10_CLASSES, _empty((32, 32, 3)), test=test)
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
    train = _empty(test.images.shape[1:]) if parts == "test" else _idx_pair(place, "train", len(DIGITS))
    return Dataset("MNIST", DIGITS, train, test=test)


def _svhn(place: Path, parts: str) -> Dataset:
    test = read_part(place, "test")
    train = _empty(test.images.shape[1:]) if parts == "test" else read_training(place)
    return Dataset("SVHN", DIGITS, train, test=test)


def _idx_pair(place: Path, name: str, classes: int) -> Split:
    images = _idx(place / f"{name}-images-idx3-ubyte", 3)
    labels = _idx(place / f"{name}-labels-idx1-ubyte", 1).astype(np.int64)
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{place}: {name} has {len(images)} images and {len(labels)} labels")
    if labels.max() >= classes:
        raise DataError(f"{place}: {name} holds the label {labels.max()}; 0 to {classes - 1} fit")
    return Split(images[..., None], labels)


def _idx(path: Path, rank: int) -> np.ndarray:
    dotted = path.with_name(path.name.replace("-idx", ".idx"))  # as some archives name them
    raw = _read(dotted if is_file(dotted) else path)
    head = 4 + 4 * rank
    if len(raw) < head or raw[:4] != bytes((0, 0, 8, rank)):
        raise DataError(f"{path} is not an idx file of {rank}-dimensional unsigned bytes")
    shape = struct.unpack(f">{rank}I", raw[4:head])
    if len(raw) - head != int(np.prod(shape, dtype=object)):
        raise DataError(f"{path} says {shape} and holds {len(raw) - head} bytes")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def _class_folders(root: Path, spec: InputSpec, parts: str, prepare: Callable, progress: Callable) -> Dataset:
    folders, classes = find_folders(root, needs_train=parts != "test")
    if parts == "test" and (folders["test"] or folders["validation"]):
        folders["train"] = None
    splits = {name: read_folder(folders[name], classes, prepare, progress) if folders[name] else None
              for name in SPLITS}
    return Dataset(root.resolve().name or "root", classes, splits["train"] or _empty(spec.shape),
                   splits["validation"], splits["test"])
