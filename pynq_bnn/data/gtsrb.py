"""GTSRB, the German Traffic Sign Recognition Benchmark (Stallkamp et al. 2012), in its publisher's layout.

``Final_Training/Images/00000 … 00042`` hold pictures ``TRACK_FRAME.ppm`` and ``GT-00000.csv``; ``Final_Test/Images``
holds pictures, whose classes are in ``GT-final_test.csv`` from another archive. The tables are separated by semicolons:
Filename, Width, Height, Roi.X1, Roi.Y1, Roi.X2, Roi.Y2, ClassId. Pictures have a border of a tenth, at least 5 pixels,
around the sign. The network sees the region of interest, with X2 and Y2 exclusive (inclusive, the border would be only
4 pixels).
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..arrays import Array
from ..errors import DataError, ImageError, first_line
from ..files import is_dir, is_file
from ..pictures.preprocess import Picture, read_picture
from .classes import GTSRB_CLASSES
from .folders import Reading

log = logging.getLogger(__name__)

_COLUMNS = ("Filename", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")
_TEST_TABLE = "GT-final_test.csv"
_MOST_ROWS = 1_000_000

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Places:
    """The folders of the parts and the table of the test pictures; None for what is missing."""

    train: Path | None
    test: Path | None
    table: Path | None


@dataclass
class Signs(Reading):
    """Pictures with the region of each that shows the sign."""

    boxes: dict[Path, Box] = field(default_factory=dict)

    def cut(self, path: Path, prepare: Callable[[Picture], Array]) -> Array:
        """The network's pixels of the sign in the picture at ``path``."""
        image, box = read_picture(path), self.boxes[path]
        if not (0 <= box[0] < box[2] <= image.width and 0 <= box[1] < box[3] <= image.height):
            raise ImageError(f"{path}: its region {box} does not lie in its {image.width}×{image.height} pixels")
        return prepare(image.crop(box))


def find_gtsrb(root: Path) -> Places | None:
    """Find GTSRB: unpacked into ``root``, each archive in its own folder there, or ``root`` itself is one part."""
    bases = [root, root / "GTSRB", *_folders(root, "*/GTSRB")]
    trains = [base / place for base in bases for place in ("Final_Training/Images", "Training")]
    tests = [base / "Final_Test/Images" for base in bases]
    trains += [root, root / "Images"]
    if root.name == "Final_Test" or root.parent.name == "Final_Test":
        tests += [root, root / "Images"]
    train = next((place for place in trains if _is_training(place)), None)
    test = next((place for place in tests if is_dir(place) and any(place.glob("*.ppm"))), None)
    if train is None and test is None:
        return None
    around = [test, test.parent, test.parent.parent, test.parent.parent.parent] if test else []
    table = next((place / _TEST_TABLE for place in (*around, *bases, *_folders(root, "*"))
                  if is_file(place / _TEST_TABLE)), None)
    return Places(train, test, table)


def _folders(root: Path, pattern: str) -> list[Path]:
    return sorted(place for place in root.glob(pattern) if is_dir(place))


def _is_training(place: Path) -> bool:
    return is_file(place / "00000" / "GT-00000.csv")


def scan_training(place: Path) -> Signs:
    """The training pictures; the frames of a track, which show the same sign, form a group.

    Raises
    ------
    DataError
        A table is missing, damaged or without a picture.
    """
    signs = Signs([])
    tracks: dict[tuple[int, str], int] = {}
    for number, name in enumerate(GTSRB_CLASSES):
        folder = place / f"{number:05}"
        rows = _rows(folder / f"GT-{number:05}.csv")
        if not rows:
            raise DataError(f"{folder} has no picture of class {number} ({name}) in its table")
        for path, label, box in rows:
            if label != number:
                raise DataError(f"{folder / f'GT-{number:05}.csv'} says class {label} of {path.name}; {number} fits")
            signs.groups.append(tracks.setdefault((number, path.stem.split("_")[0]), len(tracks)))
            signs.pairs.append((path, label))
            signs.boxes[path] = box
    return signs


def scan_test(places: Places, needed: bool) -> Signs | None:
    """The test pictures; None, with a warning, if the table of their classes is missing.

    Raises
    ------
    DataError
        The table is damaged, or missing and ``needed``.
    """
    if places.test is None:
        return None
    if places.table is None:
        words = (f"{places.test} holds pictures without classes; {_TEST_TABLE} (in GTSRB_Final_Test_GT.zip) is missing,"
                 " put it beside them")
        if needed:
            raise DataError(words)
        log.warning("left out: %s", words)
        return None
    signs = Signs([])
    for path, label, box in _rows(places.table, places.test):
        signs.pairs.append((path, label))
        signs.boxes[path] = box
    if not signs.pairs:
        raise DataError(f"{places.table} names no picture")
    return signs


def _rows(table: Path, pictures: Path | None = None) -> list[tuple[Path, int, Box]]:
    """Path, class and region of every row."""
    rows: list[tuple[Path, int, Box]] = []
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=";")
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{table} has no column {missing[0]!r}; GTSRB's tables are separated by semicolons and"
                                f" have {', '.join(_COLUMNS)}")
            for row in reader:
                rows.append(_row(row, pictures or table.parent, f"{table}, line {reader.line_num}"))
                if len(rows) > _MOST_ROWS:
                    raise DataError(f"{table} has more than {_MOST_ROWS:,} rows; this is no table of GTSRB")
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot read {table}: {first_line(error)}") from None
    return rows


def _row(row: dict[str, str | None], pictures: Path, where: str) -> tuple[Path, int, Box]:
    name = row["Filename"] or ""
    try:
        x1, y1, x2, y2, label = (int(row[column] or "") for column in _COLUMNS[1:])
    except ValueError:
        raise DataError(f"{where}: a region or a class is not a whole number") from None
    if not 0 <= label < len(GTSRB_CLASSES):
        raise DataError(f"{where}: class {label}; 0 to {len(GTSRB_CLASSES) - 1} fit")
    if not name or Path(name).name != name or not is_file(pictures / name):
        raise DataError(f"{where}: there is no picture {name!r} in {pictures}")
    return pictures / name, label, (x1, y1, x2, y2)


def cutter(signs: Signs, prepare: Callable[[Picture], Array]) -> Callable[[Path], Array]:
    """A function from a path in ``signs`` to the prepared pixels of its sign."""
    return partial(signs.cut, prepare=prepare)
