"""SVHN's cropped digits are read from MATLAB files, and the half-width BinaryNet trains on them and on folders."""

import contextlib

import numpy as np
import pytest
from commandline import run
from PIL import Image
from tools import needs_modules

from pynq_bnn import load_network
from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.errors import DataError
from pynq_bnn.network.spec import InputSpec, signed_codes

pytestmark = needs_modules("scipy")
SPEC = InputSpec(32, 32, 3, signed_codes())
COUNTS = {"train": 24, "test": 7, "extra": 5}


def write_svhn(place, parts=("train", "test"), **changes):
    """Files as published: compressed, pictures last, labels as a column, 10 for the digit 0."""
    from scipy.io import savemat

    rng, written = np.random.default_rng(3), {}
    for part in parts:
        count = COUNTS[part]
        content = {"X": rng.integers(0, 256, (32, 32, 3, count), dtype=np.uint8),
                   "y": (np.arange(count) % 10 + 1).astype(np.uint8)[:, None], **changes.get(part, {})}
        savemat(place / f"{part}_32x32.mat", content, do_compression=True)
        written[part] = content
    return written


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "test", "extra")])
def test_digits_are_read_in_order_and_ten_is_nought(tmp_path, parts):
    written = write_svhn(tmp_path, parts)
    data = load_dataset(tmp_path, SPEC)
    assert (data.name, data.classes) == ("SVHN", tuple("0123456789"))
    for split, names in ((data.train, [part for part in parts if part != "test"]), (data.test, ["test"])):
        pixels = np.concatenate([written[name]["X"] for name in names], axis=3)
        labels = np.concatenate([written[name]["y"] for name in names])[:, 0]
        assert all(np.array_equal(image, pixels[..., n]) for n, image in enumerate(split.images))
        assert split.labels.tolist() == [0 if label == 10 else label for label in labels.tolist()]
        assert (split.images.dtype, split.labels.dtype, split.images.flags.c_contiguous) == (np.uint8, np.int64, True)


def test_the_test_part_is_enough_to_evaluate(tmp_path):
    write_svhn(tmp_path, ("test",))
    assert len(load_dataset(tmp_path, SPEC, parts="test").test) == COUNTS["test"]
    with pytest.raises(DataError, match="train_32x32.mat is missing"):
        load_dataset(tmp_path, SPEC)


@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: content[:100], lambda content: content[:-200], lambda content: b"<html>" * 99,
    lambda content: content[:400] + b"\0\1\2\3" * 50 + content[600:],
], ids=["empty", "head only", "cut", "html", "damaged"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_damaged_file_is_named(tmp_path, part, damage):
    write_svhn(tmp_path)
    path = tmp_path / f"{part}_32x32.mat"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{part}_32x32.mat") as caught:
        load_dataset(tmp_path, SPEC)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "says"), [
    ({"X": np.zeros((32, 32, 3, 24))}, "float64"),
    ({"X": np.zeros((32, 32, 24), np.uint8)}, r"\(32, 32, 24\)"),
    ({"X": np.zeros((0, 0), np.uint8)}, "not uint8"),
    ({"y": np.ones((23, 1), np.uint8)}, "24 pictures and 23 labels"),
    ({"y": np.full((24, 1), 11, np.uint8)}, "11"),
    ({"y": np.zeros((24, 1), np.uint8)}, "labels from 0"),
    ({"y": np.array([["a"] * 24], object)}, "labels"),
])
def test_what_is_no_such_file_is_named(tmp_path, content, says):
    write_svhn(tmp_path, train=content)
    with pytest.raises(DataError, match=f"train_32x32.mat.*{says}"):
        load_dataset(tmp_path, SPEC)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float64, np.int16])
def test_labels_of_any_type_are_read_compressed_or_not(tmp_path, kind, compressed):
    """MATLAB and others store small numbers in small types whatever the array's is."""
    from scipy.io import savemat

    pixels = np.arange(32 * 32 * 3 * 2, dtype=np.uint32).reshape(32, 32, 3, 2).astype(np.uint8)
    savemat(tmp_path / "test_32x32.mat", {"other": np.eye(3), "text": "words", "X": pixels,
                                          "y": np.array([[10], [3]], kind)}, do_compression=compressed)
    test = load_dataset(tmp_path, SPEC, parts="test").test
    assert test.labels.tolist() == [0, 3]
    assert np.array_equal(test.images, pixels.transpose(3, 0, 1, 2))


@pytest.mark.parametrize("compressed", [True, False])
def test_no_changed_bytes_end_in_anything_but_pictures_or_a_named_file(tmp_path, compressed):
    """Some of these end the whole process in SciPy's reader."""
    from scipy.io import savemat

    path, rng = tmp_path / "test_32x32.mat", np.random.default_rng(11)
    savemat(path, {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [10]])}, do_compression=compressed)
    whole = path.read_bytes()
    places = [*range(124, 136), *range(136, min(len(whole), 220)), *range(len(whole) - 80, len(whole))]
    refused = 0
    for _ in range(200):
        changed = bytearray(whole)
        for place in rng.choice(places, rng.integers(1, 4)):
            changed[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        path.write_bytes(changed)
        with contextlib.suppress(DataError):
            assert len(load_dataset(tmp_path, SPEC, parts="test").test) == 2
            continue
        refused += 1
    assert refused > 30


def write_folders(place):
    rng = np.random.default_rng(4)
    for name in ("hen", "owl", "wren"):
        (place / name).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(place / name / f"{number}.png")


@needs_modules("torch", "brevitas")
@pytest.mark.parametrize(("write", "classes"), [
    (write_svhn, tuple("0123456789")), (write_folders, ("hen", "owl", "wren")),
], ids=["svhn", "folders"])
def test_the_half_width_binarynet_trains_folds_and_is_evaluated(tmp_path, capsys, write, classes):
    data = tmp_path / "data"
    data.mkdir()
    write(data)
    out, file = tmp_path / "out", tmp_path / "half.bnn"
    assert run(capsys, "train", "binarynet-svhn", "--data", data, "--out", out, "--epochs", 1, "--batch", 8)[0] == 0
    assert run(capsys, "compile", out, "-o", file)[0] == 0
    network = load_network(file)
    assert network.output.classes == classes
    assert network.provenance["training"]["flip"] == (classes[0] != "0"), "photographs are mirrored, digits are not"
    status, said, _ = run(capsys, "evaluate", file, "--data", data)
    assert status == 0
    assert "top-1" in said
