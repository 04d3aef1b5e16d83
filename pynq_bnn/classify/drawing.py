"""Pictures of results, drawn with only Pillow so that they work on a board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..arrays import Array
from ..errors import ImageError
from ..pictures.preprocess import Picture, read_picture
from ..pillow import Resampling
from .live import LiveResult
from .result import Result

# Maximum number of rows of a picture; few programs can open much larger files.
MAX_ROWS = 50
_SIDE, _GAP, _BAR_HEIGHT, _BAR_WIDTH = 224, 16, 20, 200
_GUIDE, _STRIP = "#ffb000", "#111820"
_INK, _SOFT, _BAR, _BEST = "#1f2933", "#7b8794", "#b8c4ce", "#2f7ed8"


Font = Union[ImageFont.FreeTypeFont, ImageFont.ImageFont]


def _font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1 has one fixed bitmap font, Latin letters only
        return ImageFont.load_default()


def _write(draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, colour: str,
           font: Font, centred: bool = False) -> None:
    """Draw text with its upper left corner at ``corner``, or ``centred`` there if the font supports anchors."""
    anchor = "mm" if centred and isinstance(font, ImageFont.FreeTypeFont) else None
    draw.text(corner, _drawable(text, font), colour, font, anchor=anchor)


def _width(text: str, font: Font) -> int:
    return int(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(_drawable(text, font), font))


def _drawable(text: str, font: Font) -> str:
    """``text`` with a question mark for every letter missing from old Pillow's bitmap font."""
    return text if isinstance(font, ImageFont.FreeTypeFont) else text.encode("latin-1", "replace").decode("latin-1")


def result_picture(items: Sequence[tuple[Picture, Result]], titles: Sequence[str], bars: int = 10) -> Image.Image:
    """One row per picture: the photo, the pixels the network saw, and its probabilities as bars.

    Parameters
    ----------
    items : sequence of (picture, result)
        Up to ``MAX_ROWS``.
    titles : sequence of str
        A heading for each row.
    bars : int
        Show at most this many classes, the best ones.

    Raises
    ------
    ImageError
        There are no items or too many, or a picture cannot be read.
    """
    if not items:
        raise ImageError("no result to draw")
    if len(items) > MAX_ROWS:
        raise ImageError(f"{len(items)} results; up to {MAX_ROWS} fit one picture: draw several")
    rows = [_row(picture, result, title, bars) for (picture, result), title in zip(items, titles)]
    width = max(row.width for row in rows)
    canvas = Image.new("RGB", (width, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        canvas.paste(row, (0, top))
        top += row.height
    return canvas


def _row(picture: Picture, result: Result, title: str, bars: int) -> Image.Image:
    count = min(bars, len(result.classes))
    names = _font(14)
    name_width = max(_width(_short(c), names) for c in result.classes) + _GAP
    height = max(_SIDE, count * (_BAR_HEIGHT + 2)) + 2 * _GAP + 24
    width = 2 * (_SIDE + _GAP) + name_width + _BAR_WIDTH + 80 + _GAP
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    _write(draw, (_GAP, 8), f"{title}: {result.label} ({result.certainty})", _INK, _font(17))
    canvas.paste(ImageOps.contain(read_picture(picture).convert("RGB"), (_SIDE, _SIDE), Resampling.LANCZOS), (_GAP, 40))
    seen = read_picture(result.input_image).convert("RGB")
    scale = _SIDE / max(seen.size)
    seen = seen.resize([max(1, int(side * scale)) for side in seen.size], Resampling.NEAREST)
    canvas.paste(seen, (2 * _GAP + _SIDE, 40))
    _bars(draw, result, (3 * _GAP + 2 * _SIDE, 40), name_width, count)
    return canvas


def _bars(draw: ImageDraw.ImageDraw, result: Result, corner: tuple[int, int], name_width: int, count: int) -> None:
    left, top = corner
    for name, probability in result.top(count):
        colour = _BEST if name == result.label else _BAR
        _write(draw, (left, top + 1), _short(name), _INK, _font(14))
        draw.rectangle((left + name_width, top, left + name_width + round(probability * _BAR_WIDTH),
                        top + _BAR_HEIGHT - 4), colour)
        _write(draw, (left + name_width + round(probability * _BAR_WIDTH) + 6, top + 1), f"{probability:.1%}", _SOFT,
               _font(12))
        top += _BAR_HEIGHT + 2


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"


def frame_picture(result: LiveResult, width: int = 640) -> Image.Image:
    """A frame with label, confidence and rate, a guide around the part that the network sees, and the network's pixels.

    Parameters
    ----------
    result : LiveResult
    width : int
        Maximum width in pixels; wider frames are made smaller.
    """
    frame = Image.fromarray(result.frame)
    scale = min(1.0, width / frame.width)
    if scale < 1:
        frame = frame.resize((width, max(1, round(frame.height * scale))), Resampling.BILINEAR)
    left, top, right, bottom = (round(side * scale) for side in result.box)
    # Darken the frame outside the guide, which the network does not see.
    shown = frame.point(lambda value: value // 3)
    shown.paste(frame.crop((left, top, right, bottom)), (left, top))
    draw = ImageDraw.Draw(shown)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=_GUIDE, width=2)
    seen = read_picture(result.input_image).convert("RGB")
    times = max(1, round(min(shown.size) * 0.3 / max(seen.size)))
    seen = seen.resize((seen.width * times, seen.height * times), Resampling.NEAREST)
    corner = shown.width - seen.width - 8, shown.height - seen.height - 8
    draw.rectangle((corner[0] - 2, corner[1] - 2, corner[0] + seen.width + 1, corner[1] + seen.height + 1), _GUIDE)
    shown.paste(seen, corner)
    rate = f"{result.fps:.1f} fps" if result.fps else ""
    return _below_banner(shown, f"{result.label} {result.certainty}", rate)


def _below_banner(picture: Image.Image, left: str, right: str) -> Image.Image:
    """``picture`` below a dark strip with two texts, which therefore hide nothing of it."""
    size = max(14, picture.width // 26)
    texts = [_large_text(text, size) for text in (left, right)]
    height = max(text.height for text in texts) + 10
    canvas = Image.new("RGB", (picture.width, picture.height + height), _STRIP)
    canvas.paste(picture, (0, height))
    for text, x in zip(texts, (8, picture.width - texts[1].width - 8)):
        canvas.paste((255, 255, 255), (x, (height - text.height) // 2), text)
    return canvas


def _large_text(text: str, size: int) -> Image.Image:
    """A mask of the text, about ``size`` pixels high; the bitmap font of old Pillow is enlarged."""
    font = _font(size)
    scale = 1 if isinstance(font, ImageFont.FreeTypeFont) else max(1, size // 11)
    mask = Image.new("L", (max(1, _width(text, font) + 2), size + size // 4 if scale == 1 else 12))
    ImageDraw.Draw(mask).text((0, 0), _drawable(text, font), 255, font)
    return mask.resize((mask.width * scale, mask.height * scale), Resampling.NEAREST)


def confusion_picture(matrix: Array, classes: Sequence[str], title: str) -> Image.Image:
    """A confusion matrix, true classes down, answers across; the shade shows the share of the row.

    matrix : (K, K) int counts.
    """
    count = len(classes)
    side = max(8, min(56, 1200 // count))
    names, numbers = _font(min(14, side)), _font(max(8, side // 4))
    margin = max(_width(_short(c), names) for c in classes) + 4 * _GAP
    canvas = Image.new("RGB", (margin + count * side + _GAP, margin + count * side + 3 * _GAP), "white")
    draw = ImageDraw.Draw(canvas)
    _write(draw, (_GAP, _GAP), title, _INK, _font(17))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for i, name in enumerate(classes):
        _write(draw, (_GAP, margin + i * side + side // 3), _short(name), _INK, names)
        _vertical(canvas, _short(name), (margin + i * side + side // 3, margin - 8), names)
        for j in range(count):
            x, y = margin + j * side, margin + i * side
            shade = tuple(round(255 - shares[i, j] * (255 - c)) for c in (47, 126, 216))
            draw.rectangle((x, y, x + side - 2, y + side - 2), shade)
            if side >= 24 and matrix[i, j]:
                _write(draw, (x + side / 2, y + side / 2), str(matrix[i, j]), "white" if shares[i, j] > 0.5 else _INK,
                       numbers, centred=True)
    _write(draw, (_GAP, margin + count * side + _GAP), "rows: true class, columns: answer of the network", _SOFT,
           _font(13))
    return canvas


def _vertical(canvas: Image.Image, text: str, bottom: tuple[int, int], font: Font) -> None:
    label = Image.new("RGB", (_width(text, font) + 4, 20), "white")
    _write(ImageDraw.Draw(label), (0, 0), text, _INK, font)
    turned = label.rotate(90, expand=True)
    canvas.paste(turned, (bottom[0], bottom[1] - turned.height))
