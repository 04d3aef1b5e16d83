"""Generated pictures, for demonstrations without a camera and without a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from ..arrays import Array
from ..errors import DataError, OutputError
from ..pillow import Resampling

SHAPES = ("circle", "square", "triangle", "star")
# Number of corners, and the radius of every second one, as a factor (a star has inner corners).
_CORNERS = {"square": (4, 1.0), "triangle": (3, 1.0), "star": (10, 0.42)}


def film_of(photo: Image.Image, frames: int, size: tuple[int, int] = (480, 360)) -> Iterator[Image.Image]:
    """Frames like those of a camera that moves in a circle over ``photo`` and zooms in.

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
        view = photo.resize((max(1, round(width)), max(1, round(height))), Resampling.BILINEAR,
                            (left, top, left + width, top + height))
        yield ImageOps.fit(view, size, Resampling.BILINEAR)


def write_film(folder: str | Path, photos: Sequence[str | Path], frames: int = 24) -> Path:
    """Write the films of some photos as one sequence of numbered JPEGs; the folder can be used instead of a camera.

    Parameters
    ----------
    folder : path
        Created if missing; a film in it is overwritten.
    photos : sequence of paths
    frames : int
        Number of frames per photo.

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


def shape_mask(name: str, rng: np.random.Generator, side: int = 48) -> Array:
    """A filled shape of random size, position and rotation within a square.

    Parameters
    ----------
    name : str
        One of ``SHAPES``.

    Returns
    -------
    (side, side) float32: 1 inside, 0 outside, values in between on the outline
    """
    fine = 4 * side
    radius = fine * rng.uniform(0.2, 0.42)
    x, y = rng.uniform(radius, fine - radius, 2)
    image = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(image)
    if name == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    else:
        corners, inner = _CORNERS[name]
        turn = rng.uniform(0, 2 * math.pi)
        draw.polygon([(x + radius * (inner if k % 2 else 1) * math.cos(turn + 2 * math.pi * k / corners),
                       y + radius * (inner if k % 2 else 1) * math.sin(turn + 2 * math.pi * k / corners))
                      for k in range(corners)], 255)
    return np.asarray(image.resize((side, side), Resampling.BOX), np.float32) / 255


def draw_shape(name: str, rng: np.random.Generator, side: int = 48) -> Image.Image:
    """A shape on a lighter or darker background, both unevenly lit, with stray lines and noise.

    Parameters
    ----------
    name : str
        One of ``SHAPES``.
    """
    ground, colour = _two_colours(rng)
    canvas = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(2, 6)):  # stray lines of any colour
        ends = rng.uniform(0, side, 2)
        draw.line([tuple(ends), tuple(ends + rng.uniform(-0.4, 0.4, 2) * side)],
                  tuple(int(c) for c in rng.integers(0, 256, 3)), int(rng.integers(1, 4)))
    inside = shape_mask(name, rng, side)[..., None]
    pixels = np.asarray(canvas, np.float32) * (1 - inside) + np.array(colour, np.float32) * inside
    for strength, grid in ((25, 3), (12, 8)):  # light and shade
        shade = Image.fromarray(rng.normal(0, strength, (grid, grid)).astype(np.float32))
        pixels = pixels + np.asarray(shade.resize((side, side), Resampling.BICUBIC))[..., None]
    pixels = pixels + rng.normal(0, 8, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _two_colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two colours that differ by at least 80 grey levels; either may be the lighter."""
    while True:
        first, second = rng.integers(0, 256, (2, 3))
        if abs(int(first @ (299, 587, 114)) - int(second @ (299, 587, 114))) >= 80_000:
            return tuple(first.tolist()), tuple(second.tolist())


def write_shapes(folder: str | Path, train: int = 120, test: int = 30, seed: int = 1) -> Path:
    """Write a small data set of drawn shapes: ``train/`` and ``test/`` with a folder for each of ``SHAPES``.

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
