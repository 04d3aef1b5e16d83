"""The last value that each limit of FORMAT.md lets through, and the first that it does not."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest

from pynq_bnn.errors import NetworkError, NetworkFileError
from pynq_bnn.network import (
    BinConv,
    BinFc,
    ByteCodes,
    FpConv,
    InputSpec,
    Network,
    OutputSpec,
    Scores,
    one_bit_codes,
    read_network,
    signed_codes,
    write_network,
)


def zeros(count):
    return np.zeros(count, np.int32), np.zeros(count, bool)


def output(count=2, **values):
    return OutputSpec(tuple(f"c{i}" for i in range(count)), np.ones(count), np.zeros(count), **values)


def small(**changes):
    """A network of one layer on 2×2 grey pixels."""
    return Network(**{"name": "small", "input": InputSpec(2, 2, 1, signed_codes()),
                      "layers": (Scores(np.ones((2, 4), np.uint8)),), "output": output(), **changes})


def framed(content, header, data):
    """A file of the version of ``content``, with right lengths and a right checksum around another header."""
    text = json.dumps(header).encode()
    body = content[:12] + struct.pack("<IQ", len(text), len(data)) + text + data
    return body + hashlib.sha256(body).digest()


def parts(content):
    size, = struct.unpack_from("<I", content, 12)
    return json.loads(content[24:24 + size]), content[24 + size:-32]


# --- records ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [
    lambda: output(1024),
    lambda: output(native_div=2**15, native_add=2**24),
    lambda: output(native_add=-2**24),
    lambda: output(temperature=1e-6),
    lambda: output(temperature=1e6),
    lambda: OutputSpec(("a", "b"), np.array([1e20, -1e20]), np.array([-1e20, 1e20])),
    lambda: output(decision="highest_bit", class_thresholds=np.array([-2**31, 2**31 - 1])),
    lambda: InputSpec(4096, 1, 1, signed_codes(), background=0),
    lambda: InputSpec(1, 4096, 3, signed_codes(), background=255),
    lambda: InputSpec(1, 1, 1, ByteCodes([-128, *[127] * 255])),
    lambda: InputSpec(1, 1, 1, ByteCodes([0, *[255] * 255])),
    lambda: Scores(np.zeros((65536, 1), np.uint8)),
    lambda: BinFc(np.zeros((2, 9), np.uint8), np.array([-2**24, 2**24]), np.zeros(2, bool)),
    lambda: BinConv(np.zeros((1, 7, 7, 1), np.uint8), *zeros(1), padding=6),
])
def test_the_outermost_values_are_accepted(make):
    make()


@pytest.mark.parametrize(("make", "says"), [
    (lambda: output(native_div=2**15 + 1), "native_div 32769"),
    (lambda: output(native_add=-2**24 - 1), "native_add"),
    (lambda: output(temperature=0.99e-6), "temperature"),
    (lambda: output(temperature=1.01e6), "temperature"),
    (lambda: OutputSpec(("a",), np.array([1.01e20]), np.zeros(1)), "scale"),
    (lambda: OutputSpec(("a",), np.ones(1), np.array([-1.01e20])), "offset"),
    (lambda: output(decision="highest_bit", class_thresholds=np.array([-2**31 - 1, 0])), "class_thresholds"),
    (lambda: InputSpec(4097, 1, 1, signed_codes()), "input size"),
    (lambda: InputSpec(1, 0, 1, signed_codes()), "input size"),
    (lambda: InputSpec(1, 1, 4, signed_codes()), "channels"),
    (lambda: InputSpec(1, 1, 1, signed_codes(), background=-1), "background"),
    (lambda: InputSpec(1, 1, 1, ByteCodes([-129, *[127] * 255])), "codes"),
    (lambda: BinFc(np.zeros((1, 9), np.uint8), np.array([-2**24 - 1]), np.zeros(1, bool)), "thresholds"),
])
def test_the_next_values_are_refused_by_name(make, says):
    with pytest.raises(NetworkError, match=says):
        make()


@pytest.mark.parametrize("size", [(2, 9), (9, 2)])
def test_a_pool_that_is_higher_or_wider_than_its_map_is_refused(size):
    layer = BinConv(np.zeros((1, 1, 1, 1), np.uint8), *zeros(1), pool=4)
    with pytest.raises(NetworkError, match="does not fit a map"):
        layer.output_shape((*size, 1))
    assert layer.output_shape((4, 9, 1)) == (1, 2, 1)


def test_a_map_of_exactly_the_largest_size_is_accepted():
    """64 channels of 1024×1024 are 2²⁶ values; an 8×8 map of them follows by strides and pools."""
    layers = [FpConv(np.zeros((64, 1, 1, 1), np.uint8), *zeros(64))]
    layers += [BinConv(np.zeros((1, 1, 1, c), np.uint8), *zeros(1), stride=2, pool=4) for c in (64, 1)]
    network = Network("t", InputSpec(1024, 1024, 1, signed_codes()), (*layers, Scores(np.zeros((2, 256), np.uint8))),
                      output())
    assert [node.input.shape for node in network.nodes][1] == (1024, 1024, 64)


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x00", "\x1b", "\x7f", "\x85", "\u200e", "\ufeff",
                                       "\udc80"])
def test_no_name_holds_what_ends_or_turns_a_line(character):
    with pytest.raises(NetworkError, match="rename it") as caught:
        OutputSpec((f"a{character}b",), np.ones(1), np.ones(1))
    assert str(caught.value).isprintable()
    with pytest.raises(NetworkError, match="rename it"):
        small(name=f"a{character}b")


def test_padding_with_ones_is_refused_in_the_first_layer_alone():
    def network(pad_value, first):
        convs = [BinConv(np.zeros((1, 3, 3, 1), np.uint8), *zeros(1), padding=1,
                         pad_value=pad_value if (number == 0) == first else "zero") for number in range(2)]
        return Network("t", InputSpec(4, 4, 1, one_bit_codes()), (*convs, Scores(np.zeros((2, 16), np.uint8))),
                       output())

    assert network("one", first=False).layers[1].pad_value == "one"
    with pytest.raises(NetworkError, match=r"layer 0 .*padding with \+1"):
        network("one", first=True)


def test_records_are_themselves_in_sets_and_no_two_are_equal():
    one, other = small(), small()
    assert len({one, other, one}) == 2
    assert one == one
    assert one != other
    assert len({one.input, one.output, *one.layers, other.input, other.output, *other.layers}) == 6
    convolutions = [kind(np.ones((1, 1, 1, 1), np.uint8), *zeros(1)) for kind in (FpConv, FpConv, BinConv, BinConv)]
    assert len({*convolutions, *convolutions}) == 4


# --- files --------------------------------------------------------------------------------------------------

def test_a_header_of_exactly_a_mebibyte_is_written_and_read_and_one_byte_more_is_not():
    empty, = struct.unpack_from("<I", write_network(small(provenance={"note": ""})), 12)
    full = small(provenance={"note": "x" * (2**20 - empty)})
    content = write_network(full)
    assert struct.unpack_from("<I", content, 12) == (2**20,)
    assert read_network(content).provenance == full.provenance
    with pytest.raises(NetworkError, match="a header of 1048577"):
        write_network(small(provenance={"note": "x" * (2**20 - empty + 1)}))


@pytest.mark.parametrize("place", range(8))
def test_another_magic_under_a_right_checksum_is_refused(place):
    body = bytearray(write_network(small())[:-32])
    body[place] ^= 1
    with pytest.raises(NetworkFileError, match=r"not a \.bnn file"):
        read_network(bytes(body) + hashlib.sha256(body).digest())


@pytest.mark.parametrize("name", ["layers.0.weights", "input.codes", "output.scale"])
@pytest.mark.parametrize("axis", [0, -1])
def test_an_array_without_elements_is_refused_by_name(name, axis):
    content = write_network(small())
    header, data = parts(content)
    sizes = {"b1": 1 / 8, "i2": 2, "f4": 4}
    offset = 0
    for entry in header["arrays"]:
        rows, columns = entry["shape"][0], int(np.prod(entry["shape"][1:]))
        length = rows * -(-columns // 8) if entry["type"] == "b1" else int(rows * columns * sizes[entry["type"]])
        if entry["name"] == name:
            entry["shape"][axis] = 0
            data = data[:offset] + data[offset + length:]
            break
        offset += length
    with pytest.raises(NetworkFileError, match=f"array '{name}' has the shape"):
        read_network(framed(content, header, data))


@pytest.mark.parametrize("shape", [[], [2, 2, 1, 1, 1], [True, 4], [2, 4.0], [2, "4"], [-2, -4], [2, 2**26 + 1]])
def test_shapes_that_no_array_has_are_refused(shape):
    content = write_network(small())
    header, data = parts(content)
    next(entry for entry in header["arrays"] if entry["name"] == "layers.0.weights")["shape"] = shape
    with pytest.raises(NetworkFileError, match=r"array 'layers\.0\.weights' has the shape"):
        read_network(framed(content, header, data))
