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
    assert np.array_equal(np.stack([r.scores for r in listed]), batch.scores)


def test_result_states_softmax_label_and_top_k(colour, pixels):
    result = classify(pixels[0], colour)
    assert result.index == int(np.argmax(result.logits))
    assert result.label == colour.output.classes[result.index]
    powers = np.exp(result.logits.astype(float) / colour.output.temperature - result.logits.max())
    np.testing.assert_allclose(result.probabilities, powers / powers.sum(), rtol=1e-4, atol=1e-7)
    assert result.top(3)[0] == (result.label, result.confidence)
    assert [p for _, p in result.top(10)] == sorted(result.probabilities.tolist(), reverse=True)
    assert len(result.top(99)) == 10


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


@pytest.mark.parametrize("bad", [np.zeros((2, 32, 32, 4), np.uint8), np.zeros((2, 32, 32, 3), np.float32),
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
