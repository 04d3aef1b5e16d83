"""The container of a bitstream: what is written is read, and nothing damaged or foreign is."""

import struct
from pathlib import Path

import numpy as np
import pytest
from flows.bits import bitfile
from flows.bits.bitfile import make_bit, parse_bit, read_bit
from flows.bits.crc import crc_of
from flows.bits.frames import WORDS, ecc, frame_addresses, with_ecc
from flows.device import load_device

from pynq_bnn.errors import PynqBnnError


@pytest.fixture(scope="module")
def part():
    return load_device().part


@pytest.fixture(scope="module")
def frames(part):
    data = np.random.default_rng(1).integers(0, 1 << 32, (len(frame_addresses(part)), WORDS), dtype=np.uint32)
    return with_ecc(data)


@pytest.fixture(scope="module")
def written(frames):
    return make_bit(frames)


def slow_crc(register, words, state=0):
    for word in words:
        for bit in range(37):
            value = (register << 32 | int(word)) >> bit & 1
            state = state >> 1 ^ (0x82F63B78 if (state ^ value) & 1 else 0)
    return state


@pytest.mark.parametrize("count", [1, 2, 2047, 2048, 5001])
def test_the_checksum_of_many_words_is_that_of_one_after_the_other(count):
    words = np.random.default_rng(count).integers(0, 1 << 32, count, dtype=np.uint32)
    assert crc_of(2, words, 0x1234) == slow_crc(2, words, 0x1234)


def test_the_code_of_a_frame_shows_every_flipped_bit():
    frame = with_ecc(np.random.default_rng(2).integers(0, 1 << 32, (1, WORDS), dtype=np.uint32))
    flipped = np.repeat(frame, 32 * WORDS, axis=0)
    for bit in range(32 * WORDS):
        flipped[bit, bit // 32] ^= np.uint32(1 << bit % 32)
    assert (ecc(flipped) != flipped[:, 50] & 0x1FFF).all()
    assert len(set((ecc(flipped) ^ flipped[:, 50] & 0x1FFF).tolist())) == 32 * WORDS  # each has a syndrome of its own


def test_frames_are_read_as_they_were_written(part, frames, written):
    found = parse_bit(written, part)
    assert np.array_equal(found.frames, frames)
    assert (found.part, found.checked) == ("7z020clg400", True)
    assert make_bit(found.frames) == written


def with_word(data, number, value):
    """Word ``number`` after the synchronization word replaced."""
    place = data.index(bytes.fromhex("aa995566")) + 4 * (number + 1)
    return data[:place] + struct.pack(">I", value) + data[place + 4:]


def test_a_file_that_is_cut_off_is_refused(part, written):
    with pytest.raises(PynqBnnError, match="cut off or something was appended"):
        parse_bit(written[:-4], part)
    with pytest.raises(PynqBnnError, match="header of this .bit file is damaged or cut off"):
        parse_bit(written[:40], part)


def test_what_is_no_bit_file_is_refused(part, written, tmp_path):
    for data in (b"", b"text", written[len(bitfile._MAGIC):]):
        with pytest.raises(PynqBnnError, match="is no .bit file"):
            parse_bit(data, part)
    with pytest.raises(PynqBnnError, match=r"nothing\.bit cannot be read"):
        read_bit(tmp_path / "nothing.bit", part)


# Places of words after the synchronization word, as the packets are written.
IDCODE, CTL0, FIRST_FRAME, CHECKSUM = 19, 26, 46, 1010855


def test_another_device_is_refused(part, written):
    with pytest.raises(PynqBnnError, match="is for another device"):
        parse_bit(with_word(written, IDCODE, 0x03722093), part)


def test_a_damaged_frame_a_damaged_checksum_and_a_frame_without_its_code_are_refused(part, frames, written):
    with pytest.raises(PynqBnnError, match="checksum is .* the file is damaged"):
        parse_bit(with_word(written, FIRST_FRAME + 5000, 1), part)
    with pytest.raises(PynqBnnError, match="checksum is"):
        parse_bit(with_word(written, CHECKSUM, 0), part)
    changed = frames.copy()
    changed[7, 3] ^= np.uint32(4)
    data = make_bit(frames)
    body = np.array(bitfile._packets(changed), np.uint32)
    start = FIRST_FRAME + 1 + 7 * WORDS
    body[start:start + WORDS] = changed[7]  # as a tool would that knows nothing of the code
    crc = slow_free_crc(body)
    body[CHECKSUM + 1] = crc
    place = data.index(bytes.fromhex("aa995566"))
    with pytest.raises(PynqBnnError, match="1 frames, the first being number 7, do not fit"):
        parse_bit(data[:place] + body.astype(">u4").tobytes(), part)


def slow_free_crc(body):
    """The checksum that belongs behind the frames of a row of packets."""
    crc = 0
    for register, words in bitfile._writes(body[1:CHECKSUM]):
        crc = 0 if register == bitfile.CMD and words[0] == 7 else crc_of(register, words, crc)
    return crc


def test_encrypted_compressed_and_partial_ones_are_refused(part, written):
    with pytest.raises(PynqBnnError, match="encrypted"):
        parse_bit(with_word(with_word(written, CTL0 - 2, 0x441), CTL0, 0x541), part)
    multiple = 0x3000_0000 | bitfile.MFWR << 13 | 1
    with pytest.raises(PynqBnnError, match="compressed"):
        parse_bit(with_word(written, CTL0 - 1, multiple), part)
    short = {"global_clock_regions": {"top": part["global_clock_regions"]["top"]}}
    with pytest.raises(PynqBnnError, match="does not write all"):
        parse_bit(written, short)


def test_the_overlay_that_ships_is_written_again_byte_for_byte(part):
    place = Path(__file__).parents[2] / "overlays" / "pynq-bnn.bit"
    assert make_bit(read_bit(place, part).frames) == place.read_bytes()
