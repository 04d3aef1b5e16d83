"""Folders as users and archives leave them: wrappers are looked through, nothing is passed over in silence."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.data.folders import picture_paths, skipped_files, skipped_words
from pynq_bnn.data.names import match_names
from pynq_bnn.errors import DataError
from pynq_bnn.network.spec import InputSpec, signed_codes

SPEC = InputSpec(4, 4, 3, signed_codes())


def write(root, *places):
    """Pictures at ``places``; each is of a grey value of its own, in the order given, from 1."""
    for value, place in enumerate(places, 1):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (value,) * 3).save(root / place)


def values(split):
    return split.images[:, 0, 0, 0].tolist()


def messages(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# --- wrappers ------------------------------------------------------------------------------------------------

def test_one_folder_around_everything_is_looked_through(tmp_path):
    write(tmp_path, "archive/pictures/apple/1.png", "archive/pictures/pear/1.png")
    data = load_dataset(tmp_path, SPEC)
    assert (data.classes, values(data.train)) == (("apple", "pear"), [1, 2])


def test_splits_of_intel_s_archive_are_found_and_its_pictures_without_classes_are_named(tmp_path, caplog):
    write(tmp_path, "seg_train/seg_train/sea/1.jpg", "seg_train/seg_train/street/2.jpg", "seg_test/seg_test/sea/3.jpg",
          "seg_test/seg_test/street/4.jpg", "seg_pred/seg_pred/5.jpg")
    data = load_dataset(tmp_path, SPEC)
    assert data.classes == ("sea", "street")
    assert (values(data.train), values(data.test), data.validation) == ([1, 2], [3, 4], None)
    assert any("seg_pred" in words for words in messages(caplog, logging.WARNING))


@pytest.mark.parametrize(("train", "test", "validation"), [
    ("Final_Training", "Final_Test", "Final_Validation"), ("training", "testing", "valid"), ("train", "test", "val"),
    ("trainset", "testset", "valset"), ("animals-train", "animals-test", "animals-val")])
def test_splits_are_known_by_a_word_of_their_names(tmp_path, train, test, validation):
    write(tmp_path, *(f"around/{split}/Images/{name}/1.png" for split in (train, test, validation) for name in "ab"))
    data = load_dataset(tmp_path, SPEC)
    assert data.classes == ("a", "b")
    assert [values(split) for split in (data.train, data.test, data.validation)] == [[1, 2], [3, 4], [5, 6]]


def test_what_archivers_and_file_systems_leave_is_no_class(tmp_path):
    write(tmp_path, "a/1.png", "b/1.png", "__MACOSX/a/1.png", "lost+found/1.png", "b/__MACOSX/2.png")
    data = load_dataset(tmp_path, SPEC)
    assert (data.classes, values(data.train)) == (("a", "b"), [1, 2])


def test_classes_whose_names_hold_a_split_s_word_stay_classes(tmp_path):
    write(tmp_path, "crash test/1.png", "test tube/1.png", "freight_train/deeper/1.png")
    assert load_dataset(tmp_path, SPEC).classes == ("crash test", "freight_train", "test tube")


def test_a_folder_of_test_pictures_without_classes_is_left_out_and_named(tmp_path, caplog):
    write(tmp_path, "train/a/1.png", "train/b/2.png", "test/3.png")
    data = load_dataset(tmp_path, SPEC)
    assert (values(data.train), data.test) == ([1, 2], None)
    assert any("test, whose pictures have no classes" in words for words in messages(caplog, logging.WARNING))
    shutil.rmtree(tmp_path / "train")
    write(tmp_path, "train/1.png", "train/2.png")
    with pytest.raises(DataError, match="train holds pictures but no class folder"):
        load_dataset(tmp_path, SPEC)


def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DataError, match="class folder"):
        load_dataset(tmp_path, SPEC)


# --- classes that are missing, named otherwise --------------------------------------------------------------

@pytest.mark.parametrize("part", ["val", "test"])
def test_a_split_that_lacks_a_class_is_taken_as_it_is_and_the_class_named(tmp_path, part, caplog):
    write(tmp_path, "train/a/1.png", "train/b/2.png", "train/c/3.png", f"{part}/a/4.png", f"{part}/C/5.png")
    data = load_dataset(tmp_path, SPEC)
    split = data.test if part == "test" else data.validation
    assert (values(split), split.labels.tolist()) == ([4, 5], [0, 2])
    assert any(f"{part} holds no picture of b" in words for words in messages(caplog, logging.WARNING))


def test_what_is_to_be_scored_may_be_one_class_or_have_an_empty_one(tmp_path):
    write(tmp_path, "pear/1.png")
    data = load_dataset(tmp_path, SPEC, parts="test")
    assert (data.classes, values(data.train)) == (("pear",), [1])
    (tmp_path / "plum").mkdir()
    assert values(load_dataset(tmp_path, SPEC, parts="test").train) == [1]
    write(tmp_path, "data/test/pear/2.png", "data/train/pear/1.png", "data/train/plum/1.png")
    assert load_dataset(tmp_path / "data", SPEC, parts="test").classes == ("pear",)


def test_names_match_exactly_first_then_composed_then_in_any_case_where_one_alone_can_be_meant():
    assert match_names(["A", "a"], ["a", "A"]) == [1, 0]
    assert match_names(["a"], ["A", "b"]) == [0]
    assert match_names(["a"], ["A", "Ａ"]) == [0]
    assert match_names(["É"], ["é", "e", "e\u0301"]) == [None]  # both of these are é
    assert match_names(["e\u0301", "E\u0301"], ["É", "é"]) == [1, 0]
    assert match_names(["cat", "CAT"], ["Cat"]) == [None, None]
    assert match_names(["cat"], ["Cat", "CAT"]) == [None]
    assert match_names(["a", "A"], ["A", "b"]) == [None, 0]


def test_the_classes_are_checked_before_a_picture_is_read(tmp_path):
    write(tmp_path, "a/1.png", "b/1.png")

    def refuse(classes):
        raise DataError(f"refused: {classes}")

    def prepare(path):
        raise AssertionError("a picture was read")

    with pytest.raises(DataError, match=r"refused: \('a', 'b'\)"):
        load_dataset(tmp_path, SPEC, check=refuse, prepare=prepare)


# --- what is said ---------------------------------------------------------------------------------------------

def test_what_was_found_is_said_before_it_is_read(tmp_path, caplog):
    write(tmp_path, "train/a/1.png", "train/a/2.png", "train/b/3.png", "test/b/4.png")
    with caplog.at_level(logging.INFO, "pynq_bnn"):
        load_dataset(tmp_path, SPEC)
    assert messages(caplog, logging.INFO) == \
        [f"{tmp_path.name}, 2 classes; train 3 pictures: a 2, b 1; test 1 pictures: a 0, b 1"]


def test_of_many_classes_the_smallest_and_the_largest_are_said(tmp_path, caplog):
    write(tmp_path, *(f"{number:02}/{copy}.png" for number in range(20) for copy in range(2 + (number == 7))))
    with caplog.at_level(logging.INFO, "pynq_bnn"):
        load_dataset(tmp_path, SPEC)
    assert "20 classes; train 41 pictures: from 2 (00) to 3 (07) a class" in messages(caplog, logging.INFO)[0]


def test_files_that_are_no_pictures_are_counted_by_suffix_with_a_way_to_convert_them(tmp_path, caplog):
    write(tmp_path, "a/1.png", "b/1.png")
    for number in range(30):
        (tmp_path / "a" / f"IMG_{number}.HEIC").write_bytes(b"ftypheic")
    (tmp_path / "b" / "film.mov").write_bytes(b"x")
    (tmp_path / "b" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "loose.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    load_dataset(tmp_path, SPEC)
    skipped, loose = messages(caplog, logging.WARNING)
    assert "30 .heic, 1 .mov; make JPEG or PNG of them first" in skipped
    assert "mogrify -format jpg *.heic" in skipped
    assert "1 picture(s) beside the class folders" in loose
    assert skipped_files(tmp_path) == {".heic": 30, ".mov": 1}
    assert "convert" not in skipped_words(skipped_files(tmp_path / "b"))


def test_a_class_of_files_that_cannot_be_read_says_what_they_are(tmp_path):
    write(tmp_path, "a/1.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.heic").write_bytes(b"ftypheic")
    with pytest.raises(DataError, match=r"b holds no picture .*1 \.heic"):
        load_dataset(tmp_path, SPEC)


# --- the same pictures elsewhere ------------------------------------------------------------------------------

def test_the_content_is_that_of_the_files_wherever_they_lie(tmp_path):
    write(tmp_path / "here", "a/1.png", "b/2.png")
    shutil.copytree(tmp_path / "here", tmp_path / "there" / "wrapped")
    here, there = (load_dataset(tmp_path / name, SPEC) for name in ("here", "there"))
    assert here.content == there.content != ""
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(tmp_path / "there" / "wrapped" / "b" / "2.png")
    assert load_dataset(tmp_path / "there", SPEC).content != here.content


def test_picture_paths_leave_out_what_archivers_leave(tmp_path):
    write(tmp_path, "__MACOSX/1.png", "x/2.png", ".hidden/3.png")
    assert picture_paths(tmp_path) == [tmp_path / "x" / "2.png"]
