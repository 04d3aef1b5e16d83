"""GTSRB in its publisher's layout, in pictures made here: regions cut out, tracks kept together, wrong tables named."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.errors import DataError
from pynq_bnn.network.spec import InputSpec, signed_codes

SPEC = InputSpec(6, 6, 3, signed_codes())
HEAD = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
TRAIN, TEST = "GTSRB/Final_Training/Images", "GTSRB/Final_Test/Images"


def sign(path, colour):
    """A 16×18 picture, white but for the region from (5, 6) up to (11, 12), which has the colour."""
    pixels = np.full((18, 16, 3), 255, np.uint8)
    pixels[6:12, 5:11] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def row(name, label):
    return f"{name};16;18;5;6;11;12;{label}\n"


def write_training(root, tracks=2, frames=2):
    for number in range(43):
        folder, table = root / TRAIN / f"{number:05}", HEAD
        for track in range(tracks):
            for frame in range(frames):
                name = f"{track:05}_{frame:05}.ppm"
                sign(folder / name, (number, track, frame))
                table += row(name, number)
        (folder / f"GT-{number:05}.csv").write_text(table)


def write_test(root, count=5, table=f"{TEST}/GT-final_test.csv"):
    rows = HEAD
    for number in range(count):
        sign(root / TEST / f"{number:05}.ppm", (100 + number, 0, 0))
        rows += row(f"{number:05}.ppm", 42 - number)
    (root / TEST / "GT-final_test.test.csv").write_text(HEAD.replace(";ClassId", ""))
    if table:
        (root / table).parent.mkdir(parents=True, exist_ok=True)
        (root / table).write_text(rows)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    write_training(root)
    write_test(root)
    return root


@pytest.fixture
def mine(published, tmp_path):
    return shutil.copytree(published, tmp_path / "data")


@pytest.mark.parametrize("place", [".", "GTSRB"])
def test_the_regions_of_43_classes_are_read_and_the_test_pictures_have_their_table_s_classes(published, place):
    data = load_dataset(published / place, SPEC)
    assert (data.name, len(data.classes), data.classes[14]) == ("GTSRB", 43, "stop")
    assert len(data.train) == 43 * 4
    assert data.train.labels.tolist() == [number for number in range(43) for _ in range(4)]
    expected = [(number, track, frame) for number in range(43) for track in (0, 1) for frame in (0, 1)]
    assert [tuple(pixel) for pixel in data.train.images[:, 0, 0].tolist()] == expected
    assert (data.train.images == data.train.images[:, :1, :1]).all()  # nothing white: the border is cut off
    assert data.test.labels.tolist() == [42, 41, 40, 39, 38]
    assert data.test.images[:, 3, 3, 0].tolist() == [100, 101, 102, 103, 104]


def test_frames_of_one_track_are_one_group(published):
    groups = load_dataset(published, SPEC).train.groups
    assert len(np.unique(groups)) == 43 * 2
    assert (groups.reshape(-1, 2)[:, 0] == groups.reshape(-1, 2)[:, 1]).all()


@pytest.mark.parametrize("place", ["GT-final_test.csv", "GTSRB/GT-final_test.csv", "GTSRB/Final_Test/GT-final_test.csv",
                                   "GTSRB_Final_Test_GT/GT-final_test.csv"])
def test_the_table_of_the_test_pictures_is_found_where_its_archive_puts_it(tmp_path, place):
    write_test(tmp_path, table=place)
    data = load_dataset(tmp_path, SPEC, parts="test")
    assert data.evaluation_split()[0] == "test"
    assert data.test.labels.tolist() == [42, 41, 40, 39, 38]


def test_archives_unpacked_into_folders_of_their_own_are_found(published, tmp_path):
    shutil.copytree(published / "GTSRB" / "Final_Training", tmp_path / "Train_zip" / "GTSRB" / "Final_Training")
    shutil.copytree(published / "GTSRB" / "Final_Test", tmp_path / "Test_zip" / "GTSRB" / "Final_Test")
    data = load_dataset(tmp_path, SPEC)
    assert (len(data.train), len(data.test)) == (172, 5)


def test_without_the_table_of_classes_test_pictures_are_left_out_or_refused(tmp_path, published, caplog):
    write_test(tmp_path, table=None)
    with pytest.raises(DataError, match=r"GT-final_test\.csv .* is missing"):
        load_dataset(tmp_path, SPEC, parts="test")
    shutil.copytree(published / "GTSRB" / "Final_Training", tmp_path / "GTSRB" / "Final_Training")
    data = load_dataset(tmp_path, SPEC)
    assert (len(data.train), data.test) == (172, None)
    assert "GT-final_test.csv" in caplog.text


DAMAGE = {
    "a comma for the semicolon": (lambda text: text.replace(";", ","), "no column 'Filename'"),
    "a picture that is not there": (lambda text: text.replace("00000_00000", "00009_00000"), "there is no picture"),
    "a path for a name": (lambda text: text.replace("00000_00000", "../00000/00000_00000"), "there is no picture"),
    "words for a region": (lambda text: text.replace(";5;", ";five;"), "not a whole number"),
    "a row cut short": (lambda text: text[:-9], "not a whole number"),
    "class 43": (lambda text: text.replace(";7\n", ";43\n"), "class 43; 0 to 42 fit"),
    "another folder's class": (lambda text: text.replace(";7\n", ";8\n"), "says class 8"),
    "no row": (lambda text: HEAD, "has no picture of class 7"),
    "nothing": (lambda text: "", "no column"),
    "no text": (lambda text: "\0" * 40, "GT-00007"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE)
def test_a_wrong_table_is_named(mine, damage, says):
    table = mine / TRAIN / "00007" / "GT-00007.csv"
    table.write_text(damage(table.read_text()))
    with pytest.raises(DataError, match=f"(?s)00007.*{says}|{says}"):
        load_dataset(mine, SPEC)


def test_a_region_outside_its_picture_leaves_the_picture_out_and_a_missing_class_is_named(mine, caplog):
    table = mine / TRAIN / "00007" / "GT-00007.csv"
    table.write_text(table.read_text().replace(";11;12;", ";17;12;", 1))
    assert len(load_dataset(mine, SPEC).train) == 171
    assert "does not lie in its 16×18 pixels" in caplog.text
    shutil.rmtree(mine / TRAIN / "00008")
    with pytest.raises(DataError, match="00008"):
        load_dataset(mine, SPEC)
