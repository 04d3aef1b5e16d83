"""Films and shapes made on the spot: every frame there and moving; shapes of the right area, never twice the same."""

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.camera.frames import open_frames
from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.data.generated import SHAPES, draw_shape, film_of, shape_mask, write_film, write_shapes
from pynq_bnn.errors import DataError, OutputError
from pynq_bnn.network import InputSpec, signed_codes


def photo(width=90, height=60):
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8))


def test_a_film_moves_about_the_middle_of_its_photo():
    frames = [np.asarray(frame, int) for frame in film_of(photo(), 6, (80, 60))]
    assert [frame.shape for frame in frames] == [(60, 80, 3)] * 6
    assert all(np.abs(a - b).mean() > 0.5 for a, b in zip(frames, frames[1:]))
    for frame in frames:
        assert frame[30, 40, :2] == pytest.approx([128, 128], abs=40)


def test_a_written_film_is_a_source_of_all_its_frames(tmp_path):
    photos = []
    for number in range(2):
        photos.append(tmp_path / f"{number}.png")
        photo(90 + 40 * number).save(photos[-1])
    folder = write_film(tmp_path / "deep" / "film", photos, frames=4)
    assert write_film(folder, photos, frames=4) == folder
    assert [frame.shape for frame in open_frames(folder)] == [(360, 480, 3)] * 8


def test_a_film_of_nothing_and_a_place_that_cannot_be_written_are_errors(tmp_path):
    with pytest.raises(DataError, match="needs a photo"):
        write_film(tmp_path, [])
    (tmp_path / "file").write_text("")
    photo().save(tmp_path / "photo.png")
    for write in (lambda place: write_film(place, [tmp_path / "photo.png"]), write_shapes):
        with pytest.raises(OutputError, match="choose another place"):
            write(tmp_path / "file" / "below")


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_covers_what_its_geometry_says(name):
    """Areas of a circle, square, triangle and five-pointed star of circumradius 1; it is 0.2 to 0.42 of a side."""
    expected = {"circle": np.pi, "square": 2, "triangle": 3 * np.sqrt(3) / 4,
                "star": 5 * 0.42 * np.sin(np.pi / 5)}[name]
    rng = np.random.default_rng(0)
    masks = [shape_mask(name, rng) for _ in range(200)]
    mean_square = (0.42**3 - 0.2**3) / 3 / 0.22
    assert np.mean(masks) == pytest.approx(expected * mean_square, rel=0.08)


def test_shapes_are_now_lighter_now_darker_than_their_ground():
    """Grey of the disc found by trying places, less that of the rest of the picture."""
    y, x = np.mgrid[:48, :48]
    discs = [(y - v)**2 + (x - u)**2 < 64 for v in range(10, 39, 4) for u in range(10, 39, 4)]
    found = []
    for seed in range(40):
        grey = np.asarray(draw_shape("circle", np.random.default_rng(seed)).convert("L"), float)
        found.append(max((grey[disc].mean() - grey[~disc].mean() for disc in discs), key=abs))
    assert min(np.abs(found)) > 25
    assert 10 < sum(difference > 0 for difference in found) < 30


def test_shapes_are_a_data_set_with_a_test_split_and_the_seed_decides_them(tmp_path):
    spec = InputSpec(24, 24, 3, signed_codes(), fit="extend")
    first = load_dataset(write_shapes(tmp_path / "a", 5, 2), spec)
    assert first.classes == tuple(sorted(SHAPES))
    assert (len(first.train), len(first.test)) == (20, 8)
    again = load_dataset(write_shapes(tmp_path / "b", 5, 2), spec)
    other = load_dataset(write_shapes(tmp_path / "c", 5, 2, seed=2), spec)
    assert np.array_equal(first.train.images, again.train.images)
    assert not np.array_equal(first.train.images, other.train.images)
    assert len(np.unique(first.train.images.reshape(20, -1), axis=0)) == 20
