"""Pictures as BNN-PYNQ saw them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.errors import ImageError
from pynq_bnn.interop.old_preprocessing import bnn_pynq_pixels


def _photo(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def _inner(pixels: np.ndarray) -> tuple[int, int]:
    """Width and height of what is not white."""
    coloured = (pixels != 255).any(axis=2)
    return int(coloured.any(axis=0).sum()), int(coloured.any(axis=1).sum())


@pytest.mark.parametrize(("size", "inner"), [
    ((100, 100), (32, 32)), ((400, 300), (32, 24)), ((300, 400), (24, 32)), ((1000, 47), (32, 1)), ((1000, 9), (32, 1)),
    ((70, 41), (32, 18)), ((20, 10), (20, 10)), ((33, 20), (32, 19)),
])
def test_the_longer_side_becomes_32_and_the_shorter_is_rounded_down(size, inner):
    pixels = bnn_pynq_pixels(Image.new("RGB", size, (10, 20, 30)))
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert _inner(pixels) == inner


def test_a_small_picture_is_centred_on_white_and_not_enlarged():
    picture = np.asarray(_photo(12, 8)) // 2
    pixels = bnn_pynq_pixels(picture)
    assert np.array_equal(pixels[12:20, 10:22], picture)
    assert pixels.sum() == picture.sum() + 255 * 3 * (32 * 32 - 12 * 8)


def test_colour_under_transparency_shows():
    picture = Image.new("RGBA", (32, 32), (9, 8, 7, 0))
    assert (bnn_pynq_pixels(picture) == (9, 8, 7)).all()


def test_a_path_and_its_picture_give_the_same_and_stay_as_they_are(tmp_path):
    picture = _photo(80, 60)
    picture.save(tmp_path / "photo.png")
    expected = np.asarray(picture.resize((32, 24), Image.LANCZOS))
    for given in (picture, tmp_path / "photo.png", str(tmp_path / "photo.png"), np.asarray(picture)):
        assert np.array_equal(bnn_pynq_pixels(given)[4:28], expected)
    assert picture.size == (80, 60)


def test_via_64_resizes_twice():
    picture = _photo(256, 128)
    twice = picture.resize((64, 32), Image.LANCZOS).resize((32, 16), Image.LANCZOS)
    assert np.array_equal(bnn_pynq_pixels(picture, via_64=True)[8:24], np.asarray(twice))
    assert not np.array_equal(bnn_pynq_pixels(picture), bnn_pynq_pixels(picture, via_64=True))


def test_draft_decodes_a_jpeg_at_reduced_scale(tmp_path):
    path = tmp_path / "photo.jpg"
    _photo(256, 256).save(path)
    with Image.open(path) as image:
        image.draft(None, (32, 32))
        assert image.size == (32, 32)
        reduced = np.asarray(image.convert("RGB"))
    assert np.array_equal(bnn_pynq_pixels(path, draft=True, via_64=False), reduced)
    assert not np.array_equal(bnn_pynq_pixels(path, draft=False, via_64=False), reduced)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_what_is_no_picture_is_named(content, tmp_path):
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match="photo.jpg"):
        bnn_pynq_pixels(path, draft=True, via_64=False)


def test_a_number_is_no_picture():
    with pytest.raises(ImageError):
        bnn_pynq_pixels(3)
