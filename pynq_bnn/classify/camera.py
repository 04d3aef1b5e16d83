"""Frames of cameras, videos and image sequences, as RGB arrays; OpenCV is imported when one is opened.

A camera is read in a thread of its own, so that a network slower than it gets the newest frame and not one that has
waited in a queue.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Union

import numpy as np

from ..data.folders import is_picture_name, picture_paths
from ..errors import CameraError, DataError, first_line
from ..files import is_dir, is_file
from .preprocess import read_picture

Source = Union[int, str, Path]

# Seconds: without a frame, after which a camera counts as gone; until its thread has to have ended.
_FRAME_TIMEOUT, _END_TIMEOUT = 10.0, 3.0
# OpenCV's own level of messages, not Python's.
_SILENT = 0
_NUMBER = re.compile(r"%0?(\d*)d")


def import_opencv() -> ModuleType:
    """The module ``cv2``.

    Raises
    ------
    CameraError
        It is not installed or does not work.
    """
    try:
        import cv2
    except ImportError as error:
        raise CameraError(f"cameras and videos are read by OpenCV, which cannot be imported ({first_line(error)}); "
                          f"pip install 'pynq-bnn[camera]', on a board: sudo apt install python3-opencv") from None
    with contextlib.suppress(AttributeError):  # what it writes to the terminal, our errors say better
        # The second is its name since OpenCV 5.
        (getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(_SILENT)
    return cv2


class Frames(ABC):
    """An iterator of (H, W, 3) uint8 RGB frames; a context manager, :meth:`close` may be called twice.

    name : what messages call the source; live : whether it goes on without us; rate : its frames a second, 0 where
    it has none.
    """

    name: str
    live = False
    rate = 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    @abstractmethod
    def __next__(self) -> np.ndarray:
        """The next frame."""

    def close(self) -> None:  # noqa: B027 - pictures hold nothing
        """Give the camera or file back."""

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_frames(source: Source) -> Frames:
    """Open a camera, a video file or an image sequence.

    Parameters
    ----------
    source : int, str or Path
        The index of a camera (0 is the first), or its device file; a video file; for a sequence of pictures their
        folder, or their names with a number in it (``shot-%04d.png``) or with stars (``shots/*.jpg``), in the order of
        the numbers or names.

    Raises
    ------
    CameraError
        Nothing of the kind is there, it cannot be opened, or OpenCV, which cameras and videos need, is missing.
    """
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return _Camera(int(source))
    if not isinstance(source, (str, Path)):
        raise CameraError(f"a source is the number of a camera or the path of a video, a folder or a sequence of "
                          f"pictures, not {type(source).__name__}")
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
        return _Camera(str(path))
    raise CameraError(f"{path}: no such file or folder; give the number of a camera (0 is the first), a video, a "
                      f"folder of pictures or a sequence such as shot-%04d.png")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _sequence(pattern: Path) -> list[Path]:
    """The files that ``pattern`` names, in the order of their numbers, or of their names for stars."""
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
    """Picture files one after the other, by Pillow alone."""

    def __init__(self, paths: list[Path], name: str) -> None:
        if not paths:
            raise CameraError(f"{name}: no pictures there; name a folder or a sequence that holds some")
        self.name = name
        self._paths = iter(paths)

    def __next__(self) -> np.ndarray:
        return np.asarray(read_picture(next(self._paths)).convert("RGB"))


class _Video(Frames):
    """A file, frame after frame."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._capture = _open(self.name)
        if self._capture is None:
            raise CameraError(f"{path}: OpenCV cannot read it; it is no video, damaged, or of a kind that this OpenCV "
                              f"does not know (.mp4 and .avi are the safest)")
        cv2 = import_opencv()
        with contextlib.suppress(AttributeError):  # OpenCV before 4.5.1
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # phones film sideways; OpenCV 4.11 leaves it so
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = float(rate) if 0 < rate < 1000 else 0.0  # files may say anything
        self._any = False

    def __next__(self) -> np.ndarray:
        frame = _read(self._capture) if self._capture is not None else None
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
            self._any = True  # closed by us, not empty


class _Camera(Frames):
    """A camera's newest frame, each at most once."""

    live = True

    def __init__(self, device: int | str) -> None:
        self.name = f"camera {device}"
        capture = None if isinstance(device, int) and device < 0 else _open(device)
        if capture is None:
            raise CameraError(f"{self.name} cannot be opened; {_cameras_here()}. Plug one in, give another number, or "
                              f"end the program that uses it")
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._frame: np.ndarray | None = None
        self._gone = False
        self._thread = threading.Thread(target=self._watch, args=(capture,), name=self.name, daemon=True)
        self._thread.start()

    def _watch(self, capture: Any) -> None:
        """Runs in the thread, which alone touches the camera, also to release it."""
        try:
            while not self._stop.is_set():
                frame = _read(capture)
                with self._changed:
                    self._frame, self._gone = frame, frame is None
                    self._changed.notify_all()
                if frame is None:
                    return
        finally:
            capture.release()

    def __next__(self) -> np.ndarray:
        if self._stop.is_set():
            raise StopIteration
        with self._changed:
            there = self._changed.wait_for(lambda: self._frame is not None or self._gone, _FRAME_TIMEOUT)
            frame, self._frame = self._frame, None
        if frame is None:
            what = "no longer gives frames" if there else f"has given no frame for {_FRAME_TIMEOUT:g} seconds"
            raise CameraError(f"{self.name} {what}; it was unplugged, or another program took it: check its cable and "
                              f"start again")
        return frame

    def close(self) -> None:
        self._stop.set()
        self._thread.join(_END_TIMEOUT)  # a camera that hangs is left to its thread


def _cameras_here() -> str:
    """What Linux knows of cameras; other systems have no such files."""
    found = sorted(path.name for path in Path("/dev").glob("video*"))
    return f"there are {', '.join(f'/dev/{name}' for name in found)}" if found else "this machine has no /dev/video*"


def _open(what: int | str) -> Any:
    """A ``cv2.VideoCapture`` that is open, or None."""
    cv2 = import_opencv()
    try:
        with _silent_stderr():
            capture = cv2.VideoCapture(what)
    except cv2.error:
        return None
    if capture.isOpened():
        return capture
    capture.release()
    return None


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Nothing reaches the terminal from the C libraries, which complain of damaged files past every log level."""
    try:
        sys.stderr.flush()
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except (OSError, AttributeError, ValueError):  # there is no stderr
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _read(capture: Any) -> np.ndarray | None:
    """The next frame as RGB, or None at the end or when it cannot be read."""
    cv2 = import_opencv()
    try:
        there, frame = capture.read()
    except cv2.error:
        return None
    if not there or frame is None:
        return None
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB)
