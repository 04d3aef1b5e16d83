"""From any picture to the pixels a network sees.

The steps are as follows; a :class:`~pynq_bnn.classify.result.Result` holds their outcome:

1. the first frame of an animation (for a PIL image: the current one); EXIF orientation applied;
   transparency composited over the background (digits: over white); wider samples reduced to 8 bits; CMYK,
   palettes and other modes converted by Pillow; more than 16 megapixels reduced by a whole factor;
2. RGB, or grey (ITU-R 601 luma) for one-channel networks;
3. a picture of the network's size is used unchanged (with the rule ``digit``: only if it is white on black);
   any other is resized with a LANCZOS filter:
   ``letterbox``: aspect kept, centred, the rest is background grey; ``extend``: the same, the rest
   repeats the picture's border; ``crop``: aspect kept, the middle is cut out; ``stretch``: aspect
   ignored; ``digit``: as MNIST was made, see :mod:`pynq_bnn.pictures.digits`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from ..arrays import Array
from ..errors import ImageError
from ..network.spec import InputSpec
from ..pillow import Resampling
from .digits import find_ink, fit_digit, scaled
from .reading import Picture, channels_last, check_pixels, read_picture

__all__ = ["Picture", "blank", "fitted", "network_input", "read_picture", "seen_box"]

# A sign of the network's size is dark on light if at least this share of its outermost pixels is light, else white on
# black if its brightest pixel reaches _WHITE. Inverted paper of up to _BLACK counts as black.
_WHITE, _LIGHT_SHARE, _BLACK = 128, 0.9, 8
# Range, in levels of 255, that camera noise alone can produce on a plain wall.
_BLANK_LEVELS = 12


def network_input(picture: Picture, spec: InputSpec) -> Array:
    """The (height, width, channels) uint8 pixels that a network sees of ``picture``.

    Parameters
    ----------
    picture : as for :func:`~pynq_bnn.pictures.reading.read_picture`

    Raises
    ------
    ImageError
        The file is missing, damaged or not a picture, or the array has another shape or type.
    """
    mode = "RGB" if spec.channels == 3 else "L"
    size = (spec.width, spec.height)
    if spec.fit == "digit":
        # Handwriting is drawn dark on light paper.
        image = read_picture(picture, 255)
        image = _digit_of_size(image) if image.size == size else fit_digit(image, size)
    else:
        image = read_picture(picture, spec.background).convert(mode)
        if image.size != size:
            image = _FITTERS[spec.fit](image, size, spec.background)
    return np.asarray(image.convert(mode), np.uint8).reshape(spec.shape)


def fitted(pictures: Array, spec: InputSpec, one: Callable[[Array], Array] | None = None) -> Array:
    """(N, height, width, channels) uint8 pixels of an array of pictures, each prepared as by :func:`network_input`.

    Parameters
    ----------
    pictures : (N, H, W, C) or (N, C, H, W) uint8, C of 1, 3 or 4
    spec : InputSpec
    one : callable, optional
        Prepares one picture of another size, instead of that function.

    Raises
    ------
    ImageError
        The array has another type or shape.
    """
    check_pixels(pictures)
    given, pictures = pictures.shape, channels_last(pictures)
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3, 4) or 0 in pictures.shape[1:]:
        raise ImageError(f"an array of shape {given}, uint8; pictures are (count, height, width, 1, 3 or 4 channels)")
    if pictures.shape[1:] == spec.shape:
        result = np.ascontiguousarray(pictures)
        others = np.nonzero(~_white_on_black(result))[0] if spec.fit == "digit" else ()
        if len(others):
            result = result.copy()
            for number in others:
                result[number] = network_input(result[number], spec)
        return result
    made = [network_input(picture, spec) if one is None else one(picture) for picture in pictures]
    return np.stack(made) if made else np.zeros((0, *spec.shape), np.uint8)


def blank(pixels: Array, spec: InputSpec) -> Array:
    """(N,) bool: which of the (N, H, W, C) uint8 ``pixels`` that the network gets show nothing.

    Such a picture has only one colour, apart from camera noise and the bars of "letterbox"; or, for a network with
    1-bit input, the same code in all pixels.
    """
    if not len(pixels):
        return np.zeros(0, bool)
    flat = pixels.reshape(len(pixels), -1, spec.channels)
    bars = (flat == spec.background).all(axis=2, keepdims=True) if spec.fit == "letterbox" else np.zeros((), bool)
    low, high = np.where(bars, 255, flat).min(axis=1), np.where(bars, 0, flat).max(axis=1)
    empty: Array = (high.astype(np.int64) - low < _BLANK_LEVELS).all(axis=1)
    if spec.fit == "letterbox":
        for number in np.nonzero(empty)[0]:
            empty[number] = np.ptp(_between_bars(pixels[number], spec.background).astype(np.int64), axis=(0, 1)
                                   ).max() < _BLANK_LEVELS
    if spec.bits == 1:
        codes = spec.codes[flat]
        empty |= (codes == codes[:, :1]).all(axis=(1, 2))
    return empty


def _between_bars(picture: Array, background: int) -> Array:
    """``picture`` without the rows and columns at its edges that are all background."""
    other = (picture != background).any(axis=2)
    rows, columns = np.nonzero(other.any(axis=1))[0], np.nonzero(other.any(axis=0))[0]
    return picture[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] if len(rows) else picture


def seen_box(picture: Picture, spec: InputSpec) -> tuple[int, int, int, int]:
    """The part of ``picture`` that a network's input is made from.

    Parameters
    ----------
    picture : as for :func:`network_input`

    Returns
    -------
    (left, top, right, bottom)
        In pixels of the upright picture, right and bottom exclusive: the middle for the rule "crop", the ink for
        "digit", the whole picture for the others.

    Raises
    ------
    ImageError
        As :func:`network_input`.
    """
    image = read_picture(picture, 255 if spec.fit == "digit" else spec.background)
    width, height = image.size
    if image.size != (spec.width, spec.height):
        if spec.fit == "crop":
            return _middle(image.size, spec.width / spec.height)
        if spec.fit == "digit":
            ink = find_ink(image)
            return (0, 0, width, height) if ink is None else ink.picture_box(image.size)
    return 0, 0, width, height


def _middle(size: tuple[int, int], ratio: float) -> tuple[int, int, int, int]:
    """The largest centred part of ``size`` whose width is ``ratio`` times its height."""
    width, height = size
    inner = (width, max(1, round(width / ratio))) if width < height * ratio else (max(1, round(height * ratio)), height)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    return left, top, left + inner[0], top + inner[1]


def _white_on_black(pictures: Array) -> Array:
    """(N,) bool: which of the (N, H, W, C) signs are white on black, as in MNIST."""
    border = np.concatenate([pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]], axis=1)
    light = (border >= _WHITE).all(axis=2).mean(axis=1)
    white: Array = (light < _LIGHT_SHARE) & (pictures.max(axis=(1, 2, 3), initial=0) >= _WHITE)
    return white


def _digit_of_size(image: Image.Image) -> Image.Image:
    """A sign that has the network's size already: unchanged, inverted, or found on its page."""
    pixels = np.asarray(image).reshape(1, image.height, image.width, -1)
    if _white_on_black(pixels)[0]:
        return image
    inverted = ImageOps.invert(image)
    grey = np.asarray(inverted.convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) <= _BLACK and _white_on_black(255 - pixels)[0]:
        return inverted
    return fit_digit(image, image.size)


def _inside(image: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """``image`` scaled to fit into ``size`` with its aspect kept, and the corner that centres it there."""
    inner = scaled(image.size, min(size[0] / image.width, size[1] / image.height))
    corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    return image.resize(inner, Resampling.LANCZOS), corner


def _fit_letterbox(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    inner, corner = _inside(image, size)
    canvas = Image.new(image.mode, size, (background,) * len(image.getbands()))
    canvas.paste(inner, corner)
    return canvas


def _fit_extend(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    """Networks that were not trained with bars do better with a repeated border; zoo/README.md has the measurement."""
    inner, (left, top) = _inside(image, size)
    pixels = np.asarray(inner)
    sides = [(top, size[1] - inner.height - top), (left, size[0] - inner.width - left), (0, 0)]
    return Image.fromarray(np.pad(pixels, sides[:pixels.ndim], mode="edge"))


def _fit_crop(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    return ImageOps.fit(image, size, Resampling.LANCZOS)


def _fit_stretch(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    return image.resize(size, Resampling.LANCZOS)


_FITTERS = {"letterbox": _fit_letterbox, "extend": _fit_extend, "crop": _fit_crop, "stretch": _fit_stretch}
