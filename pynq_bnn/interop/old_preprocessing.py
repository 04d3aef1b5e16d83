"""From a picture to 32×32 pixels as BNN-PYNQ did it, to compare with results of that time.

Today's rule is :mod:`pynq_bnn.classify.preprocess`. BNN-PYNQ's differs: pictures smaller than 32×32 are not
enlarged; the shorter side is rounded down, not to nearest; EXIF orientation is ignored; under transparency
the stored colour shows, not the background; JPEGs not yet decoded were decoded at a reduced scale
(``draft``), and some of its notebooks shrank pictures to 64 pixels first.

Source: Xilinx BNN-PYNQ, ``bnn.py``, ``image_to_cifar``; ``Image.thumbnail`` of Pillow before 7.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..classify.preprocess import Picture, read_picture
from ..errors import ImageError

_SIDE = 32


def bnn_pynq_pixels(picture: Picture, *, draft: bool = False, via_64: bool = False) -> np.ndarray:
    """The pixels that BNN-PYNQ's ``classify_image`` saw of a picture.

    The default is what its notebook did for ``deer.jpg``: a picture that was shown, so fully decoded, before
    it was classified.

    Parameters
    ----------
    picture : path, PIL image, or (H, W), (H, W, 1), (H, W, 3) uint8 array
    draft : bool
        Decode a JPEG at 1/2, 1/4 or 1/8 of its size where that is enough, as ``thumbnail`` did with a file
        that was opened and not yet shown. Matters for paths alone.
    via_64 : bool
        Shrink to 64 pixels first, as the notebooks did with ``car.png``.

    Returns
    -------
    (32, 32, 3) uint8
        RGB, 0…255, centred on white.

    Raises
    ------
    ImageError
        When the picture is missing, damaged or no picture.
    """
    if isinstance(picture, (str, Path)):
        read_picture(picture)  # raises one clear error for whatever is no picture
        with Image.open(picture) as image:
            return _pixels(image, draft, via_64, str(picture))
    image = picture.copy() if isinstance(picture, Image.Image) else read_picture(picture)
    return _pixels(image, False, via_64, "the picture")


def _pixels(image: Image.Image, draft: bool, via_64: bool, what: str) -> np.ndarray:
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
    return image.resize((width, height), Image.LANCZOS)
