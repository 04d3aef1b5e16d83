"""A film is whole, or cut off at any place."""

import pytest
from tools import needs_opencv
from videos import plain_frames

from pynq_bnn.camera.containers import is_whole


@needs_opencv
@pytest.mark.parametrize(("name", "codec"), [("film.avi", "MJPG"), ("film.mp4", "mp4v")])
def test_a_film_is_whole_until_it_is_cut_off_anywhere(tmp_path, name, codec):
    import cv2
    path = tmp_path / name
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
    for frame in plain_frames(5):
        writer.write(frame)
    writer.release()
    assert is_whole(path)
    content = path.read_bytes()
    for length in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        assert not is_whole(path), length


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\xff\xff\0\0AVI LIST", b"\0" * 100, b"text " * 50,
                                     b"\0\0\0\1moov" + b"\0" * 40, b"\0\0\0\7moov" + b"\0" * 40])
def test_what_is_no_film_is_not_whole(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert not is_whole(tmp_path / "x")
