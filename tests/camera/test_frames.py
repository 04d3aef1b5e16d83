"""Frames of videos, image sequences and cameras; what cannot be opened or goes away is one clear error."""

import contextlib
import io
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from tools import needs_opencv
from videos import FakeCapture, colours, plain_frames, write_video

from pynq_bnn.camera import devices
from pynq_bnn.camera import frames as camera
from pynq_bnn.camera.frames import open_frames
from pynq_bnn.errors import CameraError, ImageError


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """No camera of this machine, and little patience."""
    monkeypatch.setattr(devices, "_DEV", tmp_path / "no dev")
    for name, seconds in (("_MISSED_PAUSE", 0.001), ("_REOPEN_SECONDS", 0.1), ("_REOPEN_PAUSE", 0.01)):
        monkeypatch.setattr(camera, name, seconds)


@pytest.fixture
def plugged_in(monkeypatch):
    """``plugged_in(capture, ...)``: OpenCV's cameras from now on, by number; a released one cannot be opened again."""
    cv2 = camera.import_opencv()

    def plug(*captures, **numbered):
        cameras = dict(enumerate(captures)) | {int(name[1:]): capture for name, capture in numbered.items()}
        gone = FakeCapture([])
        gone.release()
        monkeypatch.setattr(cv2, "VideoCapture", lambda device: cameras.get(device, gone))
        return captures[0] if captures else None

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


def test_a_damaged_picture_of_a_sequence_is_named_and_those_after_it_are_given(tmp_path, caplog):
    for number, frame in enumerate(plain_frames(4)):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_text("no picture")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    frames = open_frames(tmp_path)
    assert colours(frames) == [0, 2]
    assert frames.skipped == 2
    assert [next(name for name in ("1.png", "3.png") if name in message) for message in caplog.messages] == ["1.png",
                                                                                                             "3.png"]


def test_damaged_pictures_alone_are_an_error(tmp_path):
    (tmp_path / "1.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"1\.png"):
        next(open_frames(tmp_path / "1.png"))
    (tmp_path / "2.png").write_text("no picture")
    with pytest.raises(CameraError, match="none of the 2 pictures there can be read"):
        next(open_frames(tmp_path))


@pytest.mark.parametrize(("source", "words"), [("nowhere.avi", "no such file"), ("empty", "no pictures"),
                                               ("a-%d.png", "no pictures"), ("no/where-*.png", "cannot be read"),
                                               ("\0", "no such file"), (None, "not NoneType"), (2.5, "not float"),
                                               (True, "not bool"), ([1], "not list"), ("", "without a name"),
                                               (" ", "without a name")])
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


# Cameras that miss frames, are plugged in again, or give frames of another kind


@needs_opencv
def test_a_few_missed_frames_are_no_end(plugged_in):
    frames = plain_frames(3)
    capture = plugged_in(FakeCapture([frames[0], None, None, frames[1], *[None] * 5, frames[2]]))
    with open_frames(0) as source:
        assert colours([frame for frame in taken(source, 3)])[-1] == 2
    assert capture.released


def taken(source, count):
    """Up to ``count`` frames until the camera is gone; some may be passed over."""
    found = []

    def take():
        while True:
            found.append(next(source))

    with pytest.raises(CameraError, match="no longer gives frames"):
        take()
    assert len(found) <= count
    return found


@needs_opencv
def test_a_camera_that_stops_is_opened_again(monkeypatch, caplog):
    opened = [FakeCapture(plain_frames(1)), FakeCapture(plain_frames(2)[1:]), FakeCapture([])]
    captures, closed = iter(opened), FakeCapture([])
    closed.release()
    monkeypatch.setattr(camera.import_opencv(), "VideoCapture", lambda device: next(captures, closed))
    with open_frames(0) as source:
        assert colours([next(source)]) == [0]
        assert colours([next(source)]) == [1]
        with pytest.raises(CameraError, match="camera 0 no longer gives frames; it was unplugged"):
            next(source)
    assert all(capture.released for capture in opened)
    assert "camera 0 gives no frames; opening it again" in caplog.messages


@needs_opencv
def test_a_camera_that_opens_and_never_gives_a_frame_is_given_up(monkeypatch):
    opened = []

    def dead(device):
        opened.append(FakeCapture([]))
        return opened[-1]

    monkeypatch.setattr(camera.import_opencv(), "VideoCapture", dead)
    with open_frames(0) as source, pytest.raises(CameraError, match="no longer gives frames"):
        next(source)
    assert 2 <= len(opened) <= 5
    assert all(capture.released for capture in opened)


def kinds():
    """A grey ramp of 6 × 8 as cameras may give it, its kind's letters, and its RGB by the definition of the kind."""
    ramp = np.arange(16, 64, dtype=np.uint8).reshape(6, 8) * 3
    luma = np.clip(np.round(1.164 * (ramp.astype(float) - 16)), 0, 255)  # studio swing, BT.601
    neutral = np.full_like(ramp, 128)
    yield "GREY", ramp, ramp
    yield "GREY", ramp[..., None], ramp
    yield "BGR3", np.stack([ramp] * 3, axis=-1), ramp
    yield "BGR4", np.stack([ramp] * 4, axis=-1), ramp
    yield "YUYV", np.stack([ramp, neutral], axis=-1), luma
    yield "UYVY", np.stack([neutral, ramp], axis=-1), luma
    yield "Y16 ", ramp.astype(np.uint16) * 256 + 77, ramp
    yield "Y12 ", ramp.astype(np.uint16) * 16 + 7, ramp
    yield "Y10 ", ramp.astype(np.uint16) * 4 + 3, ramp
    yield "BGR3", np.stack([ramp] * 3, axis=-1).astype(np.uint16) * 256, ramp


@needs_opencv
@pytest.mark.parametrize(("kind", "frame", "grey"), list(kinds()))
def test_frames_of_every_common_kind_become_rgb(plugged_in, kind, frame, grey):
    capture = plugged_in(FakeCapture([frame]))
    capture.kind = kind
    with open_frames(0) as source:
        rgb = next(source)
    assert (rgb.shape, rgb.dtype) == ((6, 8, 3), np.uint8)
    assert np.abs(rgb.astype(float) - np.asarray(grey, float)[..., None]).max() <= 1.5


@needs_opencv
def test_colours_of_yuyv_are_right(plugged_in):
    """Red is Y 81, U 90, V 240; two pixels share U and V."""
    frame = np.empty((4, 6, 2), np.uint8)
    frame[..., 0], frame[:, ::2, 1], frame[:, 1::2, 1] = 81, 90, 240
    plugged_in(FakeCapture([frame])).kind = "YUYV"
    with open_frames(0) as source:
        assert np.abs(next(source)[0, 0].astype(int) - (255, 0, 0)).max() <= 3


@needs_opencv
@pytest.mark.parametrize("frame", [np.zeros((4, 5, 5), np.uint8), np.zeros((4, 6), np.float32), np.zeros(12, np.uint8),
                                   np.zeros((4, 5, 2), np.uint8), np.zeros((0, 6, 3), np.uint8),
                                   np.zeros((4, 6, 3), np.int32)])
def test_a_frame_of_an_unknown_kind_is_told_at_once(plugged_in, frame):
    capture = plugged_in(FakeCapture([frame]))
    began = time.monotonic()
    with open_frames(0) as source, pytest.raises(CameraError, match=r"gives frames of .*choose such a mode"):
        next(source)
    assert time.monotonic() - began < 5
    assert capture.released


@needs_opencv
def test_whatever_the_cameras_thread_stumbles_over_is_told_at_once(plugged_in, monkeypatch, capfd):
    capture = plugged_in(FakeCapture(plain_frames(3)))
    monkeypatch.setattr(capture, "read", lambda: 1 / 0)
    with open_frames(0) as source, pytest.raises(CameraError, match=r"camera 0 cannot be read \(division by zero\)"):
        next(source)
    assert capture.released
    assert "Traceback" not in capfd.readouterr().err


# Which camera is which


@pytest.fixture
def nodes(monkeypatch, tmp_path):
    """``nodes(("webcam", 0x1), ...)``: the devices video0 and so on, by name and V4L2 capabilities, None if refused."""
    def make(*found):
        folder = tmp_path / "dev"
        folder.mkdir(exist_ok=True)
        for number in range(len(found)):
            (folder / f"video{number}").touch()

        def answer(path):
            entry = found[int(path.name[5:])]
            if entry is None:
                raise PermissionError(13, "Permission denied")
            return entry

        monkeypatch.setattr(devices, "_DEV", folder)
        monkeypatch.setattr(devices, "_SYS", tmp_path / "sys")
        monkeypatch.setattr(devices, "_capabilities", answer)
        return folder

    return make


CAPTURE, PLANES, METADATA, CODEC = 0x0420_0001, 0x0420_1000, 0x04A0_0000, 0x0420_4000


def test_cameras_are_counted_without_metadata_devices_and_codecs(nodes):
    nodes(("codec", CODEC), ("webcam", CAPTURE), ("webcam", METADATA), ("old", PLANES), ("old", METADATA))
    assert [(device.name, device.index) for device in devices.camera_devices()] == [("webcam", 1), ("old", 3)]


def test_devices_that_do_not_answer_are_judged_by_what_the_system_knows(nodes, tmp_path):
    nodes(None, None, None)
    for number, index in ((0, "0\n"), (1, "1\n")):  # of the third nothing is known
        (tmp_path / "sys" / f"video{number}").mkdir(parents=True)
        (tmp_path / "sys" / f"video{number}" / "name").write_text("busy one\n")
        (tmp_path / "sys" / f"video{number}" / "index").write_text(index)
    assert [(device.name, device.index) for device in devices.camera_devices()] == [("busy one", 0), ("", 2)]


def test_the_order_is_that_of_the_numbers(nodes):
    nodes(*[(str(number), CAPTURE) for number in range(12)])
    assert [device.index for device in devices.camera_devices()] == list(range(12))


@needs_opencv
def test_camera_1_is_the_second_camera_and_not_the_firsts_metadata(nodes, plugged_in):
    nodes(("first", CAPTURE), ("first", METADATA), ("second", CAPTURE), ("second", METADATA))
    plugged_in(FakeCapture(plain_frames(1)), _2=FakeCapture(plain_frames(2)[1:]))
    with open_frames(1) as source:
        assert colours([next(source)]) == [1]
        assert "second" in source.name


@needs_opencv
def test_a_number_beyond_the_cameras_is_told_with_the_list(nodes, plugged_in, monkeypatch):
    folder = nodes(("first", CAPTURE), ("first", METADATA), ("second", CAPTURE))
    plugged_in(FakeCapture(plain_frames(1)))
    listed = f"there are 0: first, {folder}/video0; 1: second, {folder}/video2"
    for number in (2, 7, -1):
        with pytest.raises(CameraError, match=re.escape(f"camera {number} cannot be opened; {listed}")):
            open_frames(number)
    monkeypatch.setattr(camera, "is_file", lambda path: False)  # these nodes are files, real ones are not
    with pytest.raises(CameraError, match=re.escape(f"video1 gives no pictures (a webcam has a second device for "
                                                    f"metadata); {listed}")):
        open_frames(folder / "video1")


@needs_opencv
def test_a_device_file_and_a_link_to_it_are_that_camera(nodes, plugged_in, tmp_path, monkeypatch):
    folder = nodes(("first", CAPTURE), ("first", METADATA), ("second", CAPTURE))
    monkeypatch.setattr(camera, "is_file", lambda path: False)  # these nodes are files, real ones are not
    (tmp_path / "by-id").symlink_to(folder / "video2")
    for path in (folder / "video2", str(tmp_path / "by-id")):
        plugged_in(FakeCapture(plain_frames(1)), _2=FakeCapture(plain_frames(2)[1:]))
        with open_frames(path) as source:
            assert colours([next(source)]) == [1]


@needs_opencv
def test_a_camera_that_comes_back_under_another_number_is_found_by_its_name_and_no_other_taken(nodes, plugged_in):
    nodes(("mine", CAPTURE), ("other", CAPTURE))
    frames, hold = plain_frames(3), threading.Event()
    plugged_in(FakeCapture([frames[0], frames[0]], hold), _1=FakeCapture([frames[1]] * 100))
    with open_frames(0) as source:
        assert colours([next(source)]) == [0]
        nodes(("other", CAPTURE), ("something", METADATA), ("mine", CAPTURE))
        plugged_in(FakeCapture([frames[1]] * 100), _2=FakeCapture([frames[2]]))
        hold.set()
        assert 1 not in colours(taken(source, 2))


# Streams


@pytest.fixture
def server(tmp_path):
    """``server``: the address of a machine that gives a film as a file, and frames for ever as a camera does."""
    film = write_video(tmp_path / "film.avi", plain_frames(7))
    buffer = io.BytesIO()
    Image.fromarray(plain_frames(3)[2]).save(buffer, "JPEG")
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (
        len(buffer.getvalue()), buffer.getvalue())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            if self.path == "/film.avi":
                self.send_header("Content-Length", str(film.stat().st_size))
                self.end_headers()
                self.wfile.write(film.read_bytes())
                return
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(part)
                    time.sleep(0.02)

        def log_message(self, *_):
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{http.server_address[1]}"
        http.shutdown()


@needs_opencv
def test_a_film_on_another_machine_gives_all_its_frames(server):
    with open_frames(f"http://{server}/film.avi") as frames:
        assert not frames.live
        assert colours(frames) == [0, 1, 2, 0, 1, 2, 0]


@needs_opencv
def test_a_stream_is_live_and_its_password_not_told(server):
    with open_frames(f"http://user:secret@{server}/camera.mjpg") as frames:
        assert frames.live
        assert colours([next(frames), next(frames)]) == [2, 2]
        assert frames.name == f"http://user:***@{server}/camera.mjpg"


@needs_opencv
@pytest.mark.parametrize("address", ["rtsp://user:secret@127.0.0.1:9/x", "http://127.0.0.1:9/x", "nonsense://x/y"])
def test_a_stream_that_does_not_answer_is_told_as_one(address):
    with pytest.raises(CameraError, match="nothing that OpenCV can read answers there; check the address") as raised:
        open_frames(address)
    assert "secret" not in str(raised.value)


def test_a_file_s_address_is_that_file(tmp_path):
    Image.fromarray(plain_frames(2)[1]).save(tmp_path / "a b.png")
    assert colours(open_frames((tmp_path / "a b.png").as_uri())) == [1]


@needs_opencv
def test_a_closed_source_ends(plugged_in, tmp_path):
    plugged_in(FakeCapture(plain_frames(1000)))
    camera_frames = open_frames(0)
    camera_frames.close()
    camera_frames.close()
    assert next(camera_frames, None) is None
