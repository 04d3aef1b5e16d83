"""Version 2 of the file: joins that are missing, of a wrong type or superfluous are refused with one clear error."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest

from pynq_bnn.errors import NetworkFileError
from pynq_bnn.network import BinConv, ConvTerm, FcTerm, InputSpec, Network, OutputSpec, Scores, one_bit_codes
from pynq_bnn.network.file import read_network, write_network

HEAD = struct.Struct("<8sIIQ")


def content() -> bytes:
    rng = np.random.default_rng(1)

    def bits(*shape):
        return rng.integers(0, 2, shape, dtype=np.uint8)

    def rule(*shape):
        return np.zeros(shape, np.int32), np.zeros(shape[-1], bool)

    layers = (BinConv(bits(4, 1, 1, 1), *rule(4)),
              BinConv(bits(4, 3, 3, 4), *rule(2, 4), padding=1, terms=(ConvTerm(bits(4, 1, 1, 4), 0),), shortcut=0),
              Scores(bits(2, 36), terms=(FcTerm(bits(2, 36), 0),)))
    return write_network(Network("joins", InputSpec(3, 3, 1, one_bit_codes()), layers,
                                 OutputSpec(("a", "b"), np.ones(2), np.zeros(2))))


def changed(change, version=2) -> bytes:
    """The file with ``change`` applied to its header."""
    data = content()
    magic, _, size, arrays = HEAD.unpack_from(data)
    header = json.loads(data[HEAD.size:HEAD.size + size])
    change(header)
    text = json.dumps(header).encode()
    body = HEAD.pack(magic, version, len(text), arrays) + text + data[HEAD.size + size:-32]
    return body + hashlib.sha256(body).digest()


def test_the_file_itself_is_read_and_of_version_2():
    network = read_network(changed(lambda header: None))
    assert content()[8] == 2
    assert [node.reads for node in network.nodes] == [(-1,), (0, 0, 0), (1, 0)]


def put(layer, **values):
    return lambda header: header["layers"][layer].update(values)


def drop(layer, key):
    return lambda header: header["layers"][layer].pop(key)


def term(**values):
    return lambda header: header["layers"][1]["terms"][0].update(values)


BAD = {
    "no input": (drop(1, "input"), "layer 1 lacks 'input'"),
    "no terms": (drop(1, "terms"), "array 'layers.1.terms.0' belongs to no term"),
    "no terms where there are none": (drop(0, "terms"), "layer 0 lacks 'terms'"),
    "no shortcut": (drop(0, "shortcut"), "layer 0 lacks 'shortcut'"),
    "an input that is a text": (put(1, input="0"), "'input' is '0'"),
    "an input that is true": (put(1, input=True), "'input' is True"),
    "an input that comes later": (put(1, input=2), "layer 1 .*reads the map 2"),
    "terms that are a number": (put(0, terms=3), "'terms' is 3"),
    "a term that is a number": (put(1, terms=[3]), "layer 1: term 0 is not an object"),
    "a term without its array": (put(0, terms=[{"input": 0, "stride": 1, "padding": 0, "pad_value": "one"}]),
                                 "lacks the array 'layers.0.terms.0'"),
    "a term without stride": (lambda header: header["layers"][1]["terms"][0].pop("stride"), "term 0 lacks 'stride'"),
    "a term padded with nothing": (term(pad_value="zero"), "layer 1: pad_value is 'zero'"),
    "a term of the picture": (term(input=-1), "layer 1 .*term 0: .*channels|term 0: it reads the picture"),
    "a shortcut that is a text": (put(1, shortcut="0"), "'shortcut' is '0'"),
    "a shortcut that comes later": (put(1, shortcut=1), "layer 1 .*shortcut is the map 1"),
    "a shortcut of two thresholds dropped": (put(1, shortcut=None), "layer 1: thresholds of shape"),
    "a shortcut of the score layer": (put(2, shortcut=0), "layer 2: a layer of type 'scores' has no shortcut"),
    "thresholds of the score layer": (put(2, type="bin_fc"), "thresholds or invert bits are missing"),
    "a hidden layer called scores": (put(0, type="scores"), "layer 0: a score layer has no thresholds"),
}


@pytest.mark.parametrize(("change", "says"), BAD.values(), ids=BAD)
def test_a_bad_join_is_named(change, says):
    with pytest.raises(NetworkFileError, match=says):
        read_network(changed(change))


def test_joins_in_a_file_that_calls_itself_version_1_are_refused():
    with pytest.raises(NetworkFileError, match="layer 2: its 'type'|belongs to no term"):
        read_network(changed(lambda header: None, version=1))
