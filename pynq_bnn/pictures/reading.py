"""Any picture, from a file, a stream, an array or a tensor, as an upright RGB or grey PIL image."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeGuard, TypeVar, Union

import numpy as np
from PIL import Image

from ..arrays import Array
from ..errors import ImageError, first_line
from ..pillow import Transpose


class Tensor(Protocol):
    """The part of a torch tensor's interface that is used here; torch is not imported."""

    def detach(self) -> Any: ...

    def cpu(self) -> Any: ...


# The first is one picture by its type; an array or tensor may be one or many, depending on its dimensions.
OnePicture = Union[str, Path, BinaryIO, Image.Image]
Picture = Union[OnePicture, Array, Tensor]
AnyPicture = TypeVar("AnyPicture", bound=Picture)
Several = Union[list[AnyPicture], tuple[AnyPicture, ...]]

# Pictures with more pixels than this are reduced by a whole factor, JPEGs already when they are decoded.
MAX_KEPT = 16_000_000
# What Pillow raises for files that are damaged or not pictures, and for images that were closed before use.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
                   AssertionError, AttributeError, struct.error, MemoryError, ZeroDivisionError)
# EXIF 2.3, tag 274: the transposition that turns the picture upright.
_ORIENTATION_TAG = 274
_UPRIGHT = {2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
            6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90}
# TIFF 6.0: bits per sample, and the tags that declare the largest sample.
_BITS_TAG, _LARGEST_TAGS = 258, (281, 341)
_CHANNELS = (1, 3, 4)
_FLOATS = ("floats in 0…1: (x * 255).round().astype('uint8'); in −1…1: ((x + 1) * 127.5).round().astype('uint8')")


def read_picture(picture: Picture, background: int = 255) -> Image.Image:
    """``picture`` as an upright RGB or grey (``L``) PIL image, transparency composited over ``background``.

    Parameters
    ----------
    picture : path; binary stream, read from its start; PIL image; uint8 array or torch tensor
        An array is (H, W), (H, W, C) or (C, H, W) with 1, 3 (red, green, blue) or 4 (with alpha) channels. OpenCV's
        order is blue, green, red: ``x[:, :, ::-1]`` reverses it.
    background : int
        Grey value, 0…255.

    Raises
    ------
    ImageError
        The file is missing, damaged or not a picture, or the array has another shape or type.
    """
    if is_tensor(picture):
        picture = tensor_array(picture)
    if isinstance(picture, np.ndarray):
        return _normalize(_from_array(picture), background, "the array")
    if isinstance(picture, Image.Image):
        return _normalize(picture, background, "the PIL image")
    if isinstance(picture, (str, Path)):
        return _from_path(Path(picture), background)
    if _is_stream(picture):
        return _from_file(picture, background, _printable(str(getattr(picture, "name", "the stream"))))
    hint = "; for the bytes of a file: io.BytesIO(data)" if isinstance(picture, (bytes, bytearray, memoryview)) else ""
    raise ImageError(f"a picture is a path, a binary stream, a PIL image or a uint8 array, not"
                     f" {type(picture).__name__}{hint}")


def _is_stream(picture: object) -> TypeGuard[BinaryIO]:
    return all(hasattr(picture, name) for name in ("read", "seek", "tell"))


def _from_path(path: Path, background: int) -> Image.Image:
    name = _printable(str(path))
    try:
        if not path.is_file():
            raise ImageError(f"{name}: {'is a folder' if path.is_dir() else 'no such file'};"
                             " give the path of a picture")
        with open(path, "rb") as file:
            return _from_file(file, background, name)
    except _DECODER_ERRORS as error:
        raise ImageError(f"{name}: not a readable picture ({first_line(error)})") from None


def _printable(name: str) -> str:
    """``name`` with line ends and control characters escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def _from_file(file: BinaryIO, background: int, what: str) -> Image.Image:
    try:
        file.seek(0)
        with Image.open(file) as image:
            if image.format == "JPEG" and image.width * image.height > MAX_KEPT:
                # Pillow decodes at 1/2, 1/4 or 1/8 of the size, never smaller than requested.
                factor = (MAX_KEPT / (image.width * image.height)) ** 0.5 / 2
                image.draft(None, tuple(max(1, int(side * factor)) for side in image.size))
            return _normalize(image, background, what)
    except Image.DecompressionBombError:
        raise ImageError(f"{what}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000} megapixels, which takes"
                         " more memory than a picture may; save it smaller, a network sees little of it") from None
    except _DECODER_ERRORS as error:
        raise ImageError(f"{what}: not a readable picture ({first_line(error)})") from None


def _normalize(image: Image.Image, background: int, what: str) -> Image.Image:
    if 0 in image.size:
        raise ImageError(f"{what}: the picture is empty, {image.width}×{image.height} pixels")
    try:
        turn = _UPRIGHT.get(_orientation(image))
        if getattr(image, "is_animated", False) and image.tell():
            image = image.copy()  # use the current frame, and do not move the caller's picture to another
        if image.mode.startswith(("I", "F")):
            image = _to_8_bit(image, what)
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (background,) * 3 + (255,)), image)
        image = image.convert("L" if image.mode in ("L", "1") else "RGB")
        if image.width * image.height > MAX_KEPT:
            image = image.reduce(int(np.ceil((image.width * image.height / MAX_KEPT) ** 0.5)))
        return image if turn is None else image.transpose(turn)
    except _DECODER_ERRORS as error:
        raise ImageError(f"{what}: the picture cannot be decoded ({first_line(error)})") from None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 if there is none or it is unreadable, since the picture itself may be fine."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # for odd metadata, each version of Pillow raises something else
        return 1


# --- samples of other widths ---------------------------------------------------------------------------------

def _to_8_bit(image: Image.Image, what: str) -> Image.Image:
    """Reduce samples wider than 8 bits: by the largest value that the file declares, else by 8, 12 or 16 bits."""
    samples = np.asarray(image if image.mode == "F" else image.convert("I"))
    finite = np.nan_to_num(samples, nan=0, posinf=255, neginf=0) if image.mode == "F" else samples
    low, high = float(finite.min()), float(finite.max())
    largest = _stated_largest(image)
    if largest is None or not 0 < largest <= 2**32 or high > largest:
        sizes = (1, 255) if image.mode == "F" else (255, 4095, 65535)
        largest = next((size for size in sizes if high <= size), None)
    if low < 0 or largest is None:
        raise ImageError(f"{what}: samples from {low:g} to {high:g}; those of a picture lie in 0…255, 0…4095 or"
                         f" 0…65535 (floats in 0…1 or 0…255). Give x = numpy.asarray(image, float) as"
                         f" ((x - x.min()) / (x.max() - x.min()) * 255).astype('uint8')")
    whole = finite.astype(np.int64) * 256 // (int(largest) + 1)
    scaled = finite * (255 / largest) if image.mode == "F" else whole
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def _stated_largest(image: Image.Image) -> float | None:
    """The value of white as declared by the tags of a TIFF, else None."""
    tags = getattr(image, "tag_v2", None)
    if tags is None or image.mode == "F":
        return None
    try:
        for tag in _LARGEST_TAGS:
            if tag in tags:
                value = tags[tag]
                return float(value[0] if isinstance(value, tuple) else value)
        bits = tags.get(_BITS_TAG, 0)
        bits = int(bits[0] if isinstance(bits, tuple) else bits)
    except Exception:
        return None
    return 2**bits - 1 if 8 < bits < 16 else None


# --- arrays --------------------------------------------------------------------------------------------------

def is_tensor(picture: object) -> TypeGuard[Tensor]:
    """Whether it is a torch tensor, without importing torch."""
    return type(picture).__module__.partition(".")[0] == "torch" and hasattr(picture, "detach")


def tensor_array(tensor: Any) -> Array:
    """A torch tensor as an array, after checking that its shape shows which axis holds the channels.

    Raises
    ------
    ImageError
        Both the first and the last axis could be the channels.
    """
    try:
        pixels: Array = tensor.detach().cpu().numpy()
    except (TypeError, RuntimeError, AttributeError) as error:
        raise ImageError(f"a tensor that NumPy cannot take ({first_line(error)}); give x.to(torch.uint8)") from None
    if pixels.ndim in (3, 4) and pixels.shape[-3] in _CHANNELS and pixels.shape[-1] in _CHANNELS:
        raise ImageError(f"a tensor of shape {pixels.shape}: channels may come first or last; give"
                         f" x.numpy() with channels last, or x.movedim(-3, -1).numpy() where they come first")
    return pixels


def channels_last(pixels: Array) -> Array:
    """The array as (…, H, W, C); channels are taken to come first only if they cannot be last."""
    if pixels.ndim in (3, 4) and pixels.shape[-1] not in _CHANNELS and pixels.shape[-3] in _CHANNELS:
        return np.moveaxis(pixels, -3, -1)
    return pixels


def check_pixels(pixels: Array) -> None:
    """Raise ImageError unless the array is uint8."""
    if pixels.dtype != np.uint8:
        raise ImageError(f"an array of {pixels.dtype}, shape {pixels.shape}; pixels are uint8, 0 to 255 (for"
                         f" {_FLOATS})")


def _from_array(pixels: Array) -> Image.Image:
    check_pixels(pixels)
    given, pixels = pixels.shape, channels_last(pixels)
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _CHANNELS)):
        raise ImageError(f"an array of shape {given}; (height, width) and (height, width, 1, 3 or 4 channels) fit one"
                         " picture, (count, height, width, channels) many")
    if 0 in given:
        raise ImageError(f"an array of shape {given}: the picture is empty")
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels))
