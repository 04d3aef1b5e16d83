"""Linux's cameras, by name: those of its video devices that capture pictures.

A webcam has a second video device for metadata, and a board may have some for decoders and scalers.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

_DEV, _SYS = Path("/dev"), Path("/sys/class/video4linux")
# From Linux's videodev2.h: the request for a device's capabilities, their layout, and the flags for capturing.
_QUERYCAP, _CAPABILITY = 0x80685600, struct.Struct("=16s32s32sIII12x")
_CAPTURE, _CAPTURE_PLANES, _HAS_DEVICE_CAPS = 0x1, 0x1000, 0x8000_0000


@dataclass(frozen=True)
class CameraDevice:
    """A device that captures pictures.

    path : its device file; name : given by its driver; index : the number in ``path``, which OpenCV uses.
    """

    path: str
    name: str
    index: int

    def __str__(self) -> str:
        return f"{self.name}, {self.path}" if self.name else self.path


def camera_devices() -> list[CameraDevice]:
    """The cameras of this machine, in the order of their device files; none on systems other than Linux."""
    return [CameraDevice(str(path), name, index) for index, path in _video_files() if (name := _name(path)) is not None]


def gives_pictures(path: Path) -> bool:
    """Whether a device file may belong to a camera; False if it is known to be something else."""
    found = re.fullmatch(r"video\d+", path.name)
    return not found or _name(path) is not None


def device_index(path: Path) -> int | None:
    """The number of a video device; ``path`` may be a link such as those in ``/dev/v4l/by-id``."""
    with contextlib.suppress(OSError, ValueError):
        found = re.fullmatch(r"video(\d+)", path.resolve().name)
        return int(found[1]) if found else None
    return None


def _video_files() -> list[tuple[int, Path]]:
    if not sys.platform.startswith("linux"):
        return []
    try:
        paths = list(_DEV.iterdir())
    except OSError:
        return []
    return sorted((int(found[1]), path) for path in paths if (found := re.fullmatch(r"video(\d+)", path.name)))


def _name(path: Path) -> str | None:
    """The driver's name for the device; None if it does not capture pictures."""
    with contextlib.suppress(OSError, ValueError):  # in use, not permitted, or no such device
        name, capabilities = _capabilities(path)
        return name if capabilities & (_CAPTURE | _CAPTURE_PLANES) else None
    # Without access to the device, sysfs tells which of a camera's devices it is: the first one captures pictures.
    folder = _SYS / path.name
    return _line(folder / "name") if _line(folder / "index") in ("", "0") else None


def _capabilities(path: Path) -> tuple[str, int]:
    """A device's name and capabilities, as reported by the device."""
    import fcntl  # not available on Windows

    file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = bytearray(_CAPABILITY.size)
        fcntl.ioctl(file, _QUERYCAP, answer)
    finally:
        os.close(file)
    _, card, _, _, all_together, own = _CAPABILITY.unpack(answer)
    name = card.split(b"\0")[0].decode(errors="replace")
    return name, own if all_together & _HAS_DEVICE_CAPS else all_together


def _line(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return path.read_text().strip()
    return ""
