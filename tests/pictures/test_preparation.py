"""Which rule a classifier prepares pictures by, and what it says it has looked at."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pynq_bnn import Classifier
from pynq_bnn.errors import NetworkError
from pynq_bnn.pictures.bnn_pynq import bnn_pynq_digit, bnn_pynq_pixels
from pynq_bnn.pictures.preparation import default_fit


def page():
    """A strong stroke, and one that is too faint beside it for today's rule and not for the notebooks'."""
    pixels = np.full((120, 160), 220, np.uint8)
    pixels[20:90, 40:52] = 30
    pixels[30:40, 52:110] = 150
    return Image.fromarray(pixels)


def test_the_two_notebooks_of_signs_and_todays_rule_are_three_rules():
    rules = (None, "bnn-pynq", "bnn-pynq-chars")
    plain, digits, characters = (Classifier("lfc-mnist", "cpu", fit=rule) for rule in rules)
    with plain, digits, characters:
        made = [classifier.prepare(page()) for classifier in (plain, digits, characters)]
        assert np.array_equal(made[1], bnn_pynq_digit(page()))
        assert np.array_equal(made[2], bnn_pynq_digit(page(), characters=True))
        assert not any(np.array_equal(made[a], made[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
        boxes = [classifier.box(page()) for classifier in (plain, digits, characters)]
        assert boxes[0] == pytest.approx((40, 20, 52, 90), abs=2)
        assert boxes[2] == (40, 20, 110, 90)
        assert boxes[1][:2] == (40, 20)


@pytest.mark.parametrize(("fit", "via_64"), [("bnn-pynq", False), ("bnn-pynq-64", True)])
def test_the_old_rules_of_photos_see_all_of_the_picture(fit, via_64):
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8))
    with Classifier("cnv-cifar10", "cpu", fit=fit) as classifier:
        assert np.array_equal(classifier.prepare(photo), bnn_pynq_pixels(photo, via_64=via_64))
        assert classifier.box(photo) == (0, 0, 140, 90)


@pytest.mark.parametrize(("network", "fit"), [("cnv-cifar10", "bnn-pynq-chars"), ("lfc-mnist", "bnn-pynq-64")])
def test_an_old_rule_of_another_kind_of_picture_is_refused(network, fit):
    with pytest.raises(NetworkError, match=f"'{fit}' makes pictures of"):
        Classifier(network, "cpu", fit=fit)


@pytest.mark.parametrize(("channels", "classes", "fit"), [
    (1, "0123456789", "digit"), (1, "ABCDEFGHIJ", "digit"), (1, "aäбग猫5678e", "digit"), (1, "012345678", "extend"),
    (1, [f"{n}" for n in range(11)], "extend"), (1, "012345678-", "extend"), (1, ["shirt"] * 10, "extend"),
    (3, "0123456789", "extend"), (1, [], "extend"),
])
def test_pictures_are_handwriting_where_ten_or_more_grey_classes_are_letters_or_digits(channels, classes, fit):
    assert default_fit(channels, tuple(classes)) == fit
