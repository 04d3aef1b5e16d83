"""Recordings play at the right pace and are whole or not there; a snapshot is the last picture."""

import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tools import needs_opencv
from videos import colours, plain_frames

from pynq_bnn.camera.frames import open_frames
from pynq_bnn.errors import CameraError, OutputError
from pynq_bnn.live import outputs as views
from pynq_bnn.live.outputs import Recording, Snapshot, Window, output_to


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


@needs_opencv
@pytest.mark.parametrize("name", ["film.avi", "film.mp4"])
@pytest.mark.parametrize(("frames", "kept"), [(4, "the first 4 frames are kept"), (0, "not one frame was recorded")])
def test_a_disk_that_fills_up_ends_the_recording_and_what_there_is_is_kept(tmp_path, monkeypatch, name, frames, kept):
    recording = Recording(tmp_path / name, 10)
    for picture in pictures(frames):
        recording.add(picture)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(views.shutil, "disk_usage", lambda path: usage._replace(free=250_000))
    with pytest.raises(OutputError, match=f"cannot go on writing .*0.2 MB are left on the disk; {kept}; free some"):
        recording.add(pictures(1)[0])
    recording.close()
    assert [path.name for path in tmp_path.iterdir()] == [name] * bool(frames)
    if frames:
        assert colours(open_frames(tmp_path / name)) == [0, 1, 2, 0]


@needs_opencv
def test_an_avi_ends_before_its_sizes_overflow(tmp_path, monkeypatch):
    assert views._LARGEST[".avi"] < 2**31
    monkeypatch.setitem(views._LARGEST, ".avi", 3000)
    rng, recording = np.random.default_rng(0), Recording(tmp_path / "film.avi", 10)
    with pytest.raises(OutputError, match=r"\.avi files end at 2 GB; the first \d+ frames are kept; name an \.mp4"):
        fill(recording, Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)))
    recording.close()
    assert len(list(open_frames(tmp_path / "film.avi"))) == recording.frames > 1


def fill(recording, picture):
    for _ in range(1000):
        recording.add(picture)


@needs_opencv
@pytest.mark.parametrize(("share", "what"), [(0.6, r"only (\d+) of 20 frames can be read in it"),
                                             (0.001, "nothing of it is kept")])
def test_a_recording_that_lost_frames_says_so_and_keeps_the_others(tmp_path, share, what):
    """Such as by a limit of the user's, which no look at the disk shows."""
    rng, recording = np.random.default_rng(0), Recording(tmp_path / "film.avi", 10)
    for _ in range(20):
        recording.add(Image.fromarray(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)))
    recording._writer = CutOff(recording._writer, recording._partial, share)
    with pytest.raises(OutputError, match=f"cannot write all of .*{what}; the disk may be full") as raised:
        recording.close()
    found = re.search(what, str(raised.value)).groups()
    assert [path.name for path in tmp_path.iterdir()] == ["film.avi"] * len(found)
    for count in found:
        assert 8 <= int(count) <= 13
        assert abs(len(list(open_frames(tmp_path / "film.avi"))) - int(count)) <= 1


class CutOff:
    """A writer whose file loses its end."""

    def __init__(self, writer, path, share):
        self.writer, self.path, self.share = writer, path, share

    def release(self):
        self.writer.release()
        os.truncate(self.path, int(self.share * self.path.stat().st_size))


@needs_opencv
def test_a_disk_without_room_for_a_folder_is_an_output_error(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(views.tempfile, "mkdtemp", full)
    with pytest.raises(OutputError, match="cannot write .*film.avi: No space left on device; choose another place"):
        Recording(tmp_path / "film.avi", 10)


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
