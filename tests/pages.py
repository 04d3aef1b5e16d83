"""Pages with one digit drawn on them, its label known: what a camera, a scanner or a drawing program gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 352, 288

Point = tuple[float, float]


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse from ``start`` to ``end``, in degrees, clockwise from the right as pictures count."""
    angles = np.radians(np.linspace(start, end, 14))
    return [(x + rx * np.cos(a), y + ry * np.sin(a)) for a in angles]


# Strokes in a box from (0, 0), its upper left, to (0.6, 1).
STROKES: dict[int, list[list[Point]]] = {
    0: [_arc(0.3, 0.5, 0.29, 0.5, -90, 270)],
    1: [[(0.12, 0.22), (0.32, 0.0), (0.32, 1.0)]],
    2: [[*_arc(0.29, 0.28, 0.27, 0.28, -170, 20), (0.03, 1.0), (0.6, 0.98)]],
    3: [[*_arc(0.27, 0.25, 0.25, 0.25, -150, 80), *_arc(0.27, 0.74, 0.3, 0.26, -80, 150)]],
    4: [[(0.22, 0.0), (0.02, 0.6), (0.6, 0.6)], [(0.44, 0.25), (0.44, 1.0)]],
    5: [[(0.55, 0.0), (0.1, 0.02), (0.07, 0.45), *_arc(0.26, 0.69, 0.31, 0.3, -110, 140)]],
    6: [[(0.46, 0.0), (0.2, 0.3), *_arc(0.29, 0.72, 0.26, 0.28, 190, 540)]],
    7: [[(0.02, 0.02), (0.58, 0.0), (0.22, 1.0)]],
    8: [[*_arc(0.3, 0.24, 0.22, 0.24, 90, 450), *_arc(0.3, 0.73, 0.28, 0.26, -90, 270)]],
    9: [[*_arc(0.31, 0.28, 0.26, 0.28, 0, 360), (0.5, 0.6), (0.38, 1.0)]],
}


def strokes(digit: int, height: float, centre: Point, rng: np.random.Generator) -> list[list[Point]]:
    """The digit's strokes ``height`` pixels high around ``centre``, a little slanted, bent and uneven each time."""
    slant, wide = rng.uniform(-0.15, 0.25), rng.uniform(0.85, 1.2)
    lines = []
    for line in STROKES[digit]:
        points = np.array(line) + rng.normal(0, 0.008, (len(line), 2))
        x = (points[:, 0] - 0.3) * wide - slant * (points[:, 1] - 0.5)
        lines.append([(centre[0] + height * a, centre[1] + height * b) for a, b in zip(x, points[:, 1] - 0.5)])
    return lines


def draw(digit: int, pen: float, rng: np.random.Generator, height: float = 200, size: tuple[int, int] = (WIDTH, HEIGHT),
         ink: float = 1.0) -> np.ndarray:
    """(H, W) float coverage 0…``ink`` of a digit drawn with a round ``pen`` of so many pixels."""
    fine = 3
    canvas = Image.new("L", (size[0] * fine, size[1] * fine), 0)
    brush = ImageDraw.Draw(canvas)
    free = [side / 2 - height * 0.55 for side in size]
    centre = tuple(side / 2 + rng.uniform(-0.8, 0.8) * max(0.0, room) for side, room in zip(size, free))
    for line in strokes(digit, height - pen, centre, rng):
        points = [(x * fine, y * fine) for x, y in line]
        brush.line(points, fill=255, width=max(1, round(pen * fine)), joint="curve")
        for x, y in points:
            r = pen * fine / 2
            brush.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return np.asarray(canvas.resize(size, Image.BOX), float) / 255 * ink


def _blend(paper: np.ndarray, coverage: np.ndarray, pen_colour: Point | float) -> np.ndarray:
    return paper + coverage[..., None] * (np.broadcast_to(pen_colour, 3) - paper)


def clean(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Black on white, as a drawing program gives it."""
    return _blend(np.full((*coverage.shape, 3), 255.0), coverage, 0)


def board(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chalk on a dark board."""
    return _blend(np.full((*coverage.shape, 3), 45.0), coverage, 225) + rng.normal(0, 5, (*coverage.shape, 1))


def uneven(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photograph of paper that is lit from one side, with the noise of a camera."""
    y, x = np.mgrid[:coverage.shape[0], :coverage.shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * (x / coverage.shape[1] - 0.5) + np.sin(angle) * (y / coverage.shape[0] - 0.5)
    light = np.clip(165 + 130 * ramp, 40, 240)[..., None]
    return light * _blend(np.ones((*coverage.shape, 3)), coverage, 0.25) + rng.normal(0, 4, (*coverage.shape, 3))


def noisy(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dim photograph with much noise."""
    return _blend(np.full((*coverage.shape, 3), 150.0), coverage, 50) + rng.normal(0, 14, (*coverage.shape, 3))


def coloured(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coloured paper and a coloured pen, among them pairs of nearly the same luma."""
    papers = [((255, 225, 90), (30, 60, 160)), ((250, 180, 190), (120, 20, 40)), ((150, 205, 150), (200, 40, 50)),
              ((120, 170, 230), (20, 20, 30)), ((255, 255, 255), (245, 160, 40)), ((90, 150, 80), (190, 60, 60))]
    paper, pen = papers[rng.integers(len(papers))]
    return _blend(np.broadcast_to(np.array(paper, float), (*coverage.shape, 3)), coverage, np.array(pen, float)) \
        + rng.normal(0, 3, (*coverage.shape, 3))


def _ruled_paper(shape: tuple[int, int], rng: np.random.Generator, both: bool) -> np.ndarray:
    height, width = shape
    y, x = np.mgrid[:height, :width]
    tilt, step, phase = rng.uniform(-0.03, 0.03), rng.uniform(22, 34), rng.uniform(0, 30)
    line = ((y + tilt * x + phase) % step < 1.8)
    if both:
        line |= ((x - tilt * y + phase) % step < 1.8)
    return np.where(line[..., None], np.array((120.0, 150.0, 205.0)), np.full(3, 240.0))


def ruled(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paper with blue lines, a little tilted, written on with a dark pen."""
    return _blend(_ruled_paper(coverage.shape, rng, False), coverage, 35) + rng.normal(0, 3, (*coverage.shape, 3))


def squared(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paper with squares."""
    return _blend(_ruled_paper(coverage.shape, rng, True), coverage, 35) + rng.normal(0, 3, (*coverage.shape, 3))


PAGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    page.__name__: page for page in (clean, board, uneven, noisy, coloured, ruled, squared)}


def page(kind: str, digit: int, pen: float, seed: int, **options) -> np.ndarray:
    """(H, W, 3) uint8 page of ``kind`` with a digit on it."""
    rng = np.random.default_rng([seed, digit, int(pen * 10)])
    return np.clip(PAGES[kind](draw(digit, pen, rng, **options), rng), 0, 255).round().astype(np.uint8)


def empty(kind: str, seed: int) -> np.ndarray:
    """(H, W, 3) uint8 page of ``kind`` with nothing on it."""
    rng = np.random.default_rng(seed)
    return np.clip(PAGES[kind](np.zeros((HEIGHT, WIDTH)), rng), 0, 255).round().astype(np.uint8)
