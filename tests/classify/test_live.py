"""Live answers are those of classify(), frame for frame; leaving the loop gives the camera back."""

import numpy as np
import pytest
from PIL import Image
from tools import needs_opencv
from videos import write_video

from pynq_bnn import Classifier, PynqBnnError
from pynq_bnn.camera.frames import Frames
from pynq_bnn.classify import classifier as classifier_module
from pynq_bnn.classify.drawing import frame_picture
from pynq_bnn.classify.live import LiveResult, Pace
from pynq_bnn.errors import CameraError
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


@pytest.fixture(scope="module")
def classifier():
    with Classifier(untrained_network(TOPOLOGIES["cnv-cifar10"], seed=2), "cpu", fit="crop") as made:
        yield made


class Noise(Frames):
    """Endless frames; remembers whether it was closed."""

    name, closed = "noise", False

    def __init__(self, size=(60, 80), seed=0):
        self.rng, self.size = np.random.default_rng(seed), size

    def __next__(self):
        return self.rng.integers(0, 256, (*self.size, 3), dtype=np.uint8)

    def close(self):
        self.closed = True


@needs_opencv
def test_a_videos_frames_get_the_answers_that_classify_gives(classifier, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [np.asarray(Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((80, 60)))
                for _ in range(5)]
    path = write_video(tmp_path / "film.avi", pictures)
    answers = list(classifier.stream(path))
    assert [answer.number for answer in answers] == list(range(5))
    assert all(isinstance(answer, LiveResult) for answer in answers)
    for answer in answers:
        assert np.array_equal(answer.scores, classifier.classify(answer.frame).scores)
        assert np.array_equal(answer.input_image, classifier.prepare(answer.frame))
    assert answers[0].fps == 0
    assert all(answer.fps > 0 for answer in answers[1:])
    assert [a.seconds for a in answers] == sorted(a.seconds for a in answers)
    assert classifier.timing.images == 1


def test_a_limit_of_frames_and_a_closed_iterator_give_the_source_back(classifier):
    limited, closed, left = Noise(), Noise(), Noise()
    assert len(list(classifier.stream(limited, frames=3))) == 3
    stream = classifier.stream(closed)
    next(stream)
    stream.close()
    for _ in classifier.stream(left):
        break
    assert limited.closed
    assert closed.closed
    assert left.closed


def test_no_frame_is_taken_before_its_answer_is_asked_for(classifier):
    """So that an answer is that for the newest frame, however long the one before was looked at."""
    source, taken = Noise(), []
    take = source.rng.integers
    source.rng = type("Counted", (), {"integers": lambda *a, **v: taken.append(1) or take(*a[1:], **v)})()
    stream = classifier.stream(source)
    for number in range(1, 4):
        next(stream)
        assert len(taken) == number
    stream.close()


def test_an_interrupt_gives_the_source_back(classifier, monkeypatch):
    source = Noise()
    stream = classifier.stream(source)
    next(stream)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(classifier_module, "single_results", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert source.closed


def test_a_limit_holds_for_iterables_too(classifier):
    pictures = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    answers = list(classifier.stream(iter(pictures), frames=2))
    assert np.array_equal(np.stack([a.scores for a in answers]), classifier.classify(pictures[:2]).scores)


def test_what_is_no_source_and_a_closed_classifier_say_so():
    classifier = Classifier(untrained_network(TOPOLOGIES["tfc-mnist"]), "cpu")
    for source in (None, 2.5):
        with pytest.raises(CameraError, match="a source is"):
            next(classifier.stream(source))
    classifier.close()
    with pytest.raises(PynqBnnError, match="closed"):
        classifier.stream(0)


def test_pace_is_frames_over_the_time_they_took():
    pace = Pace()
    rates = [pace.tick(number * 0.25) for number in range(20)]
    assert rates[0] == 0
    assert rates[1:] == pytest.approx([4.0] * 19)
    assert pace.tick(24.75) == pytest.approx(1 / 20), "what was long ago no longer counts"


@pytest.mark.parametrize("size", [(60, 80), (480, 640), (1080, 1920), (200, 20)])
def test_the_picture_shows_the_guide_and_the_networks_pixels(classifier, size):
    (answer,) = classifier.stream(Noise(size), frames=1)
    picture = np.asarray(frame_picture(answer, 640))
    height, width = size
    scale = min(1, 640 / width)
    strip = picture.shape[0] - round(height * scale)
    assert picture.shape[1] == round(width * scale)
    assert 10 < strip < 60
    guide = (picture == (255, 176, 0)).all(-1)
    left, top, right, bottom = (round(side * scale) for side in answer.box)
    upper, side = np.flatnonzero(guide[strip + top]), np.flatnonzero(guide[strip:, left])
    assert (upper.min(), upper.max()) == (left, right - 1)
    if width > 32:  # the network's pixels cover the corner of a frame narrower than they are
        assert (side.min(), side.max()) == (top, bottom - 1)
    if size == (480, 640):
        # Outside the guide it is dark; the network's pixels lie enlarged in the corner.
        assert picture[strip:, :left].mean() < picture[strip + 4:strip + 300, left + 4:left + 300].mean() / 2
        times = round(480 * 0.3 / 32)
        corner = picture[-8 - 32 * times:-8, -8 - 32 * times:-8]
        assert np.array_equal(corner[times // 2::times, times // 2::times], answer.input_image)
