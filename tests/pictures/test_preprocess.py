"""Any picture becomes the stated pixels, and anything else one ImageError."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from pynq_bnn.errors import ImageError
from pynq_bnn.network.spec import FITS, InputSpec, signed_codes
from pynq_bnn.pictures.preprocess import network_input, read_picture, seen_box

FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow,
                                                                       HealthCheck.function_scoped_fixture])


def spec(height=32, width=32, channels=3, fit="letterbox", background=128):
    return InputSpec(height, width, channels, signed_codes(), fit=fit, background=background)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def smooth(height: int = 48, width: int = 64) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([y * 4, x * 3, y + x], axis=-1).astype(np.uint8))


def write(tmp_path, content: bytes, name: str = "picture.dat") -> str:
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


def png(width: int, height: int, depth: int, color: int, rows: bytes, extra: tuple = ()) -> bytes:
    """A PNG put together by hand from its specification."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunk(*part) for part in extra)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


# --- files that are no pictures ----------------------------------------------------------------------------

def broken_files() -> dict[str, bytes]:
    jpeg, png_file = encoded(smooth(), "JPEG"), encoded(smooth(), "PNG")
    return {
        "empty": b"", "text": b"This is no picture.\n" * 50, "one byte": b"\xff", "zip": b"PK\x03\x04" + b"\0" * 200,
        "half a JPEG": jpeg[:len(jpeg) // 2], "the head of a JPEG": jpeg[:100], "a JPEG's magic": jpeg[:3],
        "half a PNG": png_file[:len(png_file) // 2], "the head of a PNG": png_file[:40],
        "half a GIF": encoded(smooth(), "GIF")[:900], "half a BMP": encoded(smooth(), "BMP")[:500],
        "half a TIFF": encoded(smooth(), "TIFF")[:500], "PNG of 0 by 0": png(0, 0, 8, 2, b""),
        "PNG that claims 100000 by 100000": png(100_000, 100_000, 8, 2, b"\0" * 1000),
        "GIF that claims 65535 by 65535": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + b"\0" * 6
        + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00;",
    }


@pytest.mark.parametrize(("name", "content"), broken_files().items(), ids=broken_files())
def test_a_file_that_is_no_whole_picture_is_refused_and_named(tmp_path, name, content):
    path = write(tmp_path, content, "holiday.jpg")
    with pytest.raises(ImageError, match="holiday.jpg") as caught:
        network_input(path, spec())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", range(0, 700, 37))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path, kind, cut):
    content = encoded(Image.fromarray(noise(24, 24, 3)), kind)
    with pytest.raises(ImageError):
        network_input(write(tmp_path, content[:cut]), spec())


def test_a_folder_a_missing_file_and_an_impossible_name_are_refused_by_name(tmp_path):
    with pytest.raises(ImageError, match="folder"):
        network_input(tmp_path, spec())
    with pytest.raises(ImageError, match="gone.png.*no such file"):
        network_input(tmp_path / "gone.png", spec())
    for name in ("x" * 5000, "nul\0byte.png", "", "two\nlines.png"):
        with pytest.raises(ImageError) as caught:
            network_input(name, spec())
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("thing", [None, 5, b"bytes.png", [[1, 2]], io.BytesIO(), object()])
def test_other_types_are_refused_and_the_type_named(thing):
    with pytest.raises(ImageError, match=type(thing).__name__):
        network_input(thing, spec())


def test_a_closed_pil_image_is_refused(tmp_path):
    path = write(tmp_path, encoded(smooth(), "PNG"))
    with Image.open(path) as lazily_opened:
        pass
    closed = Image.new("RGB", (4, 4))
    closed.close()
    for image in (lazily_opened, closed):
        with pytest.raises(ImageError):
            network_input(image, spec())


# --- modes and formats -------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "TGA"])
def test_a_lossless_format_gives_the_very_pixels(tmp_path, kind):
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    pixels = noise(32, 32, 3) // 51 * 51  # 216 colours, so that a GIF palette holds them
    image = Image.fromarray(pixels)
    if kind == "GIF":
        image = image.quantize(256, Image.FASTOCTREE)
        pixels = np.asarray(image.convert("RGB"))
    path = write(tmp_path, encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    assert np.array_equal(network_input(path, spec()), pixels)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_close_to_the_picture(tmp_path, mode):
    picture = smooth(32, 32)
    path = write(tmp_path, encoded(picture.convert(mode), "JPEG", quality=98))
    expected = np.asarray(picture.convert("L").convert("RGB") if mode == "L" else picture, int)
    assert np.abs(network_input(path, spec()) - expected).mean() < 4


@pytest.mark.parametrize("background", [0, 128, 255])
def test_transparency_shows_the_background(tmp_path, background):
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, :8] = (200, 10, 30, 255)
    pixels[:, 8:16] = (200, 10, 30, 0)
    pixels[:, 16:] = (200, 10, 30, 51)
    seen = network_input(write(tmp_path, encoded(Image.fromarray(pixels), "PNG")), spec(background=background))
    blend = [round(c * 0.2 + background * 0.8) for c in (200, 10, 30)]
    assert seen[5, 3].tolist() == [200, 10, 30]
    assert seen[5, 12].tolist() == [background] * 3
    assert np.abs(seen[5, 20].astype(int) - blend).max() <= 1


def test_grey_with_alpha_shows_the_background():
    pixels = np.dstack([noise(32, 32), np.full((32, 32), 255, np.uint8)])
    pixels[:5, :, 1] = 0
    seen = network_input(Image.fromarray(pixels, "LA"), spec(channels=1, background=77))
    assert (seen[:5] == 77).all()
    assert np.abs(seen[5:, :, 0].astype(int) - pixels[5:, :, 0]).max() <= 1


def test_a_palette_with_a_transparent_colour_shows_the_background(tmp_path):
    indices = np.zeros((32, 32), np.uint8)
    indices[:, 16:] = 1
    image = Image.fromarray(indices, "P")
    image.putpalette([255, 0, 0, 0, 255, 0] + [0] * 762)
    for kind in ("PNG", "GIF"):
        seen = network_input(write(tmp_path, encoded(image, kind, transparency=1)), spec(background=9))
        assert seen[0, 0].tolist() == [255, 0, 0], kind
        assert seen[0, 31].tolist() == [9, 9, 9], kind


def test_rgb_and_grey_pngs_with_one_transparent_colour_show_the_background(tmp_path):
    rgb = Image.new("RGB", (32, 32), (1, 2, 3))
    assert (network_input(write(tmp_path, encoded(rgb, "PNG", transparency=(1, 2, 3))), spec()) == 128).all()
    grey = Image.new("L", (32, 32), 40)
    assert (network_input(write(tmp_path, encoded(grey, "PNG", transparency=40)), spec(channels=1)) == 128).all()


def test_16_bit_grey_keeps_the_upper_8_bits(tmp_path):
    values = np.linspace(0, 65535, 32 * 32).astype(">u2").reshape(32, 32)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    seen = network_input(write(tmp_path, png(32, 32, 16, 0, rows)), spec(channels=1))
    assert np.array_equal(seen[:, :, 0], values.astype(int) >> 8)


def test_16_bit_colour_is_close_to_the_upper_8_bits(tmp_path):
    values = np.random.default_rng(2).integers(0, 65536, (32, 32, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    seen = network_input(write(tmp_path, png(32, 32, 16, 2, rows)), spec())
    assert np.abs(seen.astype(int) - (values.astype(int) >> 8)).max() <= 1


def test_wide_and_float_samples_of_8_bit_range_stay(tmp_path):
    values = noise(32, 32)
    for dtype in (np.int32, np.float32):
        seen = network_input(Image.fromarray(values.astype(dtype)), spec(channels=1))
        assert np.array_equal(seen[:, :, 0], values), dtype


def test_float_samples_that_are_no_numbers_give_some_picture_without_a_warning():
    values = np.full((32, 32), np.nan, np.float32)
    values[0] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert network_input(Image.fromarray(values), spec(channels=1)).shape == (32, 32, 1)


def test_1_bit_pictures_are_black_and_white(tmp_path):
    bits = noise(32, 32) > 127
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    seen = network_input(write(tmp_path, png(32, 32, 1, 0, rows)), spec(channels=1))
    assert np.array_equal(seen[:, :, 0], np.where(bits, 255, 0))


def test_of_an_animated_file_the_first_frame_is_seen(tmp_path):
    frames = [Image.new("RGB", (32, 32), color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    path = write(tmp_path, encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert (network_input(path, spec()) == [255, 0, 0]).all()
    with Image.open(path) as opened:
        opened.seek(2)
        assert (network_input(opened, spec()) == [0, 0, 255]).all(), "a PIL image shows its present frame"
        assert opened.tell() == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = noise(32, 32, 3)
    # How the camera stored it (EXIF 2.3, tag 274): the inverse of what a viewer has to do.
    stored = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
              5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
              8: lambda a: np.rot90(a, -1)}[orientation](upright)
    exif = Image.Exif()
    exif[274] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert np.array_equal(network_input(write(tmp_path, content), spec()), upright)


# --- arrays ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pixels", [
    np.zeros((32, 32, 3)), np.zeros((32, 32), np.float32), np.zeros((32, 32, 3), np.int16), np.zeros((8, 8), bool),
    np.zeros((8, 8), object), np.zeros((8, 8), "U3"),
], ids=lambda a: str(a.dtype))
def test_an_array_of_another_type_is_refused_and_the_type_named(pixels):
    with pytest.raises(ImageError, match=str(pixels.dtype)):
        network_input(pixels, spec())


@pytest.mark.parametrize("shape", [(), (32,), (32, 32, 2), (32, 32, 5), (2, 32, 32), (1, 32, 32, 3), (0, 5), (5, 0),
                                   (0, 5, 3), (5, 0, 1), (5, 5, 0), (0, 0, 3)])
def test_an_array_of_another_shape_is_refused_and_the_shape_named(shape):
    with pytest.raises(ImageError) as caught:
        network_input(np.zeros(shape, np.uint8), spec())
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("layout", ["plain", "fortran", "reversed", "every second", "read-only"])
def test_a_picture_of_the_network_s_size_is_taken_pixel_for_pixel(layout):
    pixels = noise(20, 12, 3)
    given_array = {"plain": pixels, "fortran": np.asfortranarray(pixels),
                   "reversed": np.ascontiguousarray(pixels[::-1])[::-1],
                   "every second": np.repeat(pixels, 2, axis=1)[:, ::2], "read-only": pixels.copy()}[layout]
    given_array.setflags(write=layout != "read-only")
    for fit in FITS:
        seen = network_input(given_array, spec(20, 12, fit=fit))
        assert seen.dtype == np.uint8
        assert np.array_equal(seen, pixels), fit
    assert np.array_equal(network_input(Image.fromarray(pixels), spec(20, 12)), pixels)


def test_grey_arrays_of_two_and_three_dimensions_are_alike_and_become_rgb_by_repetition():
    pixels = noise(32, 32)
    for array in (pixels, pixels[:, :, None]):
        assert np.array_equal(network_input(array, spec(channels=1)), pixels[:, :, None])
        assert np.array_equal(network_input(array, spec()), np.repeat(pixels[:, :, None], 3, axis=2))


def test_colour_becomes_grey_by_itu_601_luma():
    pixels = noise(32, 32, 3)
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(network_input(pixels, spec(channels=1))[:, :, 0] - luma).max() <= 1


# --- geometry ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("height", "width", "rows", "columns"), [
    (50, 100, (8, 24), (0, 32)), (100, 50, (0, 32), (8, 24)), (8, 32, (12, 20), (0, 32)),
    (300, 100, (0, 32), (10, 21)), (64, 64, (0, 32), (0, 32)), (5, 5, (0, 32), (0, 32)),
])
def test_letterbox_centres_the_whole_picture_between_bars_of_background(height, width, rows, columns):
    picture = np.full((height, width, 3), (250, 20, 90), np.uint8)
    seen = network_input(picture, spec(background=37))
    inside = np.zeros((32, 32), bool)
    inside[slice(*rows), slice(*columns)] = True
    assert (seen[inside] == (250, 20, 90)).all()
    assert (seen[~inside] == 37).all()


def test_letterbox_keeps_all_four_corners():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:25, :25], picture[:25, -25:], picture[-25:, :25], picture[-25:, -25:] = 60, 120, 180, 240
    seen = network_input(picture, spec())[:, :, 0]
    corners = [int(seen[y, x]) for y, x in ((9, 1), (9, 30), (22, 1), (22, 30))]
    assert np.abs(np.subtract(corners, [60, 120, 180, 240])).max() <= 8  # the filter rings a little


@pytest.mark.parametrize(("height", "width"), [(64, 192), (192, 64)])
def test_crop_cuts_out_the_middle(height, width):
    picture = np.full((height, width, 3), 10, np.uint8)
    picture[(height - 64) // 2:(height + 64) // 2, (width - 64) // 2:(width + 64) // 2] = 200
    seen = network_input(picture, spec(fit="crop"))
    assert (seen[4:-4, 4:-4] == 200).all()
    assert np.abs(seen.astype(int) - 200).max() <= 15  # the filter rings a little at the cut


def test_stretch_ignores_the_aspect():
    picture = np.zeros((64, 256, 3), np.uint8)
    picture[:32, :128], picture[32:, 128:] = 100, 200
    seen = network_input(picture, spec(fit="stretch"))[:, :, 0]
    assert (seen[:13, :13] == 100).all()
    assert (seen[19:, 19:] == 200).all()
    assert (seen[:13, 19:] == 0).all()


def test_extend_repeats_the_border_on_both_sides_of_either_axis():
    rng = np.random.default_rng(3)
    for channels in (1, 3):
        wide = rng.integers(0, 256, (16, 32, channels), dtype=np.uint8)
        seen = network_input(wide, InputSpec(32, 32, channels, signed_codes(), fit="extend"))
        assert np.array_equal(seen[8:24], wide)
        assert (seen[:8] == wide[0]).all()
        assert (seen[24:] == wide[-1]).all()
        tall = network_input(wide.transpose(1, 0, 2), InputSpec(32, 32, channels, signed_codes(), fit="extend"))
        assert np.array_equal(tall, seen.transpose(1, 0, 2))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1, 2000), (2000, 1), (1, 1), (3, 1999), (1, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_aspect_ratio_is_too_extreme(fit, size, channels):
    seen = network_input(noise(*size, 3), spec(20, 32, channels, fit))
    assert seen.shape == (20, 32, channels)
    assert seen.dtype == np.uint8


# --- digits ------------------------------------------------------------------------------------------------

def stroke(height: int, width: int, box: tuple[int, int, int, int], ink: int, paper: int) -> np.ndarray:
    page = np.full((height, width), paper, np.uint8)
    top, left, bottom, right = box
    page[top:bottom, left:right] = ink
    return page


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (40, 200), (90, 160), (255, 0), (200, 40)])
def test_a_digit_becomes_light_on_dark_centred_and_20_of_28_high(ink, paper):
    page = stroke(300, 200, (20, 30, 140, 70), ink, paper)  # upper left, 120 high, 40 wide
    seen = network_input(page, spec(28, 28, 1, "digit"))[:, :, 0].astype(float)
    ys, xs = np.nonzero(seen > 127)
    assert seen.max() > 240
    assert (seen[0].max(), seen[:, 0].max(), seen[-1].max(), seen[:, -1].max()) == (0, 0, 0, 0)
    assert abs(ys.max() - ys.min() + 1 - 20) <= 1
    assert abs(xs.max() - xs.min() + 1 - 20 / 3) <= 1.5
    centre = (seen.sum(1) @ np.arange(28) / seen.sum(), seen.sum(0) @ np.arange(28) / seen.sum())
    assert max(abs(c - 13.5) for c in centre) <= 0.75


def test_a_digit_is_centred_by_its_mass_not_its_box():
    page = stroke(200, 200, (50, 50, 150, 70), 0, 255)
    page[130:150, 50:110] = 0  # an L: more ink at the lower left
    seen = network_input(page, spec(28, 28, 1, "digit"))[:, :, 0].astype(float)
    centre = (seen.sum(1) @ np.arange(28) / seen.sum(), seen.sum(0) @ np.arange(28) / seen.sum())
    assert max(abs(c - 13.5) for c in centre) <= 0.75


@pytest.mark.parametrize("grey", [0, 100, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_blank_page_gives_zeros(grey, channels):
    assert not network_input(np.full((100, 70), grey, np.uint8), spec(28, 28, channels, "digit")).any()


@pytest.mark.parametrize("grey", [3, 128, 240])
def test_a_blank_page_with_the_noise_of_a_camera_gives_zeros(grey):
    page = grey + np.random.default_rng(grey).integers(-3, 4, (100, 70))
    assert not network_input(page.astype(np.uint8), spec(28, 28, 1, "digit")).any()


# --- fuzzing -----------------------------------------------------------------------------------------------

def see_or_refuse(path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata
        try:
            seen = network_input(path, spec())
        except ImageError:
            return
    assert seen.shape == (32, 32, 3)
    assert seen.dtype == np.uint8


MAGICS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*",
          b"RIFF\x20\0\0\0WEBPVP8 ", b"P6 ", b"8BPS\0\x01", b"\0\0\x01\0\x01\0", b"icns", b"DDS ",
          b"\x0a\x05\x01\x08", b"qoif", b"farbfeld",
          b"\0\0\0\x0cjP  \r\n\x87\n", b"SIMPLE  =", b"%!PS-Adobe", b"\xc5\xd0\xd3\xc6", b"\x01\xda", b"Y\xa6j\x95"]


@FUZZ
@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_image_errors(tmp_path, magic, content):
    see_or_refuse(write(tmp_path, magic + content))


def whole_files() -> dict[str, bytes]:
    picture, options = smooth(20, 24), {"TIFF": {"compression": "tiff_lzw"}}
    exif = Image.Exif()
    exif[274], exif[271] = 6, "camera"
    kinds = ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "TGA", "ICO", "PPM", "PCX"]
    kinds = [kind for kind in kinds if kind != "WEBP" or features.check("webp")]
    files = {kind: encoded(picture, kind, **options.get(kind, {})) for kind in kinds}
    files["JPEG with EXIF"] = encoded(picture, "JPEG", exif=exif, progressive=True)
    files["PNG palette"] = encoded(picture.quantize(16), "PNG", transparency=1, exif=exif)
    files["GIF animated"] = encoded(picture, "GIF", save_all=True, append_images=[picture.rotate(90)])
    return files


WHOLE = whole_files()


@FUZZ
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_flipped_bytes_in_a_picture_raise_nothing_but_image_errors(tmp_path, kind, data):
    content = bytearray(WHOLE[kind])
    near_the_start = st.integers(0, min(len(content), 120) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(near_the_start, st.integers(0, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    see_or_refuse(write(tmp_path, bytes(content)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_random_damage_to_a_picture_raises_nothing_but_image_errors(tmp_path, kind, seed):
    rng = np.random.default_rng(seed)
    for trial in range(15):
        content = np.frombuffer(WHOLE[kind], np.uint8).copy()
        places = rng.integers(0, len(content) if trial % 2 else min(len(content), 150), rng.integers(1, 6))
        content[places] = rng.integers(0, 256, len(places))
        try:
            see_or_refuse(write(tmp_path, content.tobytes()))
        except Exception as error:
            pytest.fail(f"seed {seed}, trial {trial}, {kind}: {error!r}")


def test_read_picture_gives_rgb_or_grey():
    assert read_picture(Image.new("CMYK", (4, 4))).mode == "RGB"
    assert read_picture(Image.new("L", (4, 4))).mode == "L"
    assert read_picture(Image.new("1", (4, 4))).mode == "L"
    for mode in ("HSV", "YCbCr", "RGBX", "PA", "La", "RGBa", "I;16", "I;16B", "LAB"):
        try:
            assert read_picture(Image.new(mode, (4, 4))).mode in ("RGB", "L"), mode
        except ImageError:
            assert mode in ("LAB", "La")  # Pillow does not convert these


# --- the part that is seen ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("size", "expected"), [((80, 60), (10, 0, 70, 60)), ((60, 81), (0, 10, 60, 70)),
                                                ((32, 32), (0, 0, 32, 32)), ((5, 5), (0, 0, 5, 5))])
def test_crop_sees_the_middle_and_nothing_far_outside_it(size, expected):
    picture = noise(size[1], size[0], 3)
    box = seen_box(picture, spec(fit="crop"))
    assert box == expected
    left, top, right, bottom = box
    other = noise(size[1], size[0], 3, seed=1)
    margin = 6  # the filter of the reduction reaches a little over the edge
    inner = (slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin))
    other[inner] = picture[inner]
    assert np.array_equal(network_input(picture, spec(fit="crop")), network_input(other, spec(fit="crop")))
    picture[top:bottom, left:right] = 255 - picture[top:bottom, left:right]
    assert not np.array_equal(network_input(picture, spec(fit="crop")), network_input(other, spec(fit="crop")))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 1999), (1409, 1151)])
def test_what_is_seen_lies_inside_the_picture_and_is_something(fit, size):
    left, top, right, bottom = seen_box(noise(*size, 3), spec(20, 32, 1, fit))
    assert 0 <= left < right <= size[1]
    assert 0 <= top < bottom <= size[0]


@pytest.mark.parametrize("fit", ["letterbox", "extend", "stretch"])
def test_the_other_rules_see_all(fit):
    assert seen_box(noise(60, 80, 3), spec(fit=fit)) == (0, 0, 80, 60)


def test_digit_sees_the_ink():
    page = np.full((100, 90), 250, np.uint8)
    page[20:70, 30:42] = 10
    digits = spec(28, 28, 1, "digit", 0)
    assert seen_box(page, digits) == (30, 20, 42, 70)
    assert seen_box(np.full((50, 40), 250, np.uint8), digits) == (0, 0, 40, 50)
