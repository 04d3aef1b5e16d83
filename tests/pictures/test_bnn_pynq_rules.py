"""Pictures as BNN-PYNQ saw them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.errors import ImageError
from pynq_bnn.pictures.bnn_pynq import bnn_pynq_box, bnn_pynq_digit, bnn_pynq_pixels


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


# --- signs for 28×28 networks --------------------------------------------------------------------------------

def _by_the_notebook(page: np.ndarray, characters: bool) -> np.ndarray:
    """What the notebook's steps make of a grey page, pixel by pixel; both ways to 28×28 skip pixels alike."""
    contrast, brightness = (5, 2.0) if characters else (3, 4.0)
    mean = int(page.mean() + 0.5)
    values = np.clip(mean + (page.astype(float) - mean) * contrast, 0, 255).astype(int)
    values = np.clip(values * brightness, 0, 255).astype(int)
    if characters:
        values = np.where(values > 180, 255, 0)
    rows, columns = np.nonzero((values < 255).any(1))[0], np.nonzero((values < 255).any(0))[0]
    cut = values[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    height, width = cut.shape
    ratio = min(28 / height, 28 / width)
    size = (28 if height >= width else int(height * ratio), 28 if width >= height else int(width * ratio))
    seen = np.full((28, 28), 1)
    top, left = (28 - size[0]) // 2, (28 - size[1]) // 2
    for y in range(size[0]):
        for x in range(size[1]):
            source = cut[int((y + 0.5) * height / size[0]), int((x + 0.5) * width / size[1])]
            seen[top + y, left + x] = 255 if source == 0 else 1
    return seen


@pytest.mark.parametrize("characters", [False, True])
@pytest.mark.parametrize("size", [(60, 100), (100, 60), (81, 81), (211, 97)])
def test_a_sign_is_cut_out_and_scaled_as_the_notebooks_of_cameras_did(characters, size):
    rng = np.random.default_rng(size[0])
    page = rng.integers(198, 215, (240, 320)).astype(np.uint8)
    sign = np.kron(rng.integers(0, 2, (size[0] // 10 + 1, size[1] // 10 + 1)), np.ones((10, 10), int))
    sign = sign[:size[0], :size[1]]
    sign[0], sign[-1], sign[:, 0], sign[:, -1] = 1, 1, 1, 1
    page[15:15 + size[0], 40:40 + size[1]][sign == 1] = 20
    seen = bnn_pynq_digit(page, characters=characters)
    assert np.array_equal(seen[:, :, 0], _by_the_notebook(page, characters))
    assert bnn_pynq_box(page, characters) == (40, 15, 40 + size[1], 15 + size[0])


@pytest.mark.parametrize("characters", [False, True])
def test_an_empty_page_is_1_throughout(characters):
    assert (bnn_pynq_digit(np.full((50, 60), 230, np.uint8), characters=characters) == 1).all()
    assert bnn_pynq_box(np.full((50, 60), 230, np.uint8), characters) == (0, 0, 60, 50)
