"""Data sets in their publishers' layouts are read, and a wrong file is named."""

from __future__ import annotations

import gzip
import logging
import struct

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.data.datasets import Dataset, Split, load_dataset
from pynq_bnn.errors import DataError
from pynq_bnn.network.spec import InputSpec, signed_codes

CIFAR = InputSpec(32, 32, 3, signed_codes())
MNIST = InputSpec(28, 28, 1, signed_codes())
CIFAR_FILES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
MNIST_FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


# --- CIFAR-10 ----------------------------------------------------------------------------------------------

def cifar_record(label: int, pixels: np.ndarray) -> bytes:
    """A record by its publisher's page: label, then 1024 red, 1024 green, 1024 blue bytes, row by row."""
    planes = (bytes(int(pixels[y, x, c]) for y in range(32) for x in range(32)) for c in range(3))
    return bytes([label]) + b"".join(planes)


def write_cifar(place, per_file: int = 2) -> dict[str, tuple[np.ndarray, list[int]]]:
    place.mkdir(parents=True, exist_ok=True)
    rng, written = np.random.default_rng(7), {}
    for name in CIFAR_FILES:
        pixels, labels = rng.integers(0, 256, (per_file, 32, 32, 3)), rng.integers(0, 10, per_file).tolist()
        (place / name).write_bytes(b"".join(map(cifar_record, labels, pixels)))
        written[name] = pixels, labels
    return written


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_cifar_10_is_read_in_order_with_channels_last(tmp_path, inside):
    written = write_cifar(tmp_path / inside)
    data = load_dataset(str(tmp_path), CIFAR)
    assert data.classes == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    for split, names in ((data.train, CIFAR_FILES[:5]), (data.test, CIFAR_FILES[5:])):
        assert np.array_equal(split.images, np.concatenate([written[n][0] for n in names]))
        assert split.labels.tolist() == sum((written[n][1] for n in names), [])
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
    assert data.validation is None
    assert data.evaluation_split()[0] == "test"


def test_the_test_part_of_cifar_10_is_enough_to_evaluate(tmp_path):
    write_cifar(tmp_path)
    for name in CIFAR_FILES[:5]:
        (tmp_path / name).unlink()
    data = load_dataset(tmp_path, CIFAR, parts="test")
    assert (len(data.train), len(data.test)) == (0, 2)
    with pytest.raises(DataError, match="data_batch_1.bin is missing"):
        load_dataset(tmp_path, CIFAR)


@pytest.mark.parametrize("name", CIFAR_FILES)
@pytest.mark.parametrize(("damage", "says"), [
    (lambda content: None, "missing"), (lambda content: b"", "0 bytes"), (lambda content: content[:-1], "bytes"),
    (lambda content: content + b"\0", "bytes"), (lambda content: b"\x0a" + content[1:], "label 10"),
])
def test_a_wrong_cifar_10_file_is_named(tmp_path, name, damage, says):
    write_cifar(tmp_path)
    content = damage((tmp_path / name).read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"(?s){name}.*{says}"):
        load_dataset(tmp_path, CIFAR)


def test_a_network_of_another_input_size_is_told_both_sizes(tmp_path):
    write_cifar(tmp_path)
    with pytest.raises(DataError, match=r"\(32, 32, 3\).*\(28, 28, 1\)"):
        load_dataset(tmp_path, MNIST)


# --- MNIST -------------------------------------------------------------------------------------------------

def idx(array: np.ndarray) -> bytes:
    """An idx file of unsigned bytes, by its publisher's page."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(place, zipped: bool = False, side: int = 28) -> dict[str, np.ndarray]:
    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(8)
    written = {name: rng.integers(0, 256, (count, side, side)) if "images" in name else rng.integers(0, 10, count)
               for name, count in zip(MNIST_FILES, (6, 6, 3, 3))}
    for name, array in written.items():
        content = idx(array)
        (place / f"{name}{'.gz' if zipped else ''}").write_bytes(gzip.compress(content) if zipped else content)
    return written


@pytest.mark.parametrize("inside", ["", "MNIST/raw", "raw"])
@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read_plain_and_zipped(tmp_path, inside, zipped):
    written = write_mnist(tmp_path / inside, zipped)
    data = load_dataset(tmp_path, MNIST)
    assert data.classes == tuple("0123456789")
    for split, part in ((data.train, "train"), (data.test, "t10k")):
        assert np.array_equal(split.images[..., 0], written[f"{part}-images-idx3-ubyte"])
        assert split.images.shape[1:] == (28, 28, 1)
        assert np.array_equal(split.labels, written[f"{part}-labels-idx1-ubyte"])


def test_the_test_part_of_mnist_is_enough_to_evaluate(tmp_path):
    write_mnist(tmp_path)
    for name in MNIST_FILES[:2]:
        (tmp_path / name).unlink()
    data = load_dataset(tmp_path, MNIST, parts="test")
    assert (len(data.train), len(data.test)) == (0, 3)


def one_label_too_few(content: bytes) -> bytes:
    return content[:4] + struct.pack(">I", struct.unpack(">I", content[4:8])[0] - 1) + content[8:-1]


@pytest.mark.parametrize("name", MNIST_FILES)
@pytest.mark.parametrize("damage", [
    lambda content: None, lambda content: b"", lambda content: content[:6], lambda content: content[:-1],
    lambda content: content + b"\0", lambda content: b"\0\0\x0d" + content[3:], lambda content: b"<html>" + content,
    lambda content: content[:4] + b"\xff" * 4 + content[8:],
], ids=["missing", "empty", "cut head", "cut", "longer", "floats", "html", "gigantic count"])
def test_a_wrong_idx_file_is_named(tmp_path, name, damage):
    write_mnist(tmp_path)
    content = damage((tmp_path / name).read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        load_dataset(tmp_path, MNIST)


@pytest.mark.parametrize("name", MNIST_FILES)
@pytest.mark.parametrize("damage", [
    lambda content: content[:-12], lambda content: content[:12], lambda content: b"no gzip at all",
    lambda content: content[:15] + b"\xff\xff\xff\xff\xff\xff" + content[21:],
    lambda content: content[:-8] + b"\0\0\0\0" + content[-4:],
], ids=["cut", "head only", "no gzip", "damaged stream", "wrong checksum"])
def test_a_damaged_gz_file_is_named_as_it_lies_there(tmp_path, name, damage):
    write_mnist(tmp_path, zipped=True)
    path = tmp_path / f"{name}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=name) as caught:
        load_dataset(tmp_path, MNIST)
    assert f"{name}.gz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MNIST_FILES)
def test_an_empty_gz_file_is_named(tmp_path, name):
    write_mnist(tmp_path, zipped=True)
    (tmp_path / f"{name}.gz").write_bytes(b"")
    with pytest.raises(DataError, match=name):
        load_dataset(tmp_path, MNIST)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_labels_that_do_not_go_with_the_images_are_refused(tmp_path, part):
    path = tmp_path / f"{part}-labels-idx1-ubyte"
    write_mnist(tmp_path)
    good = path.read_bytes()
    path.write_bytes(one_label_too_few(good))
    with pytest.raises(DataError, match=f"{part}.*images.*labels"):
        load_dataset(tmp_path, MNIST)
    path.write_bytes(good[:-1] + b"\x0a")
    with pytest.raises(DataError, match=f"{part}.*label 10"):
        load_dataset(tmp_path, MNIST)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_pictures_of_another_size_in_either_part_are_refused(tmp_path, part):
    write_mnist(tmp_path)
    count = 6 if part == "train" else 3
    (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((count, 20, 20))))
    with pytest.raises(DataError, match=r"\(20, 20, 1\)"):
        load_dataset(tmp_path, MNIST)


def test_an_idx_data_set_without_pictures_is_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_FILES[2]).write_bytes(idx(np.zeros((0, 28, 28))))
    (tmp_path / MNIST_FILES[3]).write_bytes(idx(np.zeros(0)))
    with pytest.raises(DataError, match="0 images"):
        load_dataset(tmp_path, MNIST)


# --- folders of classes ------------------------------------------------------------------------------------

SMALL = InputSpec(4, 6, 3, signed_codes())


def picture(path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (value, 0, 255 - value)).save(path)


def write_classes(root, values: dict[str, list[int]]) -> None:
    for name, numbers in values.items():
        for value in numbers:
            picture(root / name / f"{value:03}.png", value)


def reds(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


def test_a_flat_folder_of_classes_is_one_training_split(tmp_path):
    write_classes(tmp_path, {"cat": [1, 2], "ant": [3], "dog": [4]})
    picture(tmp_path / "cat" / "deeper" / "x.BMP", 9)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "readme.md").write_text("no class")
    picture(tmp_path / ".thumbnails" / "x.png", 77)
    picture(tmp_path / "dog" / ".hidden.png", 78)
    data = load_dataset(tmp_path, SMALL)
    assert data.classes == ("ant", "cat", "dog")
    assert sorted(zip(reds(data.train), data.train.labels.tolist())) == [(1, 1), (2, 1), (3, 0), (4, 2), (9, 1)]
    assert (data.validation, data.test) == (None, None)
    assert data.evaluation_split()[0] == "all"


@pytest.mark.parametrize(("train", "validation", "test"), [
    ("train", "val", "test"), ("training", "validation", "testing"), ("train", "valid", None), ("train", None, "test"),
    ("train", None, None),
])
def test_splits_in_folders_of_their_own_are_kept_apart(tmp_path, train, validation, test):
    for folder, base in ((train, 0), (validation, 100), (test, 200)):
        if folder:
            write_classes(tmp_path / folder, {"a": [base + 1, base + 2], "b": [base + 3]})
    data = load_dataset(tmp_path, SMALL)
    assert (reds(data.train), data.train.labels.tolist()) == ([1, 2, 3], [0, 0, 1])
    assert (data.validation and reds(data.validation)) == (validation and [101, 102, 103])
    assert (data.test and reds(data.test)) == (test and [201, 202, 203])
    name, split = data.evaluation_split()
    assert name == ("test" if test else "validation" if validation else "all")
    lean = load_dataset(tmp_path, SMALL, parts="test")
    assert lean.classes == ("a", "b")
    assert np.array_equal(lean.evaluation_split()[1].images, split.images)
    assert len(lean.train) == (0 if test or validation else 3)


def test_pictures_of_any_size_are_brought_to_the_network_s(tmp_path):
    write_classes(tmp_path, {"a": [1], "b": [2]})
    data = load_dataset(tmp_path, InputSpec(8, 5, 1, signed_codes()))
    assert data.train.images.shape == (2, 8, 5, 1)


def test_progress_sees_every_picture_once(tmp_path):
    write_classes(tmp_path, {"a": [1, 2], "b": [2]})
    seen = []

    def progress(things):
        for thing in things:
            seen.append(thing)
            yield thing

    load_dataset(tmp_path, SMALL, progress=progress)
    assert len(seen) == 3


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_single_unreadable_picture_is_left_out_with_a_warning_that_names_it(tmp_path, caplog, content):
    write_classes(tmp_path, {"a": [1, 2], "b": [3]})
    (tmp_path / "a" / "broken.png").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        data = load_dataset(tmp_path, SMALL)
    assert reds(data.train) == [1, 2, 3]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "broken.png" in caplog.text


def test_a_class_whose_every_picture_is_unreadable_is_named(tmp_path):
    write_classes(tmp_path, {"a": [1, 2], "b": []})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "broken.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="b: none of its 1 pictures"):
        load_dataset(tmp_path, SMALL)


def test_a_folder_whose_every_picture_is_unreadable_is_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of its . pictures"):
        load_dataset(tmp_path, SMALL)


# --- wrong layouts -----------------------------------------------------------------------------------------

def test_a_directory_that_is_none_is_refused_with_the_layouts_that_fit(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(DataError, match=f"(?s){path.name}.*CIFAR-10.*MNIST.*CLASS"):
            load_dataset(path, SMALL)


def test_an_empty_directory_one_class_and_loose_pictures_are_refused_with_the_layouts_that_fit(tmp_path):
    with pytest.raises(DataError, match="(?s)0 class.*CLASS/picture"):
        load_dataset(tmp_path, SMALL)
    picture(tmp_path / "loose.png", 1)
    with pytest.raises(DataError, match="0 class"):
        load_dataset(tmp_path, SMALL)
    write_classes(tmp_path, {"only": [1]})
    with pytest.raises(DataError, match="1 class"):
        load_dataset(tmp_path, SMALL)
    write_classes(tmp_path / "deep" / "train", {"only": [1]})
    with pytest.raises(DataError, match="train holds 1 class"):
        load_dataset(tmp_path / "deep", SMALL)


def test_a_class_without_pictures_is_named(tmp_path):
    write_classes(tmp_path, {"a": [1], "b": [2]})
    (tmp_path / "hollow").mkdir()
    with pytest.raises(DataError, match="hollow holds no picture"):
        load_dataset(tmp_path, SMALL)


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_the_training_folder_lacks_is_refused(tmp_path, part):
    write_classes(tmp_path / "train", {"a": [1], "b": [2]})
    write_classes(tmp_path / part, {"a": [1], "b": [2], "c": [3]})
    with pytest.raises(DataError, match=f"{part}/c is a class"):
        load_dataset(tmp_path, SMALL)


def test_splits_without_a_training_part_are_not_taken_for_classes(tmp_path):
    write_classes(tmp_path / "val", {"a": [1], "b": [2]})
    write_classes(tmp_path / "test", {"a": [1], "b": [2]})
    with pytest.raises(DataError, match="train"):
        load_dataset(tmp_path, SMALL)


def test_the_python_layout_of_cifar_10_is_refused_with_the_layouts_that_fit(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x02}q\x01")
    with pytest.raises(DataError, match="CIFAR-10 binary"):
        load_dataset(tmp_path, CIFAR)


def test_taking_indices_keeps_images_and_labels_together():
    split = Split(np.arange(5 * 4).reshape(5, 2, 2, 1).astype(np.uint8), np.arange(5))
    part = split.take(np.array([4, 1]))
    assert (part.images[:, 0, 0, 0].tolist(), part.labels.tolist(), len(part)) == ([16, 4], [4, 1], 2)
    assert Dataset("x", ("a",), split).evaluation_split() == ("all", split)


# --- splits beside classes -----------------------------------------------------------------------------------

def test_split_folders_are_known_by_their_usual_names_in_any_case(tmp_path):
    for train, test, val in (("train", "test", "val"), ("Train", "Test", "Validate"),
                             ("training_set", "test_set", "validation_set")):
        for number, part in enumerate((train, test, val)):
            write_classes(tmp_path / train / part, {"a": [number], "b": [number]})
        data = load_dataset(tmp_path / train, SMALL)
        assert data.classes == ("a", "b")
        assert [set(reds(split)) for split in (data.train, data.test, data.validation)] == [{0}, {1}, {2}]


@pytest.mark.parametrize("names", [("a", "b", "test"), ("car", "bus", "Train"), ("train", "test", "pictures")])
def test_a_split_beside_other_folders_is_refused_not_taken_for_a_class(tmp_path, names):
    for name in names:
        write_classes(tmp_path / name, {"x": [1], "y": [2]})
    with pytest.raises(DataError, match="taken for a split, beside"):
        load_dataset(tmp_path, SMALL)


def test_a_test_part_alone_can_be_evaluated_but_not_trained_on(tmp_path):
    write_classes(tmp_path / "test", {"a": [1], "b": [2]})
    assert load_dataset(tmp_path, SMALL, parts="test").evaluation_split()[0] == "test"
    with pytest.raises(DataError, match="no 'train'"):
        load_dataset(tmp_path, SMALL)


def test_pictures_in_hidden_folders_do_not_count(tmp_path):
    write_classes(tmp_path, {"a": [1], "b": [2]})
    write_classes(tmp_path / "a", {".ipynb_checkpoints": [7]})
    assert sorted(reds(load_dataset(tmp_path, SMALL).train)) == [1, 2]


def test_idx_files_named_with_a_dot_are_found(tmp_path):
    write_mnist(tmp_path)
    expected = load_dataset(tmp_path, MNIST)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert np.array_equal(load_dataset(tmp_path, MNIST).test.images, expected.test.images)
