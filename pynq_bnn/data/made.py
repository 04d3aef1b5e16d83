"""Pictures made on the spot, for demonstrations without a camera and without a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from ..errors import DataError, OutputError

SHAPES = ("circle", "square", "triangle", "star")
# Corners, and the inner radius of a star's.
_CORNERS = {"square": (4, 1.0), "triangle": (3, 1.0), "star": (10, 0.42)}


def film_of(photo: Image.Image, frames: int, size: tuple[int, int] = (480, 360)) -> Iterator[Image.Image]:
    """Frames as of a camera that is led in a circle over ``photo`` and comes nearer.

    Parameters
    ----------
    photo : PIL image
    frames : int
    size : (width, height) of a frame

    Yields
    ------
    PIL image, RGB
    """
    photo = photo.convert("RGB")
    for number in range(frames):
        part = number / max(1, frames - 1)
        zoom = 1.0 - 0.2 * part
        centre = tuple(0.5 + 0.06 * move(2 * math.pi * part) for move in (math.cos, math.sin))
        width, height = photo.width * zoom, photo.height * zoom
        left = min(max(0.0, centre[0] * photo.width - width / 2), photo.width - width)
        top = min(max(0.0, centre[1] * photo.height - height / 2), photo.height - height)
        view = photo.resize((max(1, round(width)), max(1, round(height))), Image.BILINEAR,
                            (left, top, left + width, top + height))
        yield ImageOps.fit(view, size, Image.BILINEAR)


def write_film(folder: str | Path, photos: Sequence[str | Path], frames: int = 24) -> Path:
    """Write the films of some photos as one sequence of numbered JPEGs; the folder is a source for a camera's place.

    Parameters
    ----------
    folder : path
        Made where it is missing; a film that is there is written over.
    photos : paths
    frames : int
        Of each photo.

    Raises
    ------
    OutputError
        The folder cannot be written.
    DataError
        There is no photo.
    """
    if not photos:
        raise DataError("a film needs a photo or more; name some")
    folder, number = _made(Path(folder)), 0
    for photo in photos:
        with Image.open(photo) as image:
            for frame in film_of(image, frames):
                _save(frame, folder / f"{number:04}.jpg")
                number += 1
    return folder


def draw_shape(name: str, rng: np.random.Generator, side: int = 48) -> Image.Image:
    """A light shape on dark ground, of any light and dark colour, a little turned, moved and grown.

    Parameters
    ----------
    name : str
        One of ``SHAPES``.
    """
    ground, colour = (tuple(int(c) for c in rng.integers(low, high, 3)) for low, high in ((0, 100), (150, 256)))
    image = Image.new("RGB", (side, side), ground)
    radius = side * rng.uniform(0.36, 0.46)
    x, y = side / 2 + rng.uniform(-0.06, 0.06, 2) * side
    draw = ImageDraw.Draw(image)
    if name == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    else:
        corners, inner = _CORNERS[name]
        # A point at the top, but for the square, which stands on a side.
        turn = -math.pi / 2 + (math.pi / 4 if name == "square" else 0) + rng.uniform(-0.25, 0.25)
        draw.polygon([(x + radius * (inner if k % 2 else 1) * math.cos(turn + 2 * math.pi * k / corners),
                       y + radius * (inner if k % 2 else 1) * math.sin(turn + 2 * math.pi * k / corners))
                      for k in range(corners)], colour)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), np.float32)
    return Image.fromarray(np.clip(soft + rng.normal(0, 8, (side, side, 3)), 0, 255).astype(np.uint8))


def write_shapes(folder: str | Path, train: int = 120, test: int = 30, seed: int = 1) -> Path:
    """A small data set of drawn shapes: ``train/`` and ``test/`` with a folder for each of ``SHAPES``.

    Parameters
    ----------
    train, test : int
        Pictures of each shape.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    folder, rng = Path(folder), np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        for name in SHAPES:
            place = _made(folder / split / name)
            for number in range(count):
                _save(draw_shape(name, rng), place / f"{number:04}.png")
    return folder


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another place") from None
    return folder


def _save(image: Image.Image, path: Path) -> None:
    try:
        image.save(path, quality=90)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
