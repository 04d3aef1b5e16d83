"""Pictures are made ready while the accelerator computes those before them, and nothing changes but the time."""

import json
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pynq_bnn import Classifier, cli, save_network
from pynq_bnn.backends import CpuBackend
from pynq_bnn.classify.evaluate import evaluate
from pynq_bnn.errors import ImageError
from pynq_bnn.pictures.preprocess import network_input
from pynq_bnn.program.registers import BUSY, OFFSETS

COUNT = 11


@pytest.fixture
def classifier(device, small_network, monkeypatch):
    """On the overlay, in groups of four; "prepare" and "pack" stand in the device's log beside the registers."""
    from pynq_bnn.program.pack import pack_images

    def noted(name, function):
        def call(*arguments, **values):
            device.log.append((name, "", 0))
            return function(*arguments, **values)
        return call

    monkeypatch.setattr("pynq_bnn.board.accelerator.default_bitstream", lambda: Path(device.bitstream))
    for module, name in (("classifier", "GROUP"), ("classifier", "READY_GROUP"), ("evaluate", "READY_GROUP")):
        monkeypatch.setattr(import_module(f"pynq_bnn.classify.{module}"), name, 4)
    monkeypatch.setattr("pynq_bnn.board.loaded_network.pack_images", noted("pack", pack_images))
    with Classifier(small_network, "overlay") as made:
        monkeypatch.setattr(made._preparation, "one", noted("prepare", made._preparation.one))
        yield made


@pytest.fixture
def photos():
    """Larger than the network's pictures."""
    pixels = np.random.default_rng(5).integers(0, 256, (COUNT, 9, 12), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in pixels]


@pytest.fixture
def expected(small_network, photos):
    return CpuBackend(small_network).scores(np.stack([network_input(photo, small_network.input) for photo in photos]))


def events(device):
    """What the processor did, with S for a start and W for a look at STATUS."""
    letters = {"prepare": "p", "pack": "P", "CONTROL": "S", "STATUS": "W"}
    return "".join(letters.get(kind) or letters.get(name, "") for kind, name, _ in device.log)


def test_a_list_of_photos_is_prepared_while_the_accelerator_computes(device, classifier, photos, expected):
    device.log.clear()
    results = classifier.classify(photos)
    assert events(device) == "ppppP" + "SppppPW" + "SpppPW" + "SW"
    assert np.array_equal(np.stack([result.sums for result in results]), expected)
    assert np.array_equal(results[7].input_image, network_input(photos[7], classifier.network.input))


def test_an_array_of_photos_is_prepared_while_the_accelerator_computes(device, classifier, photos, expected):
    device.log.clear()
    batch = classifier.classify(np.stack([np.asarray(photo)[..., None] for photo in photos]))
    assert events(device) == "ppppP" + "SppppPW" + "SpppPW" + "SW"
    assert np.array_equal(batch.sums, expected)


def test_pictures_that_are_ready_are_packed_while_the_accelerator_computes(device, classifier, small_network, noise):
    pixels = noise(small_network, COUNT)
    device.log.clear()
    batch = classifier.classify(pixels)
    assert events(device) == "P" + "SPW" + "SPW" + "SW"
    assert np.array_equal(batch.sums, CpuBackend(small_network).scores(pixels))


def test_an_evaluation_packs_while_the_accelerator_computes(device, classifier, small_network, noise):
    pixels = noise(small_network, COUNT)
    labels = np.arange(COUNT) % 5
    split = type("Split", (), {"images": pixels, "labels": labels, "__len__": lambda self: COUNT})()
    data = SimpleNamespace(name="noise", classes=tuple("abcde"), evaluation_split=lambda: ("test", split))
    device.log.clear()
    outcome = evaluate(classifier, data)
    assert events(device) == "P" + "SPW" + "SPW" + "SW"
    answers = small_network.output.indices(CpuBackend(small_network).scores(pixels))
    assert outcome.top1 == pytest.approx((answers == labels).mean())


def test_the_command_prepares_a_folder_while_the_accelerator_computes(device, classifier, photos, expected, capsys,
                                                                      tmp_path, monkeypatch):
    for number, photo in enumerate(photos):
        photo.save(tmp_path / f"{number:02}.png")
    (tmp_path / "05a.png").write_text("no picture")
    save_network(classifier.network, tmp_path / "small.bnn")
    monkeypatch.setattr("pynq_bnn.commands.classify.Classifier", lambda *_, **__: classifier)
    device.log.clear()
    assert cli.main(["classify", str(tmp_path), "--network", str(tmp_path / "small.bnn"), "--json"]) == 2
    # Each picture twice: from its file, then as pixels that are right already.
    assert events(device) == "p" * 8 + "P" + "S" + "p" * 9 + "PW" + "S" + "p" * 6 + "PW" + "SW"
    out, err = capsys.readouterr()
    assert [row["sums"] for row in json.loads(out)] == expected.tolist()
    assert "05a.png" in err


def test_results_of_a_stream_come_before_all_pictures_are_taken(classifier, photos, expected):
    taken = []
    results = classifier.stream(taken.append(photo) or photo for photo in photos)
    assert np.array_equal(next(results).sums, expected[0])
    assert len(taken) == 8
    assert np.array_equal(np.stack([result.sums for result in results]), expected[1:])


def test_a_bad_picture_amid_a_list_leaves_the_classifier_usable(device, classifier, photos, expected):
    classifier.classify(photos)
    held = dict(device.buffers)
    with pytest.raises(ImageError, match="no such"):
        classifier.classify([*photos[:6], "no such file.png"])
    assert device.buffers == held, "kept for the next batch, as after any other"
    assert not device.core.read(OFFSETS["STATUS"]) & BUSY
    assert np.array_equal(np.stack([result.sums for result in classifier.classify(photos)]), expected)


def test_time_is_counted_once(classifier, photos, monkeypatch):
    prepare = classifier._preparation.one

    def slow(photo):
        time.sleep(0.005)
        return prepare(photo)

    monkeypatch.setattr(classifier._preparation, "one", slow)
    classifier.classify(photos)
    timing = classifier.timing
    assert timing.images == COUNT
    assert timing.preprocess >= 0.005 * COUNT
    assert timing.compute > 0
    assert timing.transfer >= 0
    assert timing.preprocess + timing.transfer + timing.compute <= timing.wall
