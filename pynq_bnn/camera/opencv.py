"""All use of OpenCV, which is imported when needed: opening a camera or a video, and reading RGB frames."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import CameraError, first_line

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://.+")
# Milliseconds to wait for a stream to answer.
_STREAM_TIMEOUT = 10_000
# OpenCV's log level, not Python's.
_SILENT = 0
# Right shift from a 16-bit grey value to 8 bits, by pixel format.
_SPARE_BITS = {"Y10 ": 2, "Y12 ": 4, "Y14 ": 6}

_stderr = threading.Lock()  # held by the thread that has redirected stderr


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
    module: ModuleType = cv2
    with contextlib.suppress(AttributeError):  # our errors replace its messages
        # The second is the function's name since OpenCV 5.
        (getattr(module, "setLogLevel", None) or module.utils.logging.setLogLevel)(_SILENT)
    return module


def open_capture(what: int | str) -> Any:
    """An open ``cv2.VideoCapture``, or None if it cannot be opened."""
    cv2 = import_opencv()
    capture: Any = None
    with contextlib.suppress(cv2.error), silent_stderr():
        is_stream = isinstance(what, str) and URL.fullmatch(what)
        capture = _open_stream(cv2, str(what)) if is_stream else cv2.VideoCapture(what)
    if capture is None or capture.isOpened():
        return capture
    capture.release()
    return None


def _open_stream(cv2: ModuleType, url: str) -> Any:
    """Open a stream with timeouts if this OpenCV supports them; its own are half a minute, or none."""
    try:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _STREAM_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STREAM_TIMEOUT]
        return cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    except (AttributeError, TypeError, cv2.error):
        return cv2.VideoCapture(url)


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Redirect stderr to nowhere: C libraries print messages about damaged files, whatever the log level."""
    with _stderr:
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


def read_frame(capture: Any) -> Array | None:
    """The next frame as RGB, or None at the end or if it cannot be read.

    Raises
    ------
    CameraError
        The frame's format cannot be converted to RGB.
    """
    cv2 = import_opencv()
    try:
        there, frame = capture.read()
    except cv2.error:
        return None
    return _rgb(cv2, capture, frame) if there and frame is not None else None


def _rgb(cv2: ModuleType, capture: Any, frame: Array) -> Array:
    """(H, W, 3) uint8 RGB of a frame from OpenCV, which is usually BGR, but drivers may pass on their own format."""
    given = f"{frame.shape}, {frame.dtype}"
    if frame.dtype == np.uint16:
        frame = (frame >> _SPARE_BITS.get(_kind(cv2, capture), 8)).clip(0, 255).astype(np.uint8)
    channels = frame.shape[2] if frame.ndim == 3 else 1
    codes = {1: "COLOR_GRAY2RGB", 3: "COLOR_BGR2RGB", 4: "COLOR_BGRA2RGB"}
    if channels == 2:
        kind = _kind(cv2, capture)
        codes[2] = {"UYVY": "COLOR_YUV2RGB_UYVY", "YVYU": "COLOR_YUV2RGB_YVYU"}.get(kind, "COLOR_YUV2RGB_YUY2")
    if frame.dtype == np.uint8 and frame.ndim in (2, 3) and frame.size and channels in codes:
        with contextlib.suppress(cv2.error):  # such as an odd width of YUYV
            rgb: Array = cv2.cvtColor(frame, getattr(cv2, codes[channels]))
            return rgb
    raise CameraError(f"the camera or video gives frames of {given}; grey, BGR, BGRA or YUYV of 8 bits and grey of 16 "
                      f"bits can be read: choose such a mode (on Linux: v4l2-ctl --set-fmt-video=pixelformat=MJPG)")


def _kind(cv2: ModuleType, capture: Any) -> str:
    """The four-character code of the frame's format; empty if the driver reports none."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    return code.to_bytes(4, "little").decode("ascii", "replace") if 0 < code < 1 << 32 else ""
