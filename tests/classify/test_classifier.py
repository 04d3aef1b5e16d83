"""classify(): every kind of input, the same integers whichever way a picture comes in."""

import numpy as np
import pytest
from PIL import Image

from pynq_bnn import BatchResult, Classifier, PynqBnnError, Result, classify, save_network
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
    assert result.index == int(np.argmax(result.scores))
    assert result.label == colour.output.classes[result.index]
    powers = np.exp(result.scores.astype(float) / colour.output.temperature - result.scores.max())
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
