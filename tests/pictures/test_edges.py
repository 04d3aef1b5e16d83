"""Edges of pictures: bars hide nothing of what lies between them, and the border tells paper from ink."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.network import InputSpec, one_bit_codes, signed_codes
from pynq_bnn.pictures.preprocess import blank, fitted, network_input

BARS = InputSpec(32, 32, 3, signed_codes(), fit="letterbox", background=128)
SIGN = InputSpec(28, 28, 1, one_bit_codes(), fit="digit", background=0)


def between_bars(height, width, place, colour):
    """A plain picture with one pixel of another colour, as the network sees it between bars."""
    picture = np.full((height, width, 3), (40, 80, 90), np.uint8)
    picture[place] = colour
    return network_input(picture, BARS)[None]


@pytest.mark.parametrize("place", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
@pytest.mark.parametrize(("height", "width"), [(16, 32), (32, 16)])
def test_one_pixel_in_any_corner_between_bars_is_something_to_see(height, width, place):
    assert blank(between_bars(height, width, place, (40, 80, 90)), BARS).tolist() == [True]
    assert blank(between_bars(height, width, place, (200, 210, 220)), BARS).tolist() == [False]


@pytest.mark.parametrize("place", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
@pytest.mark.parametrize(("height", "width"), [(16, 32), (32, 16)])
def test_a_pixel_of_the_bars_own_colour_is_something_to_see_in_another_colour(height, width, place):
    picture = np.full((height, width, 3), (90, 128, 128), np.uint8)
    picture[place] = 128
    pixels = np.full((1, 32, 32, 3), 128, np.uint8)
    top, left = (32 - height) // 2, (32 - width) // 2
    pixels[0, top:top + height, left:left + width] = picture
    assert np.array_equal(network_input(picture, BARS), pixels[0])
    assert blank(pixels, BARS).tolist() == [False]


@pytest.mark.parametrize("colour", [(70, 80, 90), (40, 110, 90), (40, 80, 60)])
@pytest.mark.parametrize(("height", "width"), [(16, 32), (32, 16), (32, 32)])
def test_a_difference_in_one_colour_alone_is_something_to_see(height, width, colour):
    assert blank(between_bars(height, width, (5, 5), colour), BARS).tolist() == [False]


@pytest.mark.parametrize("spec", [BARS, SIGN])
def test_of_no_picture_none_is_blank(spec):
    pixels = fitted(np.zeros((0, *spec.shape), np.uint8), spec)
    assert pixels.shape == (0, *spec.shape)
    assert blank(pixels, spec).shape == (0,)
    assert fitted(np.zeros((0, 40, 50, spec.channels), np.uint8), spec).shape == (0, *spec.shape)


@pytest.mark.parametrize("side", [np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]])
def test_a_sign_is_dark_on_light_only_where_all_four_sides_are_light(side):
    """Three light sides are 3/4 of the border, less than the 9/10 that paper has: the picture is taken as it is."""
    paper = np.full((28, 28), 255, np.uint8)
    paper[10:18, 12:16] = 0
    assert np.array_equal(network_input(paper, SIGN)[:, :, 0], 255 - paper)
    paper[side] = 0
    for form in (paper, Image.fromarray(paper)):
        assert np.array_equal(network_input(form, SIGN)[:, :, 0], paper)
    assert np.array_equal(fitted(paper[None, :, :, None], SIGN)[0, :, :, 0], paper)
