"""``pynq-bnn camera`` as a user runs it: a film, no camera, no display, Ctrl-C, a pipe that closes."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commandline import fails, run
from PIL import Image
from tools import needs_opencv
from videos import FakeCapture, plain_frames, write_video

from pynq_bnn import Classifier
from pynq_bnn.camera import frames as camera
from pynq_bnn.camera.devices import CameraDevice
from pynq_bnn.camera.frames import open_frames
from pynq_bnn.commands import camera as watching
from pynq_bnn.errors import CameraError
from pynq_bnn.live import outputs as views

PHOTOS = Path(__file__).parents[1] / "notebooks" / "photos"


@pytest.fixture(autouse=True)
def without_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    frames = [np.asarray(Image.open(PHOTOS / f"{name}.jpg").convert("RGB").resize((160, 120)))
              for name in ("cat", "frog") for _ in range(6)]
    return write_video(tmp_path_factory.mktemp("film") / "film.avi", frames)


@needs_opencv
def test_json_gives_an_object_a_frame_with_the_scores_of_classify(capsys, film):
    status, out, err = run(capsys, "camera", film, "--json", "--frames", 8)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["frame"] for row in rows] == list(range(8))
    with Classifier() as classifier:
        for row, frame in zip(rows, open_frames(film)):
            assert row["scores"] == classifier.classify(frame).scores.tolist()
    assert err.startswith("8 frames in ")


@needs_opencv
def test_lines_begin_with_the_first_frame_and_a_recording_is_as_long_as_the_film(capsys, film, tmp_path):
    status, out, err = run(capsys, "camera", film, "--output", tmp_path / "seen.avi", "--fit", "crop")
    assert status == 0
    assert "frame 0 " in out.splitlines()[0]
    assert "12 frames" in err
    frames = list(open_frames(tmp_path / "seen.avi"))
    assert len(frames) == 12
    assert frames[0].shape[1] == 160
    assert frames[0].shape[0] > 120, "a strip with the label above the frame"


def test_a_folder_is_watched_without_opencv_and_the_last_frame_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    status, out, _ = run(capsys, "camera", PHOTOS, "-o", tmp_path / "last.png", "--width", 300)
    assert status == 0
    assert "frame 0 " in out
    assert Image.open(tmp_path / "last.png").width == 300


def test_without_a_display_a_word_says_so_and_lines_follow(capsys):
    status, out, err = run(capsys, "camera", PHOTOS, "--frames", 1)
    assert status == 0
    assert err.startswith("no window: ")
    assert "Ctrl-C" in err.splitlines()[0]
    assert len(out.splitlines()) == 1


@needs_opencv
def test_a_camera_that_vanishes_ends_with_one_line_and_what_was_recorded(capsys, monkeypatch, tmp_path):
    capture = FakeCapture(plain_frames(1))
    monkeypatch.setattr(camera.import_opencv(), "VideoCapture", lambda device: capture)
    monkeypatch.setattr(camera, "_REOPEN_SECONDS", 0.1)
    fails(capsys, "camera", "--no-window", "-o", tmp_path / "last.png", words="camera 0 no longer gives frames")
    assert capture.released
    assert list(tmp_path.glob(".*")) == []


def test_a_damaged_picture_in_a_folder_is_named_and_makes_the_status_2(capsys, tmp_path):
    for name in ("cat", "frog"):
        (tmp_path / f"{name}.jpg").write_bytes((PHOTOS / f"{name}.jpg").read_bytes())
    (tmp_path / "dog.jpg").write_text("no picture")
    status, out, err = run(capsys, "camera", tmp_path, "--json", "-o", tmp_path / "last.png")
    assert status == 2
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0, 1]
    assert "2 frames in" in err
    assert (tmp_path / "last.png").is_file()


@needs_opencv
def test_a_disk_that_fills_up_is_one_line_the_status_2_and_a_film_as_far_as_it_goes(capsys, film, tmp_path,
                                                                                    monkeypatch):
    usage, rooms = shutil.disk_usage(tmp_path), iter([10**9] * 6)
    monkeypatch.setattr(views.shutil, "disk_usage", lambda path: usage._replace(free=next(rooms, 1000)))
    err = fails(capsys, "camera", film, "--json", "-o", tmp_path / "seen.avi", words="the first 5 frames are kept")
    assert "wrote" not in err
    assert len(list(open_frames(tmp_path / "seen.avi"))) == 5


@needs_opencv
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_finishes_the_recording_first(tmp_path, number):
    film = write_video(tmp_path / "long.avi", plain_frames(3000, (320, 240)))
    command = [sys.executable, "-m", "pynq_bnn", "camera", film, "--json", "-o", tmp_path / "seen.avi"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -number, err
    assert "frames in" in err
    assert "Traceback" not in err
    assert 2 <= len(list(open_frames(tmp_path / "seen.avi"))) < 3000
    assert {path.name for path in tmp_path.iterdir()} == {"long.avi", "seen.avi"}


def test_cameras_are_listed_by_name(capsys, monkeypatch):
    found = [CameraDevice("/dev/video0", "HD Webcam", 0), CameraDevice("/dev/video2", "", 2)]
    monkeypatch.setattr(watching, "camera_devices", lambda: found)
    assert run(capsys, "camera", "--list") == (0, "0  HD Webcam, /dev/video0\n1  /dev/video2\n", "")
    monkeypatch.setattr(watching, "camera_devices", list)
    status, out, err = run(capsys, "camera", "--list")
    assert (status, out) == (2, "")
    assert "no camera" in err


def test_errors_are_one_line(capsys, tmp_path, monkeypatch):
    (tmp_path / "film.avi").write_text("no video")
    for arguments, words in [
        (["camera", tmp_path / "nope.avi"], "no such file or folder"),
        (["camera", PHOTOS, "-o", tmp_path / "film.gif"], "name a video"),
        (["camera", PHOTOS, "-o", tmp_path / "no" / "film.avi"], "no folder"),
        (["camera", PHOTOS, "--window"], "no window"),
        (["camera", PHOTOS, "--network", "nope"], "no network"),
    ]:
        fails(capsys, *arguments, words=words)
    monkeypatch.setitem(sys.modules, "cv2", None)
    fails(capsys, "camera", words="pynq-bnn[camera]")
    fails(capsys, "camera", PHOTOS, "-o", tmp_path / "seen.avi", words="pynq-bnn[camera]")


@needs_opencv
def test_no_camera_and_a_damaged_video_are_one_line_to_the_terminal_too(tmp_path):
    """OpenCV and FFmpeg write past Python."""
    (tmp_path / "film.mp4").write_text("no video")
    (tmp_path / "film.avi").write_bytes(b"RIFF" + bytes(40) + b"AVI LIST" + b"\xff" * 2000)
    for source, words in (("63", "camera 63 cannot be opened"), (str(tmp_path / "film.mp4"), "cannot read it"),
                          (str(tmp_path / "film.avi"), "cannot read it")):
        done = subprocess.run([sys.executable, "-m", "pynq_bnn", "camera", source, "--no-window"], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


@needs_opencv
def test_ctrl_c_ends_in_peace_and_finishes_the_recording(tmp_path):
    film = write_video(tmp_path / "long.avi", plain_frames(3000, (320, 240)))
    command = [sys.executable, "-m", "pynq_bnn", "camera", film, "--json", "-o", tmp_path / "seen.avi"]
    # Where the tests run in a shell's background, Ctrl-C is ignored, and children inherit that.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "frames in" in err
    assert "Traceback" not in err
    assert 2 <= len(list(open_frames(tmp_path / "seen.avi"))) < 3000


def test_the_windows_q_ends_it(capsys, monkeypatch):
    shown = []

    class ThreePictures:
        open = True

        def __init__(self, title):
            assert "photos" in title

        def show(self, picture, rate):
            shown.append((picture.size, rate))
            self.open = len(shown) < 3

        def close(self):
            shown.append("closed")

    monkeypatch.setattr(watching, "Window", ThreePictures)
    status, out, err = run(capsys, "camera", PHOTOS)
    assert (status, out) == (0, "")
    assert len(shown) == 4
    assert shown[-1] == "closed"
    assert "3 frames" in err


def test_a_window_that_was_asked_for_is_needed_one_that_was_not_is_not(capsys, monkeypatch):
    def none(title):
        raise CameraError("no window: none here")

    monkeypatch.setattr(watching, "Window", none)
    assert run(capsys, "camera", PHOTOS, "--frames", 1)[0] == 0
    assert run(capsys, "camera", PHOTOS, "--frames", 1, "--window")[0] == 2
