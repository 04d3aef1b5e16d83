"""Films that tests make: OpenCV writes them, frame for frame from arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))


def colours(frames):
    """Which of COLOURS each frame is nearest to."""
    means = [np.asarray(frame).reshape(-1, 3).mean(axis=0) for frame in frames]
    return [int(np.argmin([np.abs(mean - colour).sum() for colour in COLOURS])) for mean in means]


def plain_frames(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """(H, W, 3) uint8 RGB frames of one colour each: red, green, blue and over again."""
    return [np.full((size[1], size[0], 3), COLOURS[number % 3], np.uint8) for number in range(count)]


def write_video(path: Path, frames: list[np.ndarray], rate: float = 15.0) -> Path:
    """A motion JPEG film of RGB frames."""
    import cv2

    height, width, _ = frames[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()
    return path


class FakeCapture:
    """A ``cv2.VideoCapture`` of a camera: gives ``frames`` as BGR and then, unplugged, nothing.

    ``hold`` is an event without which it gives no more than ``held`` frames, as a camera that hangs. None among the
    frames is a read that fails; frames that are not (H, W, 3) are given as they are, of the ``kind`` of these four
    letters.
    """

    kind = "MJPG"

    def __init__(self, frames: list[np.ndarray], hold=None, held: int = 1) -> None:
        self.frames, self.hold, self.held, self.released, self.reads = list(frames), hold, held, False, 0

    def isOpened(self) -> bool:
        return not self.released

    def get(self, prop: int) -> float:
        import cv2
        assert prop == cv2.CAP_PROP_FOURCC
        return float(int.from_bytes(self.kind.encode(), "little"))

    def read(self):
        assert not self.released, "read after release, which kills the process"
        self.reads += 1
        if self.hold is not None and self.reads > self.held:
            self.hold.wait()
        frame = self.frames.pop(0) if self.frames else None
        if frame is None:
            return False, None
        return True, np.ascontiguousarray(frame[:, :, ::-1]) if frame.shape[2:] == (3,) else frame

    def release(self) -> None:
        self.released = True
