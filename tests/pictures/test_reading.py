"""Whatever holds a picture is read upright and at the right brightness; odd metadata does not matter."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from pynq_bnn.errors import ImageError
from pynq_bnn.network import InputSpec, signed_codes
from pynq_bnn.pictures.preprocess import fitted, network_input
from pynq_bnn.pictures.reading import MAX_KEPT, read_picture

Entry = tuple[int, int, int, bytes]
SPEC = InputSpec(32, 32, 3, signed_codes())


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def directory(entries: list[Entry]) -> bytes:
    """A TIFF of nothing but an image file directory (TIFF 6.0, section 2): tag, type, count, value of each entry."""
    body, tail = struct.pack("<H", len(entries)), b""
    for tag, kind, count, value in sorted(entries):
        place = struct.pack("<I", 8 + 2 + 12 * len(entries) + 4 + len(tail))
        body += struct.pack("<HHI", tag, kind, count) + (place if len(value) > 4 else value.ljust(4, b"\0"))
        tail += value if len(value) > 4 else b""
    return b"II*\0" + struct.pack("<I", 8) + body + bytes(4) + tail


def short(tag: int, value: int) -> Entry:
    return tag, 3, 1, struct.pack("<H", value)


def rational(tag: int, above: int, below: int) -> Entry:
    return tag, 5, 1, struct.pack("<II", above, below)


# --- metadata ------------------------------------------------------------------------------------------------

ODD: dict[str, list[Entry]] = {
    "nothing odd": [], "a resolution of 72/0": [rational(282, 72, 0), rational(283, 72, 0), short(296, 2)],
    "a resolution of 0/0": [rational(282, 0, 0)], "a maker as a number": [short(271, 7)],
    "a maker as a fraction": [rational(271, 7, 1)], "a date as a number": [(306, 4, 1, struct.pack("<I", 7))],
    "software as a float": [(305, 11, 1, struct.pack("<f", 7.5))], "a resolution as text": [(282, 2, 3, b"72\0")],
    "a unit as a fraction": [rational(282, 72, 1), rational(296, 2, 0)],
    "a further directory outside": [(0x8769, 4, 1, struct.pack("<I", 99999))],
    "a further directory as text": [(0x8769, 2, 4, b"abc\0")], "an unknown type": [(305, 77, 1, b"abcd")],
    "letters of no alphabet": [(33432, 2, 4, b"\xff\xfe\xe9\0")],
}


def with_exif(kind: str, picture: Image.Image, data: bytes) -> bytes:
    memory = io.BytesIO()
    picture.save(memory, kind, **({"quality": 95} if kind == "JPEG" else {}))
    content = memory.getvalue()
    if kind == "JPEG":
        data = b"Exif\0\0" + data
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + content[2:]
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    start = content.index(b"IDAT") - 4
    return content[:start] + chunk + content[start:]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("entries", ODD.values(), ids=ODD)
def test_a_sideways_photo_is_turned_upright_whatever_else_its_metadata_say(kind, entries):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = 250
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright, 1)))  # orientation 6: to be turned to the right
    content = with_exif(kind, stored, directory([short(274, 6), *entries]))
    seen = np.asarray(read_picture(io.BytesIO(content)))
    assert seen.shape == upright.shape
    assert np.abs(seen.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("value", [short(274, 0), short(274, 99), rational(274, 6, 0), (274, 2, 4, b"abc\0")])
def test_an_orientation_that_means_nothing_is_none(value):
    content = with_exif("PNG", Image.fromarray(noise(8, 12, 3)), directory([value]))
    assert np.array_equal(read_picture(io.BytesIO(content)), noise(8, 12, 3))


# --- sources -------------------------------------------------------------------------------------------------

def test_a_stream_is_read_from_its_start_and_stays_open():
    memory = io.BytesIO()
    Image.fromarray(noise(32, 32, 3)).save(memory, "PNG")
    for _ in range(2):
        assert np.array_equal(network_input(memory, SPEC), noise(32, 32, 3))
    assert not memory.closed
    with pytest.raises(ImageError, match=r"io.BytesIO\(data\)"):
        network_input(memory.getvalue(), SPEC)
    with pytest.raises(ImageError, match="not a readable picture"):
        network_input(io.BytesIO(b"no picture"), SPEC)
    with pytest.raises(ImageError, match="not a readable picture"):
        network_input(io.StringIO("text"), SPEC)


def test_an_array_with_alpha_shows_the_background():
    pixels = np.dstack([noise(32, 32, 3), np.full((32, 32), 255, np.uint8)])
    pixels[:7, :, 3] = 0
    seen = network_input(pixels, SPEC)
    assert (seen[:7] == 128).all()
    assert np.array_equal(seen[7:], pixels[7:, :, :3])
    assert np.array_equal(fitted(pixels[None], SPEC)[0], seen)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_that_come_first_are_told_by_the_shape(channels):
    last = noise(32, 40, channels)
    first = np.moveaxis(last, -1, 0)
    assert np.array_equal(network_input(first, SPEC), network_input(last, SPEC))
    assert np.array_equal(fitted(first[None], SPEC), fitted(last[None], SPEC))
    assert np.array_equal(network_input(noise(3, 9, 3), SPEC), network_input(Image.fromarray(noise(3, 9, 3)), SPEC))


def test_tensors_are_taken_with_channels_first_or_last_and_refused_where_both_may_be():
    torch = pytest.importorskip("torch")
    last = torch.from_numpy(noise(40, 32, 3))
    expected = network_input(noise(40, 32, 3), SPEC)
    for tensor in (last, last.permute(2, 0, 1), last.permute(2, 0, 1).contiguous().requires_grad_(False)):
        assert np.array_equal(network_input(tensor, SPEC), expected)
    assert np.array_equal(network_input(torch.from_numpy(noise(28, 28)), SPEC), network_input(noise(28, 28), SPEC))
    with pytest.raises(ImageError, match="movedim"):
        network_input(torch.zeros(3, 40, 3, dtype=torch.uint8), SPEC)
    with pytest.raises(ImageError, match=r"in 0…1: \(x \* 255\).*in −1…1"):
        network_input(last / 255, SPEC)
    with pytest.raises(ImageError, match="bfloat16|torch.uint8"):
        network_input(last.to(torch.bfloat16), SPEC)


# --- samples of other widths ---------------------------------------------------------------------------------

def tiff(samples: np.ndarray, bits: int, *more: Entry) -> io.BytesIO:
    """A grey TIFF of unsigned samples in one strip; 12 bits are packed, two samples in three bytes."""
    if bits == 12:
        pairs = samples.reshape(-1, 2).astype(int)
        data = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255],
                        axis=1).astype(np.uint8).tobytes()
    else:
        data = samples.astype(f"<u{bits // 8}").tobytes()
    entries = [short(256, samples.shape[1]), short(257, samples.shape[0]), short(258, bits), short(259, 1),
               short(262, 1), (273, 4, 1, struct.pack("<I", 0)), short(277, 1), short(278, samples.shape[0]),
               (279, 4, 1, struct.pack("<I", len(data))), short(339, 1), *more]
    head = directory(entries)
    entries[5] = (273, 4, 1, struct.pack("<I", len(head)))
    return io.BytesIO(directory(entries) + data)


@pytest.mark.parametrize(("bits", "most", "more"), [
    (12, 4095, ()), (16, 65535, ()), (16, 4095, ()), (16, 1023, [short(281, 1023)]), (16, 4095, [short(281, 4095)]),
    (32, 65535, ()), (32, 4095, ()), (32, 255, ()), (32, 2**20 - 1, [(281, 4, 1, struct.pack("<I", 2**20 - 1))]),
])
def test_a_ramp_in_a_tiff_is_a_ramp_from_black_to_white(bits, most, more):
    ramp = np.linspace(0, most, 32).round().astype(np.int64)[None].repeat(32, 0)
    seen = np.asarray(read_picture(tiff(ramp, bits, *more)))
    assert np.abs(seen.astype(int) - np.linspace(0, 255, 32)).max() <= 1.01


@pytest.mark.parametrize("image", [
    Image.fromarray(np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)),
    Image.fromarray(np.linspace(0, 900, 64, dtype=np.float32).reshape(8, 8)),
    Image.fromarray(np.linspace(0, 2e6, 64).astype(np.int32).reshape(8, 8)),
    Image.fromarray(np.linspace(-5, 200, 64).astype(np.int32).reshape(8, 8)),
], ids=["floats of -1 to 1", "floats of 0 to 900", "integers of 0 to 2e6", "integers below 0"])
def test_samples_whose_scale_nobody_states_are_refused_with_the_line_to_write(image):
    with pytest.raises(ImageError, match=r"numpy.asarray\(image, float\)"):
        read_picture(image)
    x = np.asarray(image, float)
    assert read_picture(((x - x.min()) / (x.max() - x.min()) * 255).astype("uint8")).size == (8, 8)


# --- large pictures ------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "size"), [("JPEG", (6000, 4000)), ("PNG", (5000, 4000))])
def test_a_large_picture_is_kept_small_and_upright(kind, size):
    picture = Image.new("RGB", size, (10, 200, 30))
    picture.paste((250, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    content = with_exif(kind, picture, directory([short(274, 6)]))
    seen = read_picture(io.BytesIO(content))
    assert seen.width * seen.height <= MAX_KEPT
    assert seen.width / seen.height == pytest.approx(size[1] / size[0], rel=0.01)
    quarter = np.asarray(seen.resize((4, 4), Image.BOX)).astype(int)
    assert np.abs(quarter[:2, 2:] - (250, 0, 0)).max() <= 3  # turned to the right
    assert np.abs(quarter[2:] - (10, 200, 30)).max() <= 3


def test_a_photo_of_108_megapixels_takes_little_memory(tmp_path):
    Image.new("RGB", (12000, 9000), (90, 90, 90)).save(tmp_path / "large.jpg")
    code = ("import resource, sys, warnings; warnings.simplefilter('ignore')\n"
            "from pynq_bnn.pictures.reading import read_picture\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "print(read_picture(sys.argv[1]).size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "large.jpg")], capture_output=True, text=True,
                          check=True)
    kilobytes = int(done.stdout.split()[-1])
    assert kilobytes * (1 if sys.platform != "darwin" else 1 / 1024) < 150_000, done.stdout
    assert resource.RLIMIT_AS  # the figure above is that of Unix systems


def test_more_pixels_than_pillow_decodes_are_refused_with_advice(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    memory = io.BytesIO()
    Image.new("RGB", (1600, 1600)).save(memory, "PNG")
    with pytest.raises(ImageError, match="more than 2 megapixels.*save it smaller"):
        read_picture(memory)
