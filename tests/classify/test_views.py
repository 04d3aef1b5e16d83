"""Recordings play at the right pace and are whole or not there; a snapshot is the last picture."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tools import needs_opencv
from videos import colours, plain_frames

from pynq_bnn.classify import views
from pynq_bnn.classify.camera import open_frames
from pynq_bnn.classify.views import Recording, Snapshot, Window, output_to
from pynq_bnn.errors import CameraError, OutputError


def pictures(count, size=(64, 48)):
    return [Image.fromarray(frame) for frame in plain_frames(count, size)]


@needs_opencv
@pytest.mark.parametrize("name", ["film.avi", "film.mp4", "FILM.AVI"])
def test_a_recording_holds_every_picture_once(tmp_path, name):
    recording = Recording(tmp_path / name, 12)
    for picture in pictures(6):
        recording.add(picture)
    assert not (tmp_path / name).exists(), "half a file is none"
    recording.close()
    frames = open_frames(tmp_path / name)
    assert frames.rate == 12
    assert colours(frames) == [0, 1, 2] * 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


@needs_opencv
def test_a_recording_of_a_camera_keeps_its_time(tmp_path, monkeypatch):
    clock = iter([0, 0.05, 0.5, 1.0])
    monkeypatch.setattr(views.time, "monotonic", lambda: next(clock))
    recording = Recording(tmp_path / "film.avi", 10, live=True)
    for picture in pictures(4):
        recording.add(picture)
    recording.close()
    assert colours(open_frames(tmp_path / "film.avi")) == [0, *[2] * 5, *[0] * 5]


@needs_opencv
def test_other_sizes_and_odd_sides_are_fitted_and_no_picture_makes_no_file(tmp_path):
    recording = Recording(tmp_path / "film.avi", 10)
    for picture in [*pictures(1, (65, 49)), *pictures(2, (20, 200))]:
        recording.add(picture)
    recording.close()
    assert [frame.shape for frame in open_frames(tmp_path / "film.avi")] == [(48, 64, 3)] * 3
    Recording(tmp_path / "none.avi", 10).close()
    assert [path.name for path in tmp_path.iterdir()] == ["film.avi"]


@pytest.mark.parametrize("name", ["last.png", "last.jpg"])
def test_a_snapshot_is_the_last_picture(tmp_path, name):
    snapshot = output_to(tmp_path / name, 10, live=True)
    assert isinstance(snapshot, Snapshot)
    for picture in pictures(3):
        snapshot.add(picture)
    snapshot.close()
    assert colours([np.asarray(Image.open(tmp_path / name))]) == [2]
    Snapshot(tmp_path / "none.png").close()
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(("name", "words"), [("film.gif", "name a video"), ("film", "name a video"),
                                             ("no/where.avi", "no folder"), ("no/where.png", "no folder")])
def test_a_place_that_does_not_do_is_told_at_once(tmp_path, name, words):
    with pytest.raises(OutputError, match=words):
        output_to(tmp_path / name, 10, live=False)


def test_without_a_display_there_is_no_window(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(CameraError, match="no window: "):
        Window("test")


def test_without_tkinter_there_is_no_window_and_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(CameraError, match="apt install python3-tk"):
        Window("test")


@pytest.fixture
def display(monkeypatch):
    """A screen in memory; where there is none, tests are skipped, but in CI they fail."""
    pytest.importorskip("tkinter")
    if not shutil.which("Xvfb"):
        (pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip)("needs Xvfb (apt install xvfb)")
    server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", "400x300x24"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        monkeypatch.setenv("DISPLAY", f":{server.stdout.readline().strip()}")
        yield
    finally:
        server.terminate()
        server.wait(10)


def test_a_window_shows_pictures_at_their_pace_and_q_closes_it(display):
    window = Window("test")
    began = time.monotonic()
    for picture in pictures(4):
        window.show(picture, rate=20)
    assert time.monotonic() - began >= 3 / 20
    assert window.open
    assert (window._root.winfo_width(), window._root.winfo_height()) == (64, 48)
    window._root.focus_force()
    window._root.update()
    window._root.event_generate("<Key-q>")
    window.show(pictures(1)[0])
    assert not window.open
    window.close()
    window.close()
