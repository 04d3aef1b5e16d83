"""Drawn pictures: the pixels the network saw are in them, and odd names and shapes do no harm."""

import numpy as np
import pytest

from pynq_bnn import Classifier
from pynq_bnn.classify.drawing import MAX_ROWS, confusion_picture, result_picture
from pynq_bnn.errors import ImageError
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


@pytest.mark.parametrize("name", ["cnv-cifar10", "tfc-mnist"])
def test_result_picture_shows_the_networks_input_and_bars(name):
    photo = np.random.default_rng(0).integers(0, 256, (50, 300, 3), dtype=np.uint8)
    with Classifier(untrained_network(TOPOLOGIES[name])) as classifier:
        results = classifier.classify([photo, photo[:, ::-1]])
    picture = result_picture([(photo, results[0]), (photo, results[1])], ["first", "a name\u2009of its own 猫"])
    pixels = np.asarray(picture)
    assert picture.width > 600
    seen = results[0].input_image
    side = 224 // seen.shape[0]
    patch = pixels[40 + side // 2:40 + 224:side, 256 + side // 2:256 + 224:side]
    expected = np.broadcast_to(seen, (*seen.shape[:2], 3))
    assert np.array_equal(patch, expected)
    assert (pixels == (47, 126, 216)).all(-1).any(), "the best class has a blue bar"


@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_confusion_picture_is_darker_where_counts_are(count):
    matrix = np.eye(count, dtype=int) * 50
    pixels = np.asarray(confusion_picture(matrix, [f"class {i}" for i in range(count)], "title"))
    assert (pixels == (47, 126, 216)).all(-1).sum() > 10 * count


def test_more_rows_than_a_picture_holds_are_refused():
    photo = np.zeros((8, 8, 3), np.uint8)
    with Classifier(untrained_network(TOPOLOGIES["cnv-cifar10"])) as classifier:
        result = classifier.classify(photo)
    with pytest.raises(ImageError, match=f"up to {MAX_ROWS} fit"):
        result_picture([(photo, result)] * (MAX_ROWS + 1), ["x"] * (MAX_ROWS + 1))
