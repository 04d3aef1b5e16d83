"""Frames of videos, image sequences and cameras; what cannot be opened or goes away is one clear error."""

import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image
from tools import needs_opencv
from videos import FakeCapture, colours, plain_frames, write_video

from pynq_bnn.classify import camera
from pynq_bnn.classify.camera import open_frames
from pynq_bnn.errors import CameraError, ImageError


@pytest.fixture
def plugged_in(monkeypatch):
    """``plugged_in(capture)``: from now on OpenCV's camera 0 is ``capture``, and there is no other."""
    cv2 = camera.import_opencv()

    def plug(capture):
        class Unplugged(FakeCapture):
            def isOpened(self):
                return False

        monkeypatch.setattr(cv2, "VideoCapture", lambda device: capture if device == 0 else Unplugged([]))
        return capture

    return plug


@needs_opencv
def test_a_video_gives_all_its_frames_in_rgb_and_its_rate(tmp_path):
    path = write_video(tmp_path / "film.avi", plain_frames(7), rate=12)
    with open_frames(path) as frames:
        assert (frames.live, frames.rate) == (False, 12)
        found = list(frames)
    assert [frame.shape for frame in found] == [(48, 64, 3)] * 7
    assert found[0].dtype == np.uint8
    assert colours(found) == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("pattern", ["", "shot-%02d.png", "shot-*.png"])
def test_a_folder_and_a_pattern_give_the_pictures_in_order_without_opencv(tmp_path, pattern, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    for number, frame in enumerate(plain_frames(12)):
        Image.fromarray(frame).save(tmp_path / f"shot-{number:02}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    assert colours(open_frames(tmp_path / pattern)) == [0, 1, 2] * 4


def test_numbers_without_leading_zeros_are_ordered_as_numbers(tmp_path):
    for number in (2, 10, 1):
        Image.fromarray(plain_frames(number + 1)[number]).save(tmp_path / f"{number}.png")
    assert colours(open_frames(str(tmp_path / "%d.png"))) == [1, 2, 1]


def test_a_single_picture_is_a_sequence_of_one(tmp_path):
    Image.fromarray(plain_frames(1)[0]).save(tmp_path / "one.png")
    assert colours(open_frames(tmp_path / "one.png")) == [0]


def test_a_damaged_picture_of_a_sequence_is_named(tmp_path):
    Image.fromarray(plain_frames(1)[0]).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_text("no picture")
    frames = open_frames(tmp_path)
    next(frames)
    with pytest.raises(ImageError, match=r"1\.png"):
        next(frames)


@pytest.mark.parametrize(("source", "words"), [("nowhere.avi", "no such file"), ("empty", "no pictures"),
                                               ("a-%d.png", "no pictures"), ("no/where-*.png", "cannot be read"),
                                               ("\0", "no such file"), (None, "not NoneType"), (2.5, "not float"),
                                               (True, "not bool"), ([1], "not list")])
def test_what_is_no_source_is_a_camera_error(tmp_path, monkeypatch, source, words):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CameraError, match=words):
        open_frames(source)


@needs_opencv
@pytest.mark.parametrize("content", [b"no video", b"RIFF\xff\xff\0\0AVI LIST"])
def test_a_file_that_is_no_video_is_a_camera_error(tmp_path, content):
    (tmp_path / "film.avi").write_bytes(content)
    with pytest.raises(CameraError, match=r"film\.avi: OpenCV cannot read it"):
        open_frames(tmp_path / "film.avi")


@needs_opencv
def test_a_missing_camera_is_a_camera_error_that_says_what_there_is(plugged_in):
    plugged_in(FakeCapture([]))
    for number in (7, -1):
        with pytest.raises(CameraError, match=f"camera {number} cannot be opened; .*/dev/video"):
            open_frames(number)


def test_without_opencv_the_error_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "film.avi").write_bytes(b"RIFF")
    for source in (0, tmp_path / "film.avi"):
        with pytest.raises(CameraError, match=r"pip install 'pynq-bnn\[camera\]'"):
            open_frames(source)


@needs_opencv
def test_a_slow_user_gets_a_cameras_newest_frame_and_not_those_before(plugged_in):
    """Five frames, the last held back; four are read while the first is worked on."""
    hold = threading.Event()
    capture = plugged_in(FakeCapture([np.full((4, 6, 3), n, np.uint8) for n in range(5)], hold, held=4))
    with open_frames(0) as frames:
        deadline = time.monotonic() + 5
        while len(capture.frames) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert int(next(frames)[0, 0, 0]) == 3, "the fourth frame"
        hold.set()
        with pytest.raises(CameraError, match="camera 0 no longer gives frames"):
            list(frames)
    assert capture.released


@needs_opencv
def test_a_camera_that_hangs_is_an_error_and_not_a_wait_for_ever(plugged_in, monkeypatch):
    monkeypatch.setattr(camera, "_FRAME_TIMEOUT", 0.05)
    monkeypatch.setattr(camera, "_END_TIMEOUT", 0.05)
    hold = threading.Event()
    capture = plugged_in(FakeCapture(plain_frames(3), hold))
    with open_frames(0) as frames:
        next(frames)
        with pytest.raises(CameraError, match="has given no frame for"):
            next(frames)
    assert not capture.released, "its thread still reads"
    hold.set()
    frames._thread.join(5)
    assert capture.released


@needs_opencv
def test_a_closed_source_ends(plugged_in, tmp_path):
    plugged_in(FakeCapture(plain_frames(1000)))
    camera_frames = open_frames(0)
    camera_frames.close()
    camera_frames.close()
    assert next(camera_frames, None) is None
