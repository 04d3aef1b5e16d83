"""Digits on pages of all kinds, with known labels: what is found of them, and how many a network reads."""

import time
from functools import lru_cache

import numpy as np
import pages
import pytest
from PIL import Image
from places import data_dir

from pynq_bnn import Classifier
from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.pictures.digits import find_ink, fit_digit, stroke_width

PENS = (2, 3, 4, 6, 12, 24)


@pytest.fixture(scope="module", params=["lfc-mnist", "mlp-mnist"])
def reader(request):
    with Classifier(request.param, "cpu") as classifier:
        yield classifier


def right(classifier: Classifier, pictures: list[np.ndarray], labels: list[int]) -> float:
    answers = classifier.classify(pictures)
    return float(np.mean([answer.label == str(label) for answer, label in zip(answers, labels)]))


@lru_cache
def drawn(kind: str) -> tuple[list[np.ndarray], list[int]]:
    """Pages with every digit in every pen, as the networks of digits see them, and the labels."""
    with Classifier("lfc-mnist", "cpu") as classifier:
        return ([classifier.prepare(pages.page(kind, digit, pen, seed=0)) for pen in PENS for digit in range(10)],
                list(range(10)) * len(PENS))


@pytest.mark.parametrize("kind", pages.PAGES)
def test_digits_drawn_with_pens_of_2_to_24_pixels_are_read(reader, kind):
    share = right(reader, *drawn(kind))
    assert share >= 0.95, f"{kind}: {share:.1%}"


@pytest.fixture(scope="module")
def handwriting():
    """The first 200 test digits of MNIST, (N, 28, 28) white on black, and their labels."""
    test = load_dataset(data_dir(), Classifier("lfc-mnist", "cpu").network.input, parts="test").test
    return test.images[:200, :, :, 0], test.labels[:200].tolist()


@pytest.mark.parametrize("kind", pages.PAGES)
def test_handwriting_on_a_page_is_read(reader, handwriting, kind):
    digits, labels = handwriting[0][:30], handwriting[1][:30]
    share = right(reader, [_on_page(kind, digit, seed) for seed, digit in enumerate(digits)], labels)
    assert share >= 0.95, f"{kind}: {share:.1%}"


def _on_page(kind: str, digit: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    side = int(rng.integers(120, 240))
    coverage = np.zeros((pages.HEIGHT, pages.WIDTH))
    top, left = rng.integers(0, pages.HEIGHT - side + 1), rng.integers(0, pages.WIDTH - side + 1)
    coverage[top:top + side, left:left + side] = np.asarray(Image.fromarray(digit).resize((side, side), Image.BICUBIC)
                                                            ) / 255
    return np.clip(pages.PAGES[kind](coverage, rng), 0, 255).round().astype(np.uint8)


def test_handwriting_of_other_sizes_and_cut_out_without_a_margin_is_read(reader, handwriting):
    digits, labels = handwriting
    cut = [digit[np.ix_((digit > 40).any(1), (digit > 40).any(0))] for digit in digits]
    made = {"padded": [np.pad(255 - digit, 2, constant_values=255) for digit in digits],
            "ten times": [np.asarray(Image.fromarray(digit).resize((280, 280), Image.NEAREST)) for digit in digits],
            "half": [np.asarray(Image.fromarray(255 - digit).resize((14, 14), Image.BOX)) for digit in digits],
            "cut out": [255 - digit for digit in cut]}
    for name, pictures in made.items():
        share = right(reader, pictures, labels)
        assert share >= 0.96, f"{name}: {share:.1%}"


def test_pictures_of_the_networks_size_are_mnist_whether_white_on_black_or_dark_on_white(handwriting, tmp_path):
    digits, labels = handwriting
    with Classifier("lfc-mnist", "cpu") as reader:
        for number in range(3):
            Image.fromarray(255 - digits[number]).save(tmp_path / f"{number}.png")
            assert np.array_equal(reader.prepare(tmp_path / f"{number}.png")[:, :, 0], digits[number])
            assert np.array_equal(reader.prepare(digits[number])[:, :, 0], digits[number])
        plain, inverted = reader.classify(digits[..., None]), reader.classify(255 - digits[..., None])
        assert np.array_equal(plain.sums, reader.backend.scores(digits[..., None]))
        assert np.array_equal(plain.sums, inverted.sums)
        mixed = np.where(np.arange(200)[:, None, None] % 2, digits, 255 - digits)[..., None]
        assert np.array_equal(reader.classify(mixed).sums, plain.sums)
        grey = (200 - digits.astype(int) * 110 // 255).astype(np.uint8)  # ink of 90 on paper of 200
        dim = (digits * (100 / 255)).astype(np.uint8)
        for name, pictures in (("grey", grey), ("dim", dim)):
            assert (reader.classify(pictures[..., None]).index == labels).mean() >= 0.97, name


def test_all_10000_test_digits_stay_as_they_are_and_come_back_from_their_negatives():
    with Classifier("lfc-mnist", "cpu") as reader:
        images = load_dataset(data_dir(), reader.network.input, parts="test").test.images
        assert np.array_equal(reader._preparation.many(images), images)
        assert np.array_equal(reader._preparation.many(255 - images), images)


@pytest.mark.parametrize("kind", pages.PAGES)
def test_an_empty_page_holds_no_ink_and_the_answer_says_so(reader, kind):
    for seed in range(4):
        page = pages.empty(kind, seed)
        assert find_ink(Image.fromarray(page)) is None, seed
        answer = reader.classify(page)
        assert answer.doubt == "blank"
        assert not answer.input_image.any()
        assert "blank" in repr(answer)


def test_the_ink_lies_where_it_was_drawn_and_ruled_lines_are_none_of_it():
    for kind in ("clean", "uneven", "ruled"):
        rng = np.random.default_rng(3)
        coverage = pages.draw(5, 8, rng, height=120)
        page = np.clip(pages.PAGES[kind](coverage, rng), 0, 255).astype(np.uint8)
        ys, xs = np.nonzero(coverage > 0.5)
        expected = np.array((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        for times in (1, 4):
            larger = Image.fromarray(page).resize((page.shape[1] * times, page.shape[0] * times), Image.BICUBIC)
            box = np.array(find_ink(larger).picture_box(larger.size)) / times
            assert np.abs(box - expected).max() <= 3, (kind, times, box, expected)


def test_specks_and_the_dark_edge_of_a_table_are_left_out():
    page = pages.page("uneven", 4, 8, seed=1, height=120)
    expected = np.array(find_ink(Image.fromarray(page)).box)
    page[:, :14] = (60, 40, 30)
    page[-12:] = (60, 40, 30)
    page[30:32, 300:302] = 20
    assert np.abs(np.array(find_ink(Image.fromarray(page)).box) - expected).max() <= 2


@pytest.mark.parametrize("width", [6, 12, 30])
def test_the_width_of_a_stroke_is_measured(width):
    mask = np.zeros((200, 200), bool)
    y, x = np.mgrid[:200, :200]
    mask |= np.abs(np.hypot(y - 100, x - 100) - 70) < width / 2
    assert stroke_width(mask) == pytest.approx(width, rel=0.12)


def test_strokes_of_all_pens_come_out_alike():
    widths = []
    for pen in (2, 8, 16):
        page = Image.fromarray(pages.page("clean", 0, pen, seed=0))
        widths.append(stroke_width(np.asarray(fit_digit(page, (280, 280))) > 127))
    assert max(widths) <= 1.5 * min(widths), widths


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3), (5, 5), (4001, 3), (2600, 1950)])
def test_pages_of_any_size_give_a_picture_in_bearable_time(size):
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    began = time.process_time()
    assert fit_digit(Image.fromarray(noise), (28, 28)).size == (28, 28)
    assert time.process_time() - began < 3
