"""Live answers in a notebook: pictures are sent, an interrupt ends in peace, and what was seen comes back."""

import io
import sys

import numpy as np
import pytest
from PIL import Image
from tools import needs_modules

from pynq_bnn import Classifier
from pynq_bnn.camera.frames import Frames
from pynq_bnn.errors import CameraError, OutputError
from pynq_bnn.live.notebook import show_live
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


class Film(Frames):
    """Noise; at frame ``stop`` it raises ``error``."""

    name, closed = "film", False

    def __init__(self, stop=10**9, error=StopIteration):
        self.rng, self.number, self.stop, self.error = np.random.default_rng(0), 0, stop, error

    def __next__(self):
        self.number += 1
        if self.number > self.stop:
            raise self.error
        return self.rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def classifier():
    with Classifier(untrained_network(TOPOLOGIES["cnv-cifar10"], seed=2), "cpu") as made:
        yield made


@pytest.fixture
def shown(monkeypatch):
    """The JPEGs that the browser would get, in order."""
    pictures = []

    class Handle:
        def update(self, picture):
            pictures.append(picture.data)

    def display(picture, display_id):
        assert display_id
        assert not pictures, "one place, in which each picture follows the last"
        pictures.append(picture.data)
        return Handle()

    import IPython.display
    monkeypatch.setattr(IPython.display, "display", display)
    return pictures


@needs_modules("IPython")
def test_every_frame_is_in_the_history_and_the_last_is_shown(classifier, shown):
    film = Film()
    history = show_live(classifier.stream(film, frames=7), width=40, pause=1e9)
    assert len(history) == 7
    assert len(shown) == 2
    assert Image.open(io.BytesIO(shown[-1])).width == 40
    assert film.closed
    again = list(classifier.stream(Film(), frames=7))
    assert history.index.tolist() == [answer.index for answer in again]
    assert np.array_equal(history.probabilities, np.stack([answer.probabilities for answer in again]))


@needs_modules("IPython")
def test_without_a_pause_each_frame_is_shown(classifier, shown):
    show_live(classifier.stream(Film(), frames=5), pause=0)
    assert len(shown) == 5


@needs_modules("IPython")
def test_an_interrupt_ends_in_peace_and_a_vanished_camera_does_not(classifier, shown):
    film = Film(3, KeyboardInterrupt)
    assert len(show_live(classifier.stream(film))) == 3
    assert film.closed
    film = Film(1, CameraError("gone"))
    shown.clear()
    with pytest.raises(CameraError, match="gone"):
        show_live(classifier.stream(film))
    assert film.closed


def test_outside_a_notebook_the_error_names_the_command(classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    film = Film()
    with pytest.raises(OutputError, match="pynq-bnn camera"):
        show_live(classifier.stream(film))
