"""BNN-PYNQ's preprocessing, to 32×32 colour or 28×28 binary pictures, for comparison with its results.

This package's own preprocessing is :mod:`pynq_bnn.pictures.preprocess`. BNN-PYNQ's differs: pictures smaller than
32×32 are not enlarged; the shorter side is rounded down, not to nearest; EXIF orientation is ignored; transparent
pixels keep their stored colour instead of the background; JPEGs not yet decoded were decoded at a reduced scale
(``draft``), and some of its notebooks shrank pictures to 64 pixels first.

Handwritten signs for its 28×28 networks came from a camera: contrast and brightness were raised by fixed factors, the
part that is not white was cut out and scaled to 28 pixels without a margin, and only fully black pixels became ink.

Source: Xilinx BNN-PYNQ, ``bnn.py``, ``image_to_cifar``; its notebooks LFC-BNN_MNIST_Webcam and LFC-BNN_Chars_Webcam;
``Image.thumbnail`` and ``Image.resize`` of Pillow before 7.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from ..arrays import Array
from ..errors import ImageError
from .reading import Picture, read_picture

# Filters by number: Pillow before 9.1 has no Resampling, and the types of later ones no bare names.
_NEAREST, _LANCZOS = 0, 1
_SIDE, _SIGN = 32, 28
# The notebook for characters treated grey values above this as paper.
_WHITE = 180


def bnn_pynq_pixels(picture: Picture, *, draft: bool = False, via_64: bool = False) -> Array:
    """The pixels that BNN-PYNQ's ``classify_image`` made from a picture.

    The default is what its notebook did with ``deer.jpg``: a picture that had been displayed, and so fully decoded,
    before it was classified.

    Parameters
    ----------
    picture : path, PIL image, or (H, W), (H, W, 1), (H, W, 3) uint8 array
    draft : bool
        Decode a JPEG at 1/2, 1/4 or 1/8 of its size where that is enough, as ``thumbnail`` did with a file
        that was opened but not yet displayed. Only has an effect on paths.
    via_64 : bool
        Shrink to 64 pixels first, as the notebooks did with ``car.png``.

    Returns
    -------
    (32, 32, 3) uint8
        RGB, 0…255, centred on white.

    Raises
    ------
    ImageError
        The file is missing, damaged or not a picture.
    """
    if isinstance(picture, (str, Path)):
        read_picture(picture)  # raises a clear error if it is not a readable picture
        with Image.open(picture) as image:
            return _pixels(image, draft, via_64, str(picture))
    image = picture.copy() if isinstance(picture, Image.Image) else read_picture(picture)
    return _pixels(image, False, via_64, "the picture")


def bnn_pynq_digit(picture: Picture, *, characters: bool = False) -> Array:
    """The pixels that BNN-PYNQ's camera notebooks made from a sign on light paper.

    Parameters
    ----------
    picture : as for :func:`bnn_pynq_pixels`
    characters : bool
        As in the notebook for characters, which enhances the picture differently, instead of the one for digits.

    Returns
    -------
    (28, 28, 1) uint8
        255 for ink, 1 for the rest, as in those notebooks; all 1 for an empty page. Unlike there, a sign exactly as
        wide as high is kept (they lost it and left the page empty).

    Raises
    ------
    ImageError
        The file is missing, damaged or not a picture.
    """
    page = _enhanced(picture, characters)
    box = ImageOps.invert(page).getbbox()
    canvas = Image.new("L", (_SIGN, _SIGN), 255)
    if box is not None:
        sign = page.crop(box)
        ratio = min(_SIGN / sign.width, _SIGN / sign.height)
        width, height = (max(1, int(side * ratio)) if side < max(sign.size) else _SIGN for side in sign.size)
        sign = sign.resize((width, height), _NEAREST)
        canvas.paste(sign, ((_SIGN - sign.width) // 2, (_SIGN - sign.height) // 2))
    return np.where(np.asarray(canvas)[:, :, None] == 0, 255, 1).astype(np.uint8)


def bnn_pynq_box(picture: Picture, characters: bool = False) -> tuple[int, int, int, int]:
    """The part that :func:`bnn_pynq_digit` cuts out: (left, top, right, bottom) in pixels; for an empty page, all."""
    page = _enhanced(picture, characters)
    return ImageOps.invert(page).getbbox() or (0, 0, *page.size)


def _enhanced(picture: Picture, characters: bool) -> Image.Image:
    """The page with contrast and brightness raised by fixed factors, so that most paper becomes white."""
    contrast, brightness = (5, 2.0) if characters else (3, 4.0)
    page = ImageEnhance.Contrast(read_picture(picture).convert("L")).enhance(contrast)
    page = ImageEnhance.Brightness(page).enhance(brightness)
    return page.point(lambda value: 255 if value > _WHITE else 0) if characters else page


def _pixels(image: Image.Image, draft: bool, via_64: bool, what: str) -> Array:
    try:
        for side in ((64, _SIDE) if via_64 else (_SIDE,)):
            image = _thumbnail(image, side, draft)
        canvas = Image.new("RGBA", (_SIDE, _SIDE), (255, 255, 255, 0))
        canvas.paste(image, ((_SIDE - image.width) // 2, (_SIDE - image.height) // 2))
    except (OSError, ValueError) as error:
        raise ImageError(f"{what}: BNN-PYNQ could not resize {image.mode} pictures ({error}); save it as RGB") from None
    return np.ascontiguousarray(np.asarray(canvas)[:, :, :3])


def _thumbnail(image: Image.Image, side: int, draft: bool) -> Image.Image:
    width, height = image.size
    if width > side:
        width, height = side, int(max(height * side / width, 1))
    if height > side:
        width, height = int(max(width * side / height, 1)), side
    if (width, height) == image.size:
        return image
    if draft:
        image.draft(None, (width, height))
    return image.resize((width, height), _LANCZOS)
