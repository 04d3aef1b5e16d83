"""A film that a phone took sideways is seen upright, whatever OpenCV does of its own accord."""

import struct

import numpy as np
import pytest
from PIL import Image
from tools import needs_opencv

from pynq_bnn.camera.frames import open_frames
from pynq_bnn.live.outputs import Recording

ONE = 1 << 16  # 1.0 in 16.16 fixed point


@needs_opencv
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_rotation_that_a_film_states_is_applied(tmp_path, degrees):
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32], stored[:24, 32:] = (250, 0, 0), (0, 250, 0)
    # ISO/IEC 14496-12, 8.3.2: the matrix of the track's header says where x and y of the film go.
    matrix = {0: (ONE, 0, 0, ONE, 0, 0), 90: (0, ONE, -ONE, 0, 48, 0), 180: (-ONE, 0, 0, -ONE, 64, 48),
              270: (0, -ONE, ONE, 0, 0, 64)}[degrees]
    a, b, c, d, x, y = matrix
    film = tmp_path / "film.mp4"
    recording = Recording(film, 10)
    for _ in range(3):
        recording.add(Image.fromarray(stored))
    recording.close()
    content = bytearray(film.read_bytes())
    start = content.index(b"tkhd") + 44
    content[start:start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, x * ONE, y * ONE, 1 << 30)
    film.write_bytes(content)
    frame = next(open_frames(film)).astype(int)
    upright = np.rot90(stored, -degrees // 90).astype(int)
    assert frame.shape == upright.shape
    assert np.abs(frame - upright).mean() < 12  # the codec blurs a little
