"""classify(): every kind of input, the same integers whichever way a picture comes in."""

import multiprocessing
import threading
import time

import numpy as np
import pytest
from PIL import Image

from pynq_bnn import BatchResult, Classifier, PynqBnnError, Result, classify, save_network
from pynq_bnn.classify import classifier as classifier_module
from pynq_bnn.errors import BackendError, ImageError, NetworkError, NetworkFileError
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


@pytest.fixture(scope="module")
def network():
    return untrained_network(TOPOLOGIES["tfc-mnist"], seed=1)


@pytest.fixture(scope="module")
def colour():
    return untrained_network(TOPOLOGIES["cnv-cifar10"], seed=1)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_path_pil_and_array_of_one_picture_give_the_same_answer(colour, pixels, tmp_path):
    Image.fromarray(pixels[0]).save(tmp_path / "p.png")
    with Classifier(colour) as classifier:
        answers = [classifier.classify(p) for p in (str(tmp_path / "p.png"), tmp_path / "p.png",
                                                    Image.fromarray(pixels[0]), pixels[0])]
    for answer in answers:
        assert isinstance(answer, Result)
        assert np.array_equal(answer.scores, answers[0].scores)
        assert np.array_equal(answer.input_image, pixels[0])


def test_a_list_gives_a_list_and_a_batch_gives_arrays(colour, pixels):
    with Classifier(colour) as classifier:
        listed = classifier.classify([pixels[0], Image.fromarray(pixels[1]), pixels[2], pixels[3]])
        batch = classifier.classify(pixels)
        assert classifier.classify([]) == []
        assert len(classifier.classify(pixels[:0])) == 0
    assert isinstance(batch, BatchResult)
    assert [r.index for r in listed] == batch.index.tolist()
    assert [r.label for r in listed] == batch.labels
    for name in ("scores", "sums", "probabilities"):
        assert np.array_equal(np.stack([getattr(r, name) for r in listed]), getattr(batch, name)), name
    assert [r.doubt for r in listed] == batch.doubts.tolist() == [""] * 4


def test_result_states_softmax_label_and_top_k(colour, pixels):
    result = classify(pixels[0], colour)
    assert result.index == int(np.argmax(result.scores))
    assert result.label == colour.output.classes[result.index]
    powers = np.exp(result.scores.astype(float) / colour.output.temperature - result.scores.max())
    np.testing.assert_allclose(result.probabilities, powers / powers.sum(), rtol=1e-4, atol=1e-7)
    assert result.top(3)[0] == (result.label, result.confidence)
    assert [p for _, p in result.top(10)] == sorted(result.probabilities.tolist(), reverse=True)
    assert len(result.top(99)) == 10


def test_scores_give_the_label_and_sums_are_the_backends_integers(pixels):
    with Classifier("cnv-cifar10", "cpu") as classifier:
        batch = classifier.classify(np.random.default_rng(5).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8))
        assert np.array_equal(batch.scores.argmax(axis=1), batch.index)
        assert np.array_equal(batch.probabilities.argmax(axis=1), batch.index)
        result = classifier.classify(pixels[0])
        assert np.array_equal(result.sums, classifier.backend.scores(pixels[:1])[0])
        assert result.sums.dtype == np.int32


@pytest.mark.parametrize("fit", ["letterbox", "extend", "crop", "stretch", "bnn-pynq"])
def test_a_picture_of_one_colour_is_blank_and_any_other_is_not(colour, fit):
    wall = 100 + np.random.default_rng(0).integers(-3, 4, (60, 90, 3)).astype(np.int64)
    with Classifier(colour, fit=fit) as classifier:
        for blank in (wall.astype(np.uint8), np.full((32, 32, 3), 255, np.uint8), np.full((9, 40, 3), 128, np.uint8)):
            assert classifier.classify(blank).doubt == "blank"
            assert classifier.classify(blank[None]).doubts.tolist() == ["blank"]
            assert classifier.classify(blank).label in classifier.classes
        wall[20:50, 30:60] += 40
        assert classifier.classify(wall.astype(np.uint8)).doubt == ""
        circle = np.full((64, 64, 3), 128, np.uint8)
        circle[np.hypot(*np.mgrid[-32:32, -32:32]) < 20] = 255
        assert classifier.classify(circle).doubt == ""


def test_what_a_1_bit_network_cannot_see_is_blank(network):
    pixels = np.full((28, 28), 5, np.uint8)
    pixels[10:20, 10:20] = 100  # below the threshold of 128 wherever it lies
    with Classifier(network, fit="stretch") as classifier:
        assert classifier.classify(pixels).doubt == "blank"
        pixels[12, 12] = 128
        assert classifier.classify(pixels).doubt == ""


@pytest.mark.parametrize("name", ["lfc-mnist", "cnv-cifar10"])
def test_no_picture_gives_no_answer(name):
    with Classifier(name, "cpu") as classifier:
        empty = classifier.classify(np.zeros((0, *classifier.network.input.shape), np.uint8))
    assert empty.sums.shape == empty.scores.shape == (0, 10)
    assert empty.labels == empty.doubts.tolist() == []


def test_colours_of_opencv_are_turned_round_by_the_line_that_the_docstring_states(colour, pixels):
    bgr = np.ascontiguousarray(pixels[0, :, :, ::-1])
    assert np.array_equal(classify(bgr[:, :, ::-1], colour).input_image, pixels[0])
    for text in (classify.__doc__, Classifier.classify.__doc__):
        assert "BGR" in text or "blue, green, red" in text
        assert "[:, :, ::-1]" in text


def test_the_preprocessing_of_bnn_pynq_is_had_by_networks_of_its_sizes(network, colour):
    page = np.full((90, 70), 230, np.uint8)
    page[20:60, 30:36] = 10
    for fit in ("bnn-pynq", "bnn-pynq-chars"):
        with Classifier(network, fit=fit) as classifier:
            seen = classifier.classify(page).input_image
            assert (seen == 255).any(axis=1).all(), "28 high, without a margin"
            assert classifier.box(page) == (30, 20, 36, 60)
            assert np.array_equal(classifier.classify(page[None, :, :, None]).sums[0], classifier.classify(page).sums)
    with pytest.raises(NetworkError, match="'bnn-pynq-chars' makes pictures of 28×28×1"):
        Classifier(colour, fit="bnn-pynq-chars")
    with pytest.raises(NetworkError, match="'bnn-pynq-64' makes pictures of 32×32×3"):
        Classifier(network, fit="bnn-pynq-64")


def test_grey_arrays_go_into_grey_networks(network):
    digit = np.zeros((28, 28), np.uint8)
    digit[5:20, 13:15] = 255
    first, second = classify(digit, network), classify(digit[..., None], network)
    assert np.array_equal(first.scores, second.scores)
    assert first.input_image.shape == (28, 28, 1)


def test_arrays_of_another_size_are_fitted_by_the_networks_rule_or_the_one_asked_for(colour):
    wide = np.random.default_rng(1).integers(0, 256, (2, 40, 80, 3), dtype=np.uint8)
    with Classifier(colour) as classifier, Classifier(colour, fit="crop") as cropping:
        boxed = classifier.classify(list(wide))
        assert (boxed[0].input_image[:8] == 128).all()
        assert not (cropping.classify(wide[0]).input_image[:8] == 128).all()
        assert np.array_equal(classifier.classify(wide).scores, np.stack([r.scores for r in boxed]))


@pytest.mark.parametrize("bad", [np.zeros((2, 32, 32, 5), np.uint8), np.zeros((2, 32, 32, 3), np.float32),
                                 np.zeros((2, 0, 32, 3), np.uint8), 7, None, np.zeros((1, 1, 1, 1, 1), np.uint8),
                                 ["no such file.png"], b"bytes"])
def test_what_is_no_picture_is_an_image_error(colour, bad):
    with pytest.raises(ImageError):
        classify(bad, colour)


def test_timing_covers_the_parts_of_the_call(colour, pixels):
    with Classifier(colour) as classifier:
        for what, images in ((pixels, 4), (list(pixels[:2]), 2)):
            classifier.classify(what)
            timing = classifier.timing
            assert timing.images == images
            assert 0 < timing.compute <= timing.wall
            assert 0 <= timing.preprocess + timing.compute + timing.transfer <= timing.wall


def test_networks_are_found_by_name_path_and_object(colour, pixels, tmp_path):
    save_network(colour, tmp_path / "mine.bnn")
    assert np.array_equal(classify(pixels[0], str(tmp_path / "mine.bnn")).scores, classify(pixels[0], colour).scores)
    assert Classifier("lfc-mnist").network.name == "lfc-mnist"
    for name, kind, words in (("nope", NetworkError, "lfc-mnist"), ("sfc-mnist", NetworkError, "train it"),
                              (tmp_path / "nope.bnn", NetworkFileError, "no such file")):
        with pytest.raises(kind, match=words):
            Classifier(name)
    with pytest.raises(BackendError, match="no backend"):
        Classifier(colour, "quantum")


def test_a_closed_classifier_says_so(colour, pixels):
    classifier = Classifier(colour)
    classifier.close()
    classifier.close()
    with pytest.raises(PynqBnnError, match="closed"):
        classifier.classify(pixels)
    with pytest.raises(PynqBnnError, match="closed"):
        classifier.verify()


def test_a_file_replaced_by_another_network_is_read_again(colour, network, tmp_path):
    picture = np.zeros((28, 28), np.uint8)
    path = tmp_path / "mine.bnn"
    answers = []
    for seed in (1, 2):
        save_network(untrained_network(TOPOLOGIES["tfc-mnist"], seed), path)
        answers.append(classify(picture, path).scores)
        assert np.array_equal(answers[-1], Classifier(path).classify(picture).scores)
    assert not np.array_equal(*answers)


@pytest.mark.parametrize("bad", [None, 5, [1], b"cnv-cifar10"])
def test_what_names_no_network_is_a_network_error(bad):
    for call in (lambda: Classifier(bad), lambda: classify(np.zeros((28, 28), np.uint8), bad)):
        with pytest.raises(NetworkError, match="a network is a name"):
            call()


class Watched:
    """Counts the classifiers that are open; a call waits for ``go`` once it has begun."""

    def __init__(self, monkeypatch):
        self.open, self.most, self.begun, self.go = set(), 0, threading.Event(), threading.Event()
        self.go.set()
        create, watched = classifier_module.create_backend, self

        def make(*arguments, **values):
            backend = create(*arguments, **values)
            scores, close = backend.scores, backend.close
            watched.open.add(backend)
            watched.most = max(watched.most, len(watched.open))

            def wait(pixels):
                watched.begun.set()
                assert watched.go.wait(20)
                assert backend in watched.open, "closed while in use"
                return scores(pixels)

            def leave():
                watched.open.discard(backend)
                close()

            backend.scores, backend.close = wait, leave
            return backend

        monkeypatch.setattr(classifier_module, "create_backend", make)
        monkeypatch.setattr(classifier_module._Kept, "_last", None)


@pytest.fixture
def two_files(tmp_path):
    """Two networks' files, a picture, and its scores by each."""
    picture, expected = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8), {}
    for seed in (1, 2):
        save_network(untrained_network(TOPOLOGIES["tfc-mnist"], seed), tmp_path / f"{seed}.bnn")
        expected[tmp_path / f"{seed}.bnn"] = Classifier(tmp_path / f"{seed}.bnn").classify(picture).scores.tolist()
    return picture, expected


def test_a_call_for_another_network_does_not_close_the_one_in_use(two_files, monkeypatch):
    picture, expected = two_files
    (first, second), watched, answers = expected, Watched(monkeypatch), []
    watched.go.clear()
    thread = threading.Thread(target=lambda: answers.append(classify(picture, first).scores.tolist()))
    thread.start()
    assert watched.begun.wait(20)
    begun = [threading.Thread(target=lambda: answers.append(classify(picture, second).scores.tolist()))]
    begun[0].start()
    while len(watched.open) < 2:
        time.sleep(0.001)
    watched.go.set()
    for one in (thread, *begun):
        one.join(20)
    assert sorted(answers) == sorted(expected.values())
    assert len(watched.open) == 1, "the replaced one is closed, the last one kept"


def test_threads_that_ask_for_two_networks_by_turns_all_get_the_right_answer(two_files, monkeypatch):
    picture, expected = two_files
    watched, wrong = Watched(monkeypatch), []

    def work(turn):
        for number in range(25):
            path = list(expected)[(number + turn) % 2]
            try:
                if classify(picture, path).scores.tolist() != expected[path]:
                    wrong.append("scores")
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(watched.open) == 1
    assert watched.most <= 5, "one for each thread at most, and the one that is being made"


def test_the_kept_network_is_closed_before_another_is_made(two_files, monkeypatch):
    picture, expected = two_files
    watched = Watched(monkeypatch)
    for path in [*expected, *expected]:
        assert classify(picture, path).scores.tolist() == expected[path]
    assert watched.most == 1


def test_a_classifier_closed_by_another_thread_in_the_middle_of_a_call_finishes_it(two_files, monkeypatch):
    picture, expected = two_files
    path = next(iter(expected))
    with Classifier(path) as classifier:
        scores = classifier.backend.scores

        def close_first(pixels):
            classifier.close()
            return scores(pixels)

        classifier.backend.scores = close_first
        assert classifier.classify(picture).scores.tolist() == expected[path]
        with pytest.raises(PynqBnnError, match="closed"):
            classifier.classify(picture)


def test_a_child_process_makes_its_own(two_files):
    picture, expected = two_files
    (first, _), context = expected, multiprocessing.get_context("fork")
    classify(picture, first)
    answers = context.Queue()
    with classifier_module._Kept._lock:  # as if another thread of the parent held it
        process = context.Process(target=lambda: answers.put(classify(picture, first).scores.tolist()))
        process.start()
        assert answers.get(timeout=30) == expected[first]
        process.join(30)
