"""Prepares a handwritten sign on any page as MNIST was made: white on black, 20/28 of the side, centred by mass.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998), section III;
the robust fit is iteratively reweighted least squares with Cauchy weights (Holland, Welsch 1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..arrays import Array
from ..pillow import Resampling

# Maximum longer side of the picture in which ink is searched; larger pictures are reduced by a whole factor.
_WORK_SIDE = 480
# Minimum contrast of ink to paper: in levels of 255, and as a multiple of the noise.
_LEAST_CONTRAST, _LEAST_NOISE = 14.0, 4.5
# Minimum share of pixels of exactly one colour for a page to count as a drawing; noise keeps photographs below it.
_DRAWN = 0.2
# A pixel is ink from this share of full ink's contrast.
_SHARE = 0.42
# As shares of the longer side of the digit's box: strokes thinner than the first are widened to the second, about the
# stroke width of MNIST.
_THIN, _STROKE = 0.065, 0.115
# Side, in pixels, of the digit while its strokes are widened.
_FINE = 160
# Minimum share of the page's width that a ruled line covers, and its maximum slope.
_LINE_SHARE, _LINE_SLOPE = 0.5, 0.06
# A ruled line begins and ends within this share of the width from the page's edges. Pages smaller than this many
# pixels are taken as cut out around a sign, without lines.
_LINE_END, _LINED_SIDE = 0.06, 64

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Ink:
    """Ink found on a page.

    density : (H, W) float32, 0 (paper) … 1 (ink).
    box : (left, top, right, bottom) around the ink, in pixels of ``density``.
    scale : side of a ``density`` pixel in pixels of the picture.
    """

    density: Array
    box: Box
    scale: int

    def picture_box(self, size: tuple[int, int]) -> Box:
        """``box`` in pixels of the picture, whose size is ``size``."""
        left, top, right, bottom = (side * self.scale for side in self.box)
        return left, top, min(right, size[0]), min(bottom, size[1])


def fit_digit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The sign on a page of any size, as an ``L`` picture of ``size``; all black if the page is empty."""
    canvas = Image.new("L", size, 0)
    ink = find_ink(image)
    if ink is None:
        return canvas
    left, top, right, bottom = ink.box
    side = min(size) * 20 / 28
    cut = _with_even_strokes(Image.fromarray(np.round(ink.density[top:bottom, left:right] * 255).astype(np.uint8)))
    factor = side / max(cut.size)
    cut = cut.resize(scaled(cut.size, factor), Resampling.LANCZOS)
    mass = np.asarray(cut, np.float64)
    mass *= 255 / max(mass.max(), 1)
    total = max(mass.sum(), 1)
    corner = (round((size[0] - 1) / 2 - (mass.sum(0) @ np.arange(cut.width)) / total),
              round((size[1] - 1) / 2 - (mass.sum(1) @ np.arange(cut.height)) / total))
    canvas.paste(Image.fromarray(mass.round().astype(np.uint8)), corner)
    return canvas


def scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """``size`` times ``factor``, at least one pixel each way."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


# --- finding ink -------------------------------------------------------------------------------------------

def find_ink(image: Image.Image) -> Ink | None:
    """The ink on a page, or None if there is none.

    The paper is a smooth surface (the light may be uneven) fitted to most pixels. Ink is what differs from it, darker
    or lighter, measured along the colour direction of the pixels that differ most. Noise, ruled lines and specks are
    left out.
    """
    scale = -(-max(image.size) // _WORK_SIDE)
    pixels = np.asarray((image.reduce(scale) if scale > 1 else image).convert("RGB"), np.float32)
    contrast, noise = _contrast(pixels)
    level = _ink_level(contrast, noise)
    if level is None:
        return None
    mask = _supported(contrast > max(_SHARE * level, _LEAST_NOISE / 1.5 * noise))
    faint = _supported(contrast > max(0.15 * level, _LEAST_CONTRAST, _LEAST_NOISE * noise))
    mask = _without_specks(_without_lines(mask, faint))
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return None
    around = _grown(mask)
    density = np.where(around, np.clip((contrast / level - 0.1) / 0.8, 0, 1), 0).astype(np.float32)
    return Ink(density, (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1), scale)


def _contrast(pixels: Array) -> tuple[Array, float]:
    """(H, W) float32 difference from the paper, positive for ink, in levels of 255; and the noise's deviation."""
    residual, paper = _paper_removed(pixels)
    length = _length(residual)
    strongest = length >= max(np.percentile(length, 99.0), 1)
    direction = residual[strongest].sum(0) if strongest.any() else np.ones(3, np.float32)
    direction /= max(float(np.sqrt((direction ** 2).sum())), 1e-6)
    contrast = residual @ direction.astype(np.float32)
    if direction.sum() < 0:
        # Dark ink: uneven light scales ink and paper by the same factor.
        light = np.clip(_length(paper) / np.sqrt(3, dtype=np.float32), 24, None)
        contrast *= np.median(light) / light
    contrast /= np.sqrt(3, dtype=np.float32)
    # Noise is symmetric, and below zero there is only paper.
    below = contrast[contrast <= 0]
    return contrast, 1.4826 * float(np.median(-below)) if below.size else 0.0


def _paper_removed(pixels: Array) -> tuple[Array, Array]:
    """(H, W, 3) ``pixels`` minus the paper, and the paper: one colour, or a surface where the light is uneven."""
    height, width = pixels.shape[:2]
    step = max(1, int((height * width / 4000) ** 0.5))
    samples = pixels[step // 2::step, step // 2::step].reshape(-1, 3)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    plain = _commonest(np.concatenate([border, samples]))
    # A drawing's paper has one colour; a fitted surface would bend towards a sign that fills the picture.
    if (samples == plain).all(1).mean() >= _DRAWN:
        return pixels - plain, np.broadcast_to(plain, pixels.shape)
    y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    terms = _terms(*np.meshgrid(y[step // 2::step], x[step // 2::step], indexing="ij")).reshape(6, -1).T
    surface = _surface(terms, samples, plain)
    # The coefficients of 1, y, x, y², xy, x²; y varies along a column, x along a row.
    one, by_y, by_x, by_yy, by_xy, by_xx = surface[:, None, None]
    column, row = y[:, None, None], x[None, :, None]
    paper = (one + by_y * column + by_yy * column * column) + row * (by_x + by_xx * row) + by_xy * (column * row)
    return pixels - paper, paper


def _commonest(samples: Array) -> Array:
    """The most frequent colour, (3,), of the (N, 3) ``samples``, which are whole numbers."""
    numbers = samples.astype(np.int64) @ (65536, 256, 1)
    values, counts = np.unique(numbers, return_counts=True)
    best = int(values[counts.argmax()])
    return np.array((best >> 16, best >> 8 & 255, best & 255), np.float32)


def _surface(terms: Array, samples: Array, start: Array) -> Array:
    """(6, 3) float32 coefficients of the polynomial that fits most of the (N, 3) ``samples``."""
    rest = samples - start
    for _ in range(12):
        length = _length(rest)
        weights = 1 / (1 + (length / (2 * max(float(np.median(length)), 1.0))) ** 2)
        weighted = terms * weights[:, None]
        surface = np.linalg.solve(weighted.T @ terms + 1e-3 * np.eye(6, dtype=np.float32), weighted.T @ samples)
        rest = samples - terms @ surface
    return surface.astype(np.float32)


def _length(vectors: Array) -> Array:
    """Euclidean lengths of (…, 3) vectors."""
    red, green, blue = np.moveaxis(vectors, -1, 0)
    lengths: Array = np.sqrt(red * red + green * green + blue * blue)
    return lengths


def _terms(y: Array, x: Array) -> Array:
    return np.stack([np.ones_like(y), y, x, y * y, x * y, x * x])


def _ink_level(contrast: Array, noise: float) -> float | None:
    """The contrast of full ink; None if nothing stands out from the noise."""
    floor = max(_LEAST_CONTRAST, _LEAST_NOISE * noise)
    above = contrast[_supported(contrast > floor)]
    return float(np.percentile(above, 85)) if len(above) else None


def _supported(mask: Array) -> Array:
    """``mask`` without pixels that have fewer than two neighbours in it."""
    padded = np.pad(mask, 1).astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    supported: Array = mask & (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] >= 3)
    return supported


def _grown(mask: Array) -> Array:
    """``mask`` widened by one pixel in all eight directions."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    grown: Array = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return grown


# --- what is not the sign ----------------------------------------------------------------------------------

def _without_lines(mask: Array, faint: Array) -> Array:
    """``mask`` without ruled lines, horizontal or vertical, which ``faint`` shows completely; strokes are kept."""
    level, upright = _level_lines(faint), _level_lines(faint.T)
    for lines, turned in ((level, False), (upright, True)):
        if lines is not None:
            mask = _without_bands(mask.T, faint.T, lines).T if turned else _without_bands(mask, faint, lines)
    return mask


def _level_lines(faint: Array) -> Array | None:
    """(H, W) bool: bands of lines that cross the page from left to right at one slope; None if there are none."""
    height, width = faint.shape
    ys, xs = np.nonzero(faint)
    if min(height, width) < _LINED_SIDE or not len(xs):
        return None
    if xs.min() >= _LINE_END * width or xs.max() < (1 - _LINE_END) * width:
        return None
    margin = int(np.ceil(_LINE_SLOPE * width))
    best, shifts = 0.0, np.zeros(0, int)
    rows: Array = np.zeros(0)
    for slope in np.linspace(-_LINE_SLOPE, _LINE_SLOPE, 49):
        shift = margin - np.round(slope * np.arange(width)).astype(np.int64)
        counts = np.bincount(ys + shift[xs], minlength=height + 2 * margin)
        strength = float((counts.astype(float) ** 2).sum())
        if strength > best:
            best, shifts, rows = strength, shift, counts
    # A tilted line near the upper or lower edge is on the page only in some columns.
    there = np.cumsum(np.bincount(shifts, minlength=len(rows) + 1) - np.bincount(shifts + height,
                                                                                 minlength=len(rows) + 1))[:len(rows)]
    lines = rows >= np.where(there > 0.9 * width, _LINE_SHARE * width, np.maximum(0.8 * there, 8))
    whole = lines & (there > 0.9 * width)
    for end in (xs < _LINE_END * width, xs >= (1 - _LINE_END) * width):  # a line is ruled from edge to edge
        reached = np.bincount(ys[end] + shifts[xs[end]], minlength=len(rows)) > 0
        whole &= np.convolve(reached, np.ones(5), "same") > 0
    if not whole.any():
        return None
    near = (np.convolve(rows >= 0.25 * there, np.ones(3), "same") > 0) & (np.convolve(lines, np.ones(5), "same") > 0)
    near &= there > 0
    bands: Array = near[np.arange(height)[:, None] + shifts[None]]
    return bands


def _without_bands(mask: Array, faint: Array, bands: Array) -> Array:
    """``mask`` without the parts of ``bands`` as thin as a ruled line; strokes on and across them are kept.

    The thickness of a line is the median thickness of ``faint`` within the bands.
    """
    on_bands = faint & bands
    thick = float(np.median(_runs(faint)[on_bands]))
    if thick > max(3, 0.02 * len(mask)):
        return mask  # strokes of a sign that fills the page
    kept = mask & ~(bands & (_runs(mask) <= thick + 2))
    used = np.nonzero(kept.any(axis=1))[0]
    groups = int((np.diff(bands[:, 0].astype(int)) == 1).sum())
    if groups < 3 and len(used) and used[-1] - used[0] > 0.85 * len(mask):
        return mask  # the bars of a Z that fills the page
    return _supported(kept)


def _runs(mask: Array) -> Array:
    """(H, W): for each pixel of ``mask``, the length of the vertical run that it belongs to."""
    rows = np.arange(len(mask))[:, None]
    before = np.maximum.accumulate(np.where(mask, -1, rows), axis=0)
    behind = np.minimum.accumulate(np.where(mask, len(mask), rows)[::-1], axis=0)[::-1]
    runs: Array = behind - before - 1
    return runs


def _without_specks(mask: Array) -> Array:
    """``mask`` without specks, and without parts that touch the edge if a sign lies elsewhere."""
    cell = max(1, max(mask.shape) // 96)
    rows, columns = (-(-side // cell) for side in mask.shape)
    padded = np.zeros((rows * cell, columns * cell), bool)
    padded[:mask.shape[0], :mask.shape[1]] = mask
    counts = padded.reshape(rows, cell, columns, cell).sum((1, 3))
    labels, number = _labelled(counts > 0)
    if number < 2:
        return mask
    masses = np.bincount(labels.ravel(), counts.ravel(), number + 1)[1:]
    ys, xs = np.nonzero(labels)
    found = labels[ys, xs] - 1
    tops, bottoms = np.full(number, rows), np.zeros(number, int)
    np.minimum.at(tops, found, ys)
    np.maximum.at(bottoms, found, ys)
    at_edge = np.zeros(number, bool)
    at_edge[found[(ys == 0) | (xs == 0) | (ys == rows - 1) | (xs == columns - 1)]] = True
    heights = bottoms - tops + 1
    if (~at_edge & (heights >= 0.12 * rows)).any():
        masses = np.where(at_edge, 0, masses)
    keep = np.concatenate([[False], masses >= max(3, 0.03 * masses.max())])
    kept: Array = mask & np.repeat(np.repeat(keep[labels], cell, 0), cell, 1)[:mask.shape[0], :mask.shape[1]]
    return kept


def _labelled(cells: Array) -> tuple[Array, int]:
    """Connected groups of cells (corners connect), numbered from 1, with 0 outside; and the number of groups."""
    labels = np.zeros((cells.shape[0] + 2, cells.shape[1] + 2), np.int32)
    free = np.pad(cells, 1)
    number = 0
    for y, x in np.argwhere(free).tolist():
        if labels[y, x]:
            continue
        number += 1
        labels[y, x], waiting = number, [(y, x)]
        while waiting:
            y0, x0 = waiting.pop()
            for y1 in range(y0 - 1, y0 + 2):
                for x1 in range(x0 - 1, x0 + 2):
                    if free[y1, x1] and not labels[y1, x1]:
                        labels[y1, x1] = number
                        waiting.append((y1, x1))
    return labels[1:-1, 1:-1], number


# --- strokes -----------------------------------------------------------------------------------------------

def _with_even_strokes(cut: Image.Image) -> Image.Image:
    """``cut``, or if its strokes are thinner than those of MNIST, the sign with wider strokes."""
    factor = _FINE / max(cut.size)
    fine = cut.resize(scaled(cut.size, factor), Resampling.BICUBIC)
    mask = np.asarray(fine) > 127
    width = stroke_width(mask)
    if width >= _THIN * _FINE:
        return cut
    grow = round((_STROKE * _FINE - width) / 2)
    mask = _rounded(np.pad(mask, grow), grow)
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return cut
    mask = mask[ys.min():ys.max() + 1, xs.min():xs.max() + 1]
    return Image.fromarray(mask.astype(np.uint8) * 255)


def stroke_width(mask: Array) -> float:
    """Mean width of the strokes of ``mask`` in pixels: twice its area divided by the length of its outline."""
    padded = np.pad(mask, 1)
    steps = int((padded[1:] != padded[:-1]).sum()) + int((padded[:, 1:] != padded[:, :-1]).sum())
    # Counted in pixel steps, an outline of all directions is on average 4/π times too long.
    return 2 * int(mask.sum()) / max(steps * np.pi / 4, 1)


def _rounded(mask: Array, by: int) -> Array:
    """``mask`` widened by ``by`` pixels with an octagonal pen."""
    for turn in range(by):
        if turn % 2:
            mask = _grown(mask)
        else:
            padded = np.pad(mask, 1)
            mask = (padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
                    | padded[1:-1, 1:-1])
    return mask
