"""Frames from cameras, streams, videos and image sequences, as RGB arrays; OpenCV is imported only when needed.

A camera or a stream is read in a thread of its own, so that a slower network gets the newest frame and not one that
has waited in a queue.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from ..arrays import Array
from ..data.folders import is_picture_name, picture_paths
from ..errors import CameraError, DataError, ImageError, first_line
from ..files import is_dir, is_file
from ..pictures.preprocess import read_picture
from .devices import CameraDevice, camera_devices, device_index, gives_pictures
from .opencv import URL, import_opencv, open_capture, read_frame

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger(__name__)

Source = Union[int, str, Path]

# Seconds: without a frame until a camera counts as gone; to wait for its thread to end.
_FRAME_TIMEOUT, _END_TIMEOUT = 10.0, 3.0
# Frames that a camera may miss in a row, and the pause in seconds between two tries. After that it is opened again: for
# how many seconds this is tried (it may be plugged in again), with which pause, and how often without a frame.
_MISSED_FRAMES, _MISSED_PAUSE = 5, 0.05
_REOPEN_SECONDS, _REOPEN_PAUSE, _REOPENINGS = 4.0, 0.25, 2
_NUMBER = re.compile(r"%0?(\d*)d")


class Frames(ABC):
    """An iterator of (H, W, 3) uint8 RGB frames; a context manager, :meth:`close` may be called twice.

    name : the source's name in messages.
    live : whether frames keep coming while none is read.
    rate : frames per second, 0 if unknown.
    skipped : number of pictures skipped because they cannot be read.
    """

    name: str
    live = False
    rate = 0.0
    skipped = 0

    def __iter__(self) -> Self:
        return self

    @abstractmethod
    def __next__(self) -> Array:
        """The next frame."""

    def close(self) -> None:  # noqa: B027 - pictures hold nothing
        """Release the camera or file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_frames(source: Source) -> Frames:
    """Open a camera, a stream, a video file or an image sequence.

    Parameters
    ----------
    source : int, str or Path
        The number of a camera (0 is the first of :func:`~pynq_bnn.camera.devices.camera_devices`), or its device
        file; the address of a stream (``rtsp://…``, ``http://…``); a video file; or a sequence of pictures: a folder,
        or a pattern of names with a number (``shot-%04d.png``) or with stars (``shots/*.jpg``), in the order of
        numbers or names. Unreadable pictures of a sequence are skipped with a warning.

    Raises
    ------
    CameraError
        There is no such source, it cannot be opened, or OpenCV (needed for cameras and videos) is missing.
    """
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return _numbered_camera(int(source))
    if not isinstance(source, (str, Path)):
        raise CameraError(f"a source is the number of a camera, the address of a stream, or the path of a video, a "
                          f"folder or a sequence of pictures, not {type(source).__name__}")
    if isinstance(source, str) and not source.strip():  # as a path it would be the current folder
        raise CameraError("a source without a name was given; give the number of a camera (0 is the first), or . for "
                          "the pictures in the current folder")
    if isinstance(source, str) and (url := URL.fullmatch(source)):
        if url[1].lower() != "file":
            return _stream(source)
        source = url2pathname(urlsplit(source).path)
    path = Path(source)
    if is_file(path):
        return _Pictures([path], str(path)) if is_picture_name(path) else _Video(path)
    if is_dir(path):
        try:
            return _Pictures(picture_paths(path), f"the folder {path}")
        except DataError as error:
            raise CameraError(str(error)) from None
    if _NUMBER.search(path.name) or "*" in path.name:
        return _Pictures(_sequence(path), str(path))
    if _exists(path):  # a device file
        return _device_camera(path)
    raise CameraError(f"{path}: no such file or folder; give the number of a camera (0 is the first), a stream "
                      f"(rtsp://…), a video, a folder of pictures or a sequence such as shot-%04d.png")


def _numbered_camera(number: int) -> _Camera:
    devices = camera_devices()
    if not devices:  # not Linux, or cameras of another kind: leave it to OpenCV
        return _Camera(f"camera {number}", lambda: None if number < 0 else open_capture(number))
    if not 0 <= number < len(devices):
        raise CameraError(f"camera {number} cannot be opened; {cameras_here()}. Plug it in, or give the number of one")
    return _known_camera(f"camera {number} ({devices[number]})", devices[number])


def _device_camera(path: Path) -> _Camera:
    index = device_index(path)
    if index is None:
        return _Camera(f"camera {path}", lambda: open_capture(str(path)))
    if not gives_pictures(path.resolve()):
        raise CameraError(f"camera {path} gives no pictures (a webcam has a second device for metadata); "
                          f"{cameras_here()}. Give one of these")
    known = [device for device in camera_devices() if device.index == index]
    return _known_camera(f"camera {path}", known[0] if known else CameraDevice(str(path), "", index))


def _known_camera(name: str, device: CameraDevice) -> _Camera:
    def find() -> Any:
        """Open the camera; if it was plugged in again under another number, it is found by its name."""
        here = camera_devices()
        same = [found for found in here if found == device]
        same = same or [found for found in here if device.name and found.name == device.name]
        return open_capture((same or [device])[0].index)

    return _Camera(name, find)


def _stream(url: str) -> Frames:
    """A live stream, or a video file on another machine, of which every frame is read."""
    name = _without_password(url)
    capture = open_capture(url)
    if capture is None:
        raise CameraError(f"{name}: nothing that OpenCV can read answers there; check the address, the network, and "
                          f"that the stream runs")
    if capture.get(import_opencv().CAP_PROP_FRAME_COUNT) > 0:
        return _Video(name, capture)
    return _Camera(name, lambda: open_capture(url), capture)


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _sequence(pattern: Path) -> list[Path]:
    """The files that match ``pattern``, in the order of their numbers, or for stars of their names."""
    names = [path for path in _listed(pattern.parent) if is_picture_name(path)]
    number = _NUMBER.search(pattern.name)
    if not number:
        return sorted(path for path in names if path.match(pattern.name))
    before, after = pattern.name[:number.start()], pattern.name[number.end():]
    digits = rf"(\d{{{number[1] or 1},}})"
    whole = re.compile(re.escape(before) + digits + re.escape(after))
    found = [(int(match[1]), path) for path in names if (match := whole.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise CameraError(f"{folder}: cannot be read ({error.strerror or error}); give the folder of the sequence"
                          ) from None


class _Pictures(Frames):
    """Picture files one after the other, read by Pillow; damaged ones are skipped."""

    def __init__(self, paths: list[Path], name: str) -> None:
        if not paths:
            raise CameraError(f"{name}: no pictures there; name a folder or a sequence that holds some")
        self.name = name
        self._paths, self._count = iter(paths), len(paths)

    def __next__(self) -> Array:
        for path in self._paths:
            try:
                return np.asarray(read_picture(path).convert("RGB"))
            except ImageError as error:
                if self._count == 1:
                    raise
                self.skipped += 1
                log.warning("%s", error)
        if self.skipped == self._count:
            raise CameraError(f"{self.name}: none of the {self._count} pictures there can be read; name others")
        raise StopIteration


class _Video(Frames):
    """A file, frame after frame."""

    def __init__(self, name: str | Path, capture: Any = None) -> None:
        self.name = str(name)
        self._capture = open_capture(self.name) if capture is None else capture
        if self._capture is None:
            raise CameraError(f"{name}: OpenCV cannot read it; it is no video, damaged, or of a kind that this OpenCV "
                              f"does not know (.mp4 and .avi are the safest)")
        cv2 = import_opencv()
        with contextlib.suppress(AttributeError):  # OpenCV before 4.5.1
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # for phones; not the default in OpenCV 4.11
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = float(rate) if 0 < rate < 1000 else 0.0  # ignore absurd values
        self._any = False

    def __next__(self) -> Array:
        frame = read_frame(self._capture) if self._capture is not None else None
        if frame is None:
            self.close()
            if not self._any:
                raise CameraError(f"{self.name}: not one frame of it can be decoded; the file is damaged or holds no "
                                  f"picture")
            raise StopIteration
        self._any = True
        return frame

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()
            self._any = True  # the next read must not report an empty file


class _Camera(Frames):
    """The newest frame of a camera or a stream; each frame is returned at most once.

    Parameters
    ----------
    name : str
    find : callable
        Opens the source, also repeatedly; returns None if it cannot be opened.
    capture : optional
        The source, if it is open already.
    """

    live = True

    def __init__(self, name: str, find: Callable[[], Any], capture: Any = None) -> None:
        self.name, self._find = name, find
        capture = find() if capture is None else capture
        if capture is None:
            raise CameraError(f"{name} cannot be opened; {cameras_here()}. Plug one in, give another number, or end "
                              f"the program that uses it")
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._frame: Array | None = None
        self._error: Exception | None = None
        self._gone = False
        self._thread = threading.Thread(target=self._watch, args=(capture,), name=name, daemon=True)
        self._thread.start()

    def _watch(self, capture: Any) -> None:
        """Runs in a thread of its own, the only one that accesses the camera, including its release."""
        missed = reopened = 0
        try:
            while not self._stop.is_set() and capture is not None:
                frame = read_frame(capture)
                if frame is not None:
                    missed = reopened = 0
                    self._tell(frame)
                elif missed < _MISSED_FRAMES:
                    missed += 1
                    self._stop.wait(_MISSED_PAUSE)
                else:
                    gone, capture = capture, None
                    gone.release()
                    missed, reopened = 0, reopened + 1
                    capture = self._open_again() if reopened <= _REOPENINGS else None
        except Exception as error:  # from OpenCV, or for a frame of an unknown format
            self._error = error
        finally:
            self._gone = True
            self._tell(None)
            if capture is not None:
                capture.release()

    def _tell(self, frame: Array | None) -> None:
        with self._changed:
            self._frame = self._frame if frame is None else frame
            self._changed.notify_all()

    def _open_again(self) -> Any:
        log.warning("%s gives no frames; opening it again", self.name)
        end = time.monotonic() + _REOPEN_SECONDS
        while not self._stop.is_set():
            capture = self._find()
            if capture is not None or time.monotonic() >= end:
                return capture
            self._stop.wait(_REOPEN_PAUSE)
        return None

    def __next__(self) -> Array:
        if self._stop.is_set():
            raise StopIteration
        with self._changed:
            there = self._changed.wait_for(lambda: self._frame is not None or self._gone, _FRAME_TIMEOUT)
            frame, self._frame = self._frame, None
        if frame is not None:
            return frame
        if isinstance(self._error, CameraError):
            raise self._error
        if self._error is not None:
            raise CameraError(f"{self.name} cannot be read ({first_line(self._error)}); try another camera, or another "
                              f"version of OpenCV") from self._error
        what = "no longer gives frames" if there else f"has given no frame for {_FRAME_TIMEOUT:g} seconds"
        raise CameraError(f"{self.name} {what}; it was unplugged, or another program took it: check its cable and "
                          f"start again")

    def close(self) -> None:
        self._stop.set()
        self._thread.join(_END_TIMEOUT)  # if the camera hangs, its daemon thread is left behind


def cameras_here() -> str:
    """The available cameras with their numbers, as a clause for a message."""
    devices = camera_devices()
    listed = "; ".join(f"{number}: {device}" for number, device in enumerate(devices))
    return f"there are {listed}" if devices else "this machine has no /dev/video* that gives pictures"
