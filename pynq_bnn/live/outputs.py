"""Outputs of live pictures: a window, a recording, a snapshot."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..camera.containers import is_whole
from ..camera.opencv import import_opencv, silent_stderr
from ..errors import CameraError, OutputError, first_line
from ..files import is_dir, write_atomically
from ..pillow import Resampling

# Container and codec that every build of OpenCV writes.
CODECS = {".avi": "MJPG", ".mp4": "mp4v"}
SNAPSHOTS = (".png", ".jpg", ".jpeg")
# OpenCV does not report failed writes. So before each write the disk must have room for some whole frames and for the
# end of the file, an index with this many bytes per frame; and no file may exceed the limit of its format.
_ROOM_FRAMES, _ROOM_BYTES, _INDEX_BYTES = 4, 1 << 18, 64
_LARGEST = {".avi": (2 << 30) - (64 << 20)}


class Window:
    """A window on the desktop; q, Escape and its close button end it.

    Raises
    ------
    CameraError
        There is no display, or tkinter is missing.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise CameraError(f"no window: {error.name} is missing (Debian and Ubuntu: apt install python3-tk "
                              f"python3-pil.imagetk); lines of text and --output need none") from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError:
            raise CameraError("no window: this machine, or this login, has no display; lines of text and --output need "
                              "none") from None
        self._image, self.open = ImageTk.PhotoImage, True
        self._root.title(title)
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        for key in ("q", "Q", "<Escape>"):
            self._root.bind(key, lambda _event: self._end())
        self._root.protocol("WM_DELETE_WINDOW", self._end)
        self._due = 0.0

    def show(self, picture: Image.Image, rate: float = 0.0) -> None:
        """Show a picture; with a ``rate``, at the earliest 1/``rate`` seconds after the last one."""
        while self.open and time.monotonic() < self._due:
            self._root.update()
            time.sleep(0.002)
        if not self.open:
            return
        self._due = time.monotonic() + (1 / rate if rate else 0.0)
        photo = self._image(picture, master=self._root)
        self._label.configure(image=photo)
        self._shown = photo  # Tk keeps no reference itself
        self._root.update()

    def _end(self) -> None:
        self.open = False

    def close(self) -> None:
        self.open = False
        with contextlib.suppress(Exception):  # it may be closed already
            self._root.destroy()


class Recording:
    """A video file of pictures; it appears, complete, at :meth:`close`.

    Parameters
    ----------
    path : str or Path
        .avi (motion JPEG) or .mp4.
    rate : float
        Frames per second.
    live : bool
        Whether pictures come at irregular times: each is then repeated to keep the video in real time.

    Raises
    ------
    OutputError
        The path is unsuitable, or the disk is full.
    CameraError
        OpenCV is missing or cannot write such a file.
    """

    def __init__(self, path: str | Path, rate: float, live: bool = False) -> None:
        self.path, self.rate, self.live = check_output(path), rate or 10.0, live
        self._cv2 = import_opencv()
        try:
            self._folder = tempfile.mkdtemp(prefix=".recording-", dir=self.path.parent)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
        self._partial = Path(self._folder) / f"video{self.path.suffix.lower()}"
        self._writer: Any = None
        self._size, self._began, self.frames = (0, 0), 0.0, 0

    def add(self, picture: Image.Image) -> None:
        """Append a picture; if its size differs from the first picture's, it is fitted into that.

        Raises
        ------
        OutputError
            The disk is full or the file has reached its limit; :meth:`close` keeps what was recorded.
        """
        now = time.monotonic()
        if self._writer is None:
            # Codecs need even sides.
            self._size, self._began = (picture.width // 2 * 2, picture.height // 2 * 2), now
            self._require_room()
            self._writer = self._open()
        if picture.size != self._size:
            picture = ImageOps.pad(picture, self._size, Resampling.BILINEAR)
        due = int((now - self._began) * self.rate) + 1 if self.live else self.frames + 1
        while self.frames < due:
            self._require_room()
            try:
                self._writer.write(np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1]))
            except self._cv2.error as error:
                raise OutputError(f"cannot go on writing {self.path}: {first_line(error)}; {self._kept()}") from None
            self.frames += 1

    def _require_room(self) -> None:
        needed = 3 * self._size[0] * self._size[1] * _ROOM_FRAMES + _INDEX_BYTES * self.frames + _ROOM_BYTES
        try:
            room = shutil.disk_usage(self._folder).free
            size = self._partial.stat().st_size if self._partial.exists() else 0
        except OSError as error:
            raise OutputError(f"cannot go on writing {self.path}: {error.strerror or error}; {self._kept()}") from None
        if room < needed:
            raise OutputError(f"cannot go on writing {self.path}: {room / 2**20:.1f} MB are left on the disk; "
                              f"{self._kept()}; free some space or choose another place")
        if size > _LARGEST.get(self._partial.suffix, size):
            raise OutputError(f"cannot go on writing {self.path}: {self._partial.suffix} files end at 2 GB; "
                              f"{self._kept()}; name an .mp4 file for a longer one")

    def _kept(self) -> str:
        return f"the first {self.frames} frames are kept" if self.frames else "not one frame was recorded"

    def _open(self) -> Any:
        codec = self._cv2.VideoWriter_fourcc(*CODECS[self._partial.suffix])
        writer = self._cv2.VideoWriter(str(self._partial), codec, self.rate, self._size)
        if not writer.isOpened():
            raise CameraError(f"this OpenCV cannot write {self._partial.suffix} files; take {' or '.join(CODECS)}, or "
                              f"a picture of the last frame ({', '.join(SNAPSHOTS)})")
        return writer

    def close(self) -> None:
        """Finish the file; without a picture none is written.

        Raises
        ------
        OutputError
            It cannot be written, or does not hold all that was recorded; a readable part is kept.
        """
        writer, self._writer = self._writer, None
        try:
            if writer is None:
                return
            with contextlib.suppress(self._cv2.error):
                writer.release()
            found = self._readable()
            if found:
                write_atomically(self.path, lambda partial: os.replace(self._partial, partial))
            if found < self.frames:
                what = f"only {found} of {self.frames} frames can be read in it" if found else "nothing of it is kept"
                raise OutputError(f"cannot write all of {self.path}: {what}; the disk may be full, or files of this "
                                  f"size not be allowed")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _readable(self) -> int:
        """Number of frames in the finished file: as declared if it is complete, else counted by reading them."""
        with silent_stderr():
            capture = self._cv2.VideoCapture(str(self._partial))
            try:
                counted = int(capture.get(self._cv2.CAP_PROP_FRAME_COUNT)) if is_whole(self._partial) else 0
                read = int(capture.read()[0])
                while read and max(read, counted) < self.frames and capture.grab():
                    read += 1
                return max(read, counted) if read else 0
            finally:
                capture.release()


class Snapshot:
    """A picture file that holds the last picture."""

    def __init__(self, path: str | Path) -> None:
        self.path = check_output(path)
        self._picture: Image.Image | None = None

    def add(self, picture: Image.Image) -> None:
        self._picture = picture

    def close(self) -> None:
        picture = self._picture
        if picture is not None:
            kind = "PNG" if self.path.suffix.lower() == ".png" else "JPEG"
            write_atomically(self.path, lambda partial: picture.save(partial, format=kind))


def check_output(path: str | Path) -> Path:
    """``path``, if a video or a picture can be written there.

    Raises
    ------
    OutputError
        Its suffix is of neither, or its folder is missing or not writable.
    """
    path = Path(path)
    if path.suffix.lower() not in (*CODECS, *SNAPSHOTS):
        raise OutputError(f"{path}: name a video ({', '.join(CODECS)}) or a picture of the last frame "
                          f"({', '.join(SNAPSHOTS)})")
    if not is_dir(path.parent) or not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write {path}: {path.parent} is no folder that may be written; choose another place")
    return path


def output_to(path: str | Path, rate: float, live: bool) -> Recording | Snapshot:
    """A :class:`Recording` or a :class:`Snapshot`, depending on the suffix of ``path``."""
    path = check_output(path)
    return Recording(path, rate, live) if path.suffix.lower() in CODECS else Snapshot(path)
