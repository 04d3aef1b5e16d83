"""From any picture to the pixels a network sees.

The rule is stated, and a :class:`~pynq_bnn.classify.result.Result` shows its outcome:

1. the first frame of an animation (of a PIL image: the present one); EXIF orientation applied;
   transparency laid over the background (digits: over white); 16-bit samples shortened to their upper
   8 bits; CMYK, palettes and other modes converted by Pillow;
2. RGB, or grey (ITU-R 601 luma) for one-channel networks;
3. a picture of the network's size is taken as it is; any other is resized with a LANCZOS filter:
   ``letterbox``: aspect kept, centred, the rest is background grey; ``extend``: the same, the rest
   repeats the picture's border; ``crop``: aspect kept, the middle is cut out; ``stretch``: aspect
   ignored; ``digit``: as MNIST was made, see :func:`_fit_digit`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Union

import numpy as np
from PIL import Image, ImageOps

from ..errors import ImageError, first_line
from ..network.spec import InputSpec

Picture = Union[str, Path, Image.Image, np.ndarray]

# What Pillow raises on files that are damaged or no pictures at all, and on images that were closed before use.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
                   AssertionError, AttributeError, struct.error, MemoryError, Image.DecompressionBombError)


def network_input(picture: Picture, spec: InputSpec) -> np.ndarray:
    """The (height, width, channels) uint8 pixels that a network sees of ``picture``.

    Parameters
    ----------
    picture : path, PIL image, or (H, W), (H, W, 1), (H, W, 3) uint8 array

    Raises
    ------
    ImageError
        When the file is missing, damaged or no picture, or the array has another shape or type.
    """
    # Handwriting is drawn dark on light; the digit rule inverts it.
    paper = 255 if spec.fit == "digit" else spec.background
    image = read_picture(picture, paper).convert("RGB" if spec.channels == 3 else "L")
    size = (spec.width, spec.height)
    if image.size != size:
        image = _FITTERS[spec.fit](image, size, spec.background)
    return np.asarray(image, np.uint8).reshape(spec.shape)


def seen_box(picture: Picture, spec: InputSpec) -> tuple[int, int, int, int]:
    """The part of ``picture`` that a network's input is made of.

    Parameters
    ----------
    picture : as for :func:`network_input`

    Returns
    -------
    (left, top, right, bottom)
        In pixels of the upright picture, right and bottom excluded: the middle for the rule "crop", the ink for
        "digit", all of it for the others.

    Raises
    ------
    ImageError
        As :func:`network_input`.
    """
    image = read_picture(picture)
    width, height = image.size
    if image.size != (spec.width, spec.height):
        if spec.fit == "crop":
            return _middle(image.size, spec.width / spec.height)
        if spec.fit == "digit":
            return _ink(image)[1] or (0, 0, width, height)
    return 0, 0, width, height


def _middle(size: tuple[int, int], ratio: float) -> tuple[int, int, int, int]:
    """The largest centred part of ``size`` whose width is ``ratio`` times its height."""
    width, height = size
    inner = (width, round(width / ratio)) if width < height * ratio else (round(height * ratio), height)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    return left, top, left + inner[0], top + inner[1]


def read_picture(picture: Picture, background: int = 255) -> Image.Image:
    """``picture`` as an upright RGB or grey (``L``) PIL image, transparency laid over ``background``."""
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if isinstance(picture, Image.Image):
        return _normalize(picture, background, "the PIL image")
    if not isinstance(picture, (str, Path)):
        raise ImageError(f"a picture is a path, a PIL image or a uint8 array, not {type(picture).__name__}")
    path = Path(picture)
    try:
        if not path.is_file():
            raise ImageError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'};"
                             " give the path of a picture")
        with Image.open(path) as image:
            return _normalize(image, background, str(path))
    except _DECODER_ERRORS as error:
        raise ImageError(f"{path}: not a readable picture ({first_line(error)})") from None


def _normalize(image: Image.Image, background: int, what: str) -> Image.Image:
    if 0 in image.size:
        raise ImageError(f"{what}: the picture is empty, {image.width}×{image.height} pixels")
    try:
        if getattr(image, "is_animated", False) and image.tell():
            image = image.copy()  # a caller's picture shows its present frame, and keeps it
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            image = _to_8_bit(image)
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            canvas = Image.new("RGBA", image.size, (background,) * 3 + (255,))
            image = Image.alpha_composite(canvas, image.convert("RGBA"))
        return image.convert("L" if image.mode in ("L", "1") else "RGB")
    except _DECODER_ERRORS as error:
        raise ImageError(f"{what}: the picture cannot be decoded ({first_line(error)})") from None


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16-bit samples (modes I;16 and I) shortened to 8 bits, floats of 0…1 stretched; 8-bit values stay."""
    samples = np.nan_to_num(np.asarray(image.convert("I") if image.mode != "F" else image), posinf=255, neginf=0)
    if samples.max() > 255:
        samples = samples / 256
    elif image.mode == "F" and samples.max() <= 1:
        samples = samples * 255
    return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))


def _from_array(pixels: np.ndarray) -> Image.Image:
    if pixels.dtype != np.uint8:
        raise ImageError(f"an array of {pixels.dtype}; pixels are uint8, 0 to 255"
                         " (for floats in 0…1: (x * 255).round().astype('uint8'))")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))):
        raise ImageError(f"an array of shape {pixels.shape}; (height, width), (height, width, 1)"
                         " and (height, width, 3) fit one picture, (count, height, width, channels) many")
    if 0 in pixels.shape:
        raise ImageError(f"an array of shape {pixels.shape}: the picture is empty")
    return Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return tuple(max(1, round(side * factor)) for side in size)


def _inside(image: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """``image`` as large as fits into ``size`` with its aspect kept, and the corner that centres it there."""
    inner = _scaled(image.size, min(size[0] / image.width, size[1] / image.height))
    corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    return image.resize(inner, Image.LANCZOS), corner


def _fit_letterbox(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    inner, corner = _inside(image, size)
    canvas = Image.new(image.mode, size, (background,) * len(image.getbands()))
    canvas.paste(inner, corner)
    return canvas


def _fit_extend(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    """Networks that never saw bars take a repeated border better; zoo/README.md has the measurement."""
    inner, (left, top) = _inside(image, size)
    pixels = np.asarray(inner)
    sides = [(top, size[1] - inner.height - top), (left, size[0] - inner.width - left), (0, 0)]
    return Image.fromarray(np.pad(pixels, sides[:pixels.ndim], mode="edge"))


def _fit_crop(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    return ImageOps.fit(image, size, Image.LANCZOS)


def _fit_stretch(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    return image.resize(size, Image.LANCZOS)


def _fit_digit(image: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    """A handwritten sign the way MNIST was made (LeCun, Cortes, Burges): white on black, 20/28 of the side.

    Dark ink on light paper is inverted, contrast stretched, the ink's bounding box scaled to 20/28 of
    the side with its aspect kept, and its centre of mass put into the middle.
    """
    ink, box = _ink(image)
    if box is None:
        return Image.new("L", size, 0).convert(image.mode)
    left, top, right, bottom = box
    cut = Image.fromarray(ink[top:bottom, left:right].astype(np.uint8))
    factor = min(size) * 20 / 28 / max(cut.size)
    cut = cut.resize(_scaled(cut.size, factor), Image.LANCZOS)
    mass = np.asarray(cut, np.float64)
    total = max(mass.sum(), 1)
    left = round((size[0] - 1) / 2 - (mass.sum(0) @ np.arange(cut.width)) / total)
    top = round((size[1] - 1) / 2 - (mass.sum(1) @ np.arange(cut.height)) / total)
    canvas = Image.new("L", size, 0)
    canvas.paste(cut, (left, top))
    return canvas.convert(image.mode)


def _ink(image: Image.Image) -> tuple[np.ndarray, tuple[int, int, int, int] | None]:
    """(H, W) float32 darkness of the ink, 0…255, and (left, top, right, bottom) around it, None on an empty page."""
    grey = np.asarray(image.convert("L"), np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = 255 - grey if np.median(border) > 127 else grey
    # A contrast under 16 grey levels is stretched as if it were 16, so that the noise of a blank page stays dark.
    ink = np.clip((ink - np.median(ink)) / max(np.ptp(ink) - (np.median(ink) - ink.min()), 16) * 255, 0, 255)
    ys, xs = np.nonzero(ink > 80)
    if not len(ys):
        return ink, None
    return ink, (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


_FITTERS = {"letterbox": _fit_letterbox, "extend": _fit_extend, "crop": _fit_crop, "stretch": _fit_stretch,
            "digit": _fit_digit}
