"""The ``.bnn`` file: what is written is read again, and nothing else is accepted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import tracemalloc
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pynq_bnn.errors import NetworkError, NetworkFileError, OutputError
from pynq_bnn.network import (
    BinConv,
    BinFc,
    FpConv,
    InputSpec,
    Network,
    OutputSpec,
    Scores,
    load_network,
    read_network,
    save_network,
    signed_codes,
    write_network,
)
from pynq_bnn.network.layers import Conv
from pynq_bnn.zoo.tables import TOPOLOGIES

MEMORY_LIMIT = 64 << 20
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def flat(value, path: str = "network"):
    """(path, plain value) of every field below a record, arrays as (dtype, shape, list)."""
    if is_dataclass(value):
        for f in fields(value):
            yield from flat(getattr(value, f.name), f"{path}.{f.name}")
    elif isinstance(value, tuple):
        for i, part in enumerate(value):
            yield from flat(part, f"{path}[{i}]")
    elif isinstance(value, np.ndarray):
        yield path, (value.dtype.str, value.shape, value.tolist())
    else:
        yield path, value


def tiny_network(**changes) -> Network:
    """Two layers, every part of the format present."""
    rng = np.random.default_rng(5)
    conv = FpConv(rng.integers(0, 2, (3, 2, 2, 1), dtype=np.uint8), np.array([1, -7, 300], np.int32),
                  np.array([True, False, True]), padding=1, pool=2)
    values = {
        "name": "tiny", "input": InputSpec(4, 3, 1, signed_codes(), background=7),
        "layers": (conv, Scores(rng.integers(0, 2, (2, 12), dtype=np.uint8))),
        "output": OutputSpec(("no", "yes"), np.array([0.5, 2]), np.array([0, -1]), temperature=1.5),
        "provenance": {"made": "by a test"}}
    return Network(**{**values, **changes})


def split(content: bytes) -> tuple[dict, bytes]:
    """The header and the arrays' bytes of a valid file, by the layout table alone."""
    header_size, data_size = struct.unpack_from("<IQ", content, 12)
    header = json.loads(content[24:24 + header_size])
    return header, content[24 + header_size:24 + header_size + data_size]


def join(header, data: bytes, version: int = 1) -> bytes:
    """A file with right lengths and a right checksum around any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = b"\x89BNN\r\n\x1a\n" + struct.pack("<IIQ", version, len(text), len(data)) + text + data
    return body + hashlib.sha256(body).digest()


def read_or_refuse(content: bytes) -> Network | None:
    """The network, or None after a NetworkFileError; anything else, or much memory, fails the test."""
    network, message = None, "nothing"
    tracemalloc.start()
    try:
        network = read_network(content)
    except NetworkFileError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY_LIMIT, f"{peak} bytes taken for a file of {len(content)}"
    assert message.isprintable(), f"not one line: {message!r}"
    return network


def assert_refused(content: bytes, what: str) -> None:
    try:
        read_network(content)
    except NetworkFileError:
        return
    pytest.fail(f"{what} was accepted")


# --- what is written is read again ---------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(40))
def test_a_network_read_again_has_the_same_fields_and_the_same_bytes(random_network, seed):
    network = random_network(seed)
    content = write_network(network)
    again = read_network(content)
    assert dict(flat(again)) == dict(flat(network)), f"seed {seed}"
    assert write_network(again) == content, f"seed {seed}"


def test_a_saved_file_holds_the_written_bytes_and_loads(tmp_path, random_network):
    network = random_network(1)
    save_network(network, tmp_path / "a.bnn")
    assert (tmp_path / "a.bnn").read_bytes() == write_network(network)
    assert dict(flat(load_network(str(tmp_path / "a.bnn")))) == dict(flat(network))
    assert os.listdir(tmp_path) == ["a.bnn"]


def test_sizes_that_are_numpy_integers_are_written_like_plain_ones():
    plain = tiny_network()
    spec = InputSpec(np.int64(4), np.int32(3), np.int16(1), signed_codes(), background=np.uint8(7))
    assert write_network(tiny_network(input=spec)) == write_network(plain)


def test_a_file_of_cnv_is_under_250_thousand_bytes():
    rng = np.random.default_rng(0)
    topology = TOPOLOGIES["cnv-cifar10"]
    layers, shape = [], topology.input_shape

    def hidden(out: int, bound: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(-bound, bound, out), rng.integers(0, 2, out).astype(bool)

    for number, row in enumerate(topology.rows):
        if isinstance(row, Conv):
            weights = rng.integers(0, 2, (row.channels, row.kernel, row.kernel, shape[2]), dtype=np.uint8)
            kind = BinConv if number else FpConv
            layers.append(kind(weights, *hidden(row.channels, weights[0].size), stride=row.stride, padding=row.padding,
                               pool=row.pool))
        else:
            weights = rng.integers(0, 2, (row.units, int(np.prod(shape))), dtype=np.uint8)
            layers.append(BinFc(weights, *hidden(row.units, weights.shape[1])))
        shape = layers[-1].output_shape(shape)
    layers.append(Scores(rng.integers(0, 2, (10, int(np.prod(shape))), dtype=np.uint8)))
    spec = InputSpec(*topology.input_shape, signed_codes())
    network = Network("cnv", spec, tuple(layers), OutputSpec(topology.classes, np.ones(10), np.zeros(10)))
    content = write_network(network)
    assert network.weight_bits == 1_542_848
    assert 1_542_848 // 8 < len(content) < 250_000
    assert dict(flat(read_network(content))) == dict(flat(network))


def test_a_network_whose_header_would_be_too_long_is_not_written():
    with pytest.raises(NetworkError, match="header"):
        write_network(tiny_network(provenance={"log": "x" * (1 << 20)}))


@pytest.mark.parametrize("provenance", [{"x": float("nan")}, {"x": float("inf")}, {"x": np.float32(1)}, {"x": {1, 2}},
                                        {"x": "\ud800"}, {"x": b"bytes"}, ["a list"]])
def test_provenance_that_is_not_plain_json_is_refused_by_name(provenance):
    with pytest.raises(NetworkError, match="provenance"):
        tiny_network(provenance=provenance)


# --- damaged files --------------------------------------------------------------------------------------

def test_every_flip_of_a_single_byte_is_noticed():
    content = write_network(tiny_network())
    for position in range(len(content)):
        for flip in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            damaged = bytearray(content)
            damaged[position] ^= flip
            assert_refused(bytes(damaged), f"byte {position} flipped by {flip}")


def test_a_file_cut_at_any_length_is_noticed():
    content = write_network(tiny_network())
    for length in range(len(content)):
        assert_refused(content[:length], f"a file cut from {len(content)} to {length} bytes")


@pytest.mark.parametrize("extra", [b"\0", b"\n", b"\0" * 32, b"x" * 5000])
def test_bytes_behind_the_end_are_noticed(extra):
    with pytest.raises(NetworkFileError, match="cut or padded"):
        read_network(write_network(tiny_network()) + extra)


def test_another_version_is_refused_by_its_number():
    with pytest.raises(NetworkFileError, match="version 3.*reads versions 1 and 2"):
        read_network(join(*split(write_network(tiny_network())), version=3))


@pytest.mark.parametrize("make", [lambda p: None, Path.mkdir, lambda p: p.write_bytes(b""),
                                  lambda p: p.write_bytes(b"PK\3\4" * 99)], ids=["missing", "folder", "empty", "zip"])
def test_a_path_that_is_no_network_file_is_named(tmp_path, make):
    path = tmp_path / "some.bnn"
    make(path)
    with pytest.raises(NetworkFileError, match="some.bnn"):
        load_network(path)


def test_a_damaged_file_is_named_with_the_reason(tmp_path):
    path = tmp_path / "some.bnn"
    path.write_bytes(write_network(tiny_network())[:-1] + b"\0")
    with pytest.raises(NetworkFileError, match=r"some\.bnn: .*checksum"):
        load_network(path)


@pytest.mark.parametrize("name", ["x" * 5000, "nul\0byte"])
def test_a_name_that_no_file_can_have_is_a_network_file_error(name):
    with pytest.raises(NetworkFileError):
        load_network(name)


def test_a_huge_file_is_not_even_opened(tmp_path):
    path = tmp_path / "huge.bnn"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NetworkFileError, match="huge.bnn"):
        load_network(path)


# --- fields out of range ---------------------------------------------------------------------------------

def edited(*path_and_value) -> bytes:
    """A file of the tiny network with one header value replaced."""
    header, data = split(write_network(tiny_network()))
    *path, value = path_and_value
    place = header
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return join(header, data)


BAD_FIELDS = [
    (("name", ""), "name"), (("name", "two\nlines"), "name"), (("name", "x" * 201), "name"), (("name", 5), "name"),
    (("name", "\ud800"), "name"), (("name", None), "name"),
    (("input", "height", 0), "input size"), (("input", "height", 10**9), "input size"),
    (("input", "width", -1), "input size"), (("input", "height", True), "height"), (("input", "height", 4.0), "height"),
    (("input", "channels", 2), "channel"), (("input", "channels", 3), "channel"),
    (("input", "channel_order", "BGR"), "channel_order"), (("input", "channel_order", None), "channel_order"),
    (("input", "bits", 4), "input bits"), (("input", "bits", 1), "codes"), (("input", "bits", True), "bits"),
    (("input", "fit", "squeeze"), "fit"), (("input", "fit", ["letterbox"]), "fit"),
    (("input", "background", 256), "background"), (("input", "background", -1), "background"),
    (("input", []), "input"),
    (("layers", []), "layer"), (("layers", {}), "layers"), (("layers", 0, "type", "conv"), "layer 0"),
    (("layers", 0, "type", ["fp_conv"]), "type"), (("layers", 0, None), "layer 0"),
    (("layers", 0, "type", "bin_conv"), "layer 0"), (("layers", 0, "type", "bin_fc"), "layer 0"),
    (("layers", 0, "stride", 3), "layer 0: stride"), (("layers", 0, "stride", True), "stride"),
    (("layers", 0, "stride", 1.0), "stride"), (("layers", 0, "padding", 2), "layer 0: padding"),
    (("layers", 0, "padding", -1), "layer 0: padding"), (("layers", 0, "pool", 3), "layer 0: pool"),
    (("layers", 0, "pool", 10**30), "layer 0: pool"), (("layers", 0, "pool", 4), "layer 1"),
    (("layers", 0, "pad_value", "one"), "layer 0: pad_value"), (("layers", 0, "pad_value", "?"), "layer 0: pad_value"),
    (("layers", 0, "pad_value", 0), "pad_value"), (("layers", 1, "type", "bin_conv"), "layer"),
    (("output", "classes", []), "class"), (("output", "classes", ["a"]), "scale"),
    (("output", "classes", ["a", 5]), "class name"), (("output", "classes", ["a", "b\x1b[2J"]), "class name"),
    (("output", "classes", ["a", {}]), "class name"), (("output", "classes", "ab"), "classes"),
    (("output", "temperature", 0), "temperature"), (("output", "temperature", -1.0), "temperature"),
    (("output", "temperature", float("nan")), "temperature"), (("output", "temperature", float("inf")), "temperature"),
    (("output", "temperature", 1e-300), "temperature"), (("output", "temperature", 1e300), "temperature"),
    (("output", "temperature", 10**400), "temperature"), (("output", "temperature", "1"), "temperature"),
    (("output", "decision", "vote"), "decision"), (("output", "decision", "highest_bit"), "class_thresholds"),
    (("output", "native_div", 0), "native_div"), (("output", "native_div", 1.5), "native_div"),
    (("output", "native_add", 2**60), "native_add"),
    (("provenance", []), "provenance"), (("provenance", {"x": float("nan")}), "provenance"),
    (("provenance", {"x": "\ud800"}), "provenance"),
    (("arrays", {}), "arrays"), (("arrays", 0, None), "arrays"), (("arrays", 0, "name", "input.kodes"), "input.kodes"),
    (("arrays", 0, "name", "output.scale"), "output.scale"), (("arrays", 0, "name", 7), "name"),
    (("arrays", 0, "type", "i8"), "input.codes"), (("arrays", 0, "type", "f8"), "input.codes"),
    (("arrays", 0, "type", []), "type"), (("arrays", 0, "shape", []), "input.codes"),
    (("arrays", 0, "shape", [256, 1, 1, 1, 1]), "input.codes"), (("arrays", 0, "shape", [-256]), "input.codes"),
    (("arrays", 0, "shape", [2**26] * 4), "input.codes"), (("arrays", 0, "shape", [256.0]), "input.codes"),
    (("arrays", 0, "shape", [True]), "input.codes"), (("arrays", 0, "shape", [16, 16]), "input codes"),
    (("arrays", 0, "shape", "256"), "shape"),
    (("arrays", 1, "shape", [3, 2, 1, 2]), "layer 0: kernel"), (("arrays", 1, "shape", [3, 4]), "layer 0: weights"),
    (("arrays", 2, "type", "f4"), "layers.0.thresholds"), (("arrays", 3, "shape", [3, 1]), "layers.0.invert"),
    (("arrays", 3, "type", "u1"), "layers.0.invert"), (("arrays", 2, "name", "layers.7.thresholds"), "layers.7"),
]


@pytest.mark.parametrize(("change", "named"), BAD_FIELDS, ids=lambda v: v if isinstance(v, str) else repr(v)[:60])
def test_a_field_out_of_range_is_named(change, named):
    content = edited(*change)
    with pytest.raises(NetworkFileError) as caught:
        read_network(content)
    assert named in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", [("name",), ("input",), ("layers",), ("output",), ("provenance",), ("arrays",),
                                  ("input", "height"), ("input", "fit"), ("layers", 0, "type"), ("layers", 0, "pool"),
                                  ("layers", 0, "pad_value"), ("output", "temperature"), ("output", "classes"),
                                  ("output", "native_div"), ("arrays", 0, "name"), ("arrays", 0, "shape")])
def test_a_missing_field_is_named(path):
    header, data = split(write_network(tiny_network()))
    place = header
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    with pytest.raises(NetworkFileError, match=path[-1]):
        read_network(join(header, data))


ALL_ARRAYS = ["input.codes", "layers.0.weights", "layers.0.thresholds", "layers.0.invert", "layers.1.weights",
              "output.scale", "output.offset", "golden.image", "golden.scores"]


@pytest.mark.parametrize("name", ALL_ARRAYS)
def test_a_missing_array_is_named(random_network, name):
    seed = next(s for s in range(999) if (n := random_network(s)).golden and n.layers[0].kind != "bin_fc")
    network = random_network(seed)
    content = edited_arrays(write_network(network), name, lambda raw, entry: None)
    with pytest.raises(NetworkFileError, match=name.split(".")[-1]):
        read_network(content)


def edited_arrays(content: bytes, name: str, edit) -> bytes:
    """The file with the bytes of one array changed; ``edit(raw, entry)`` returns them, or None to drop it."""
    header, data = split(content)
    sizes = {"i4": 4, "i2": 2, "f4": 4, "u1": 1}
    kept, parts, offset = [], [], 0
    for entry in header["arrays"]:
        first, *rest = entry["shape"]
        row = int(np.prod(rest, dtype=int))
        size = first * -(-row // 8) if entry["type"] == "b1" else first * row * sizes[entry["type"]]
        raw = data[offset:offset + size]
        offset += size
        if entry["name"] == name:
            raw = edit(raw, entry)
        if raw is not None:
            kept.append(entry)
            parts.append(raw)
    return join({**header, "arrays": kept}, b"".join(parts))


def with_type(kind: str, values):
    def edit(raw, entry):
        entry["type"] = kind
        return np.asarray(values).astype({"i4": "<i4", "i2": "<i2", "f4": "<f4", "u1": "u1"}[kind]).tobytes()
    return edit


BAD_ARRAYS = [
    ("input.codes", with_type("i2", np.arange(256)[::-1] - 200), "codes"),
    ("input.codes", with_type("i2", np.full(256, 256)), "codes"),
    ("input.codes", with_type("i4", np.full(256, 65536 + 5)), "codes"),
    ("input.codes", with_type("f4", np.zeros(256)), "codes"),
    ("layers.0.thresholds", with_type("i4", [0, 2**24 + 1, 0]), "layer 0: thresholds"),
    ("layers.0.thresholds", with_type("i4", [0, -2**31, 0]), "layer 0: thresholds"),
    ("layers.0.weights", lambda raw, entry: bytes([raw[0] | 16]) + raw[1:], "layers.0.weights"),
    ("layers.0.invert", lambda raw, entry: b"\xff", "layers.0.invert"),
    ("output.scale", with_type("f4", [np.nan, 1]), "scale"), ("output.scale", with_type("f4", [np.inf, 1]), "scale"),
    ("output.scale", with_type("f4", [3e38, 1]), "scale"), ("output.offset", with_type("f4", [0, -3e38]), "offset"),
    ("output.offset", with_type("i4", [0, 1]), "offset"),
]


@pytest.mark.parametrize(("name", "edit", "named"), BAD_ARRAYS)
def test_an_array_out_of_range_is_named(name, edit, named):
    with pytest.raises(NetworkFileError, match=named):
        read_network(edited_arrays(write_network(tiny_network()), name, edit))


def test_class_thresholds_of_another_type_are_refused():
    output = OutputSpec(("a", "b"), np.ones(2), np.zeros(2), decision="highest_bit", class_thresholds=np.array([1, 2]))
    content = write_network(tiny_network(output=output))
    assert read_network(content).output.class_thresholds.tolist() == [1, 2]
    with pytest.raises(NetworkFileError, match="class_thresholds"):
        read_network(edited_arrays(content, "output.class_thresholds", with_type("f4", [np.nan, 1.5])))


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[1]", b"null", b"{", b"[" * 100_000, b'{"a":' * 100_000,
                                  b"9" * 100_000, b'{"name":"\xff"}', json.dumps({"name": "x"}).encode("utf-16")],
                         ids=lambda text: repr(text[:12]))
def test_a_header_that_is_no_json_object_in_utf_8_is_refused(text):
    assert read_or_refuse(join(text, b"")) is None
    valid, data = split(write_network(tiny_network()))
    assert read_or_refuse(join(json.dumps(valid).encode("utf-16"), data)) is None


# --- fuzzing: nothing but NetworkFileError, and little memory ---------------------------------------------

@pytest.mark.parametrize("make", [
    lambda header: header["arrays"][0].update(shape=[2**26, 2**26, 2**26, 2**26]),
    lambda header: header["arrays"][0].update(shape=[2**26], type="u1"),
    lambda header: header["arrays"][1].update(shape=[2**26, 1]),
    lambda header: header["arrays"][1].update(shape=[1, 2**26]),
    lambda header: header["input"].update(height=4096, width=4096),
    lambda header: header.update(layers=[0] * 500_000),
    lambda header: header.update(layers=header["layers"][:1] * 10_000),
    lambda header: header.update(arrays=[{}] * 250_000),
    lambda header: header.update(arrays=[[]] * 250_000),
    lambda header: header["output"].update(classes=[""] * 250_000),
    lambda header: header["output"].update(classes=["a"] * 200_000),
    lambda header: header["provenance"].update({str(i): {} for i in range(80_000)}),
])
def test_a_header_that_promises_gigantic_things_takes_little_memory(make):
    header, data = split(write_network(tiny_network()))
    make(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    read_or_refuse(join(text, data))


@FUZZ
@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_bytes_are_refused(content, with_magic):
    assert read_or_refuse(b"\x89BNN\r\n\x1a\n" + content if with_magic else content) is None


@FUZZ
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_arbitrary_parts_in_a_right_frame_are_refused(text, data):
    assert read_or_refuse(join(text, data)) is None


NUMBERS = st.one_of(st.integers(), st.integers(-3, 20), st.sampled_from([2**15, 2**24, 2**26, 2**31, 2**63, 10**300]),
                    st.floats())
WORDS = st.one_of(st.text(max_size=8), st.sampled_from(
    ["b1", "i2", "i4", "f4", "u1", "fp_conv", "bin_conv", "bin_fc", "one", "zero", "digit", "argmax", "highest_bit",
     *ALL_ARRAYS, "output.class_thresholds", "layers.2.weights"]))
VALUES = st.recursive(st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
                      lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
                      max_leaves=8)


def places(value):
    """Every (container, key) below a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_mutated_header_under_a_right_checksum_raises_anything_else(random_network, data):
    seed = data.draw(st.integers(0, 30), label="seed")
    header, arrays = split(write_network(random_network(seed)))
    for _ in range(data.draw(st.integers(1, 3), label="mutations")):
        found = list(places(header))
        if not found:
            break
        container, key = found[data.draw(st.integers(0, len(found) - 1), label="place")]
        action = data.draw(st.sampled_from(["replace", "delete", "add", "copy"]), label="action")
        if action == "delete":
            del container[key]
        elif action == "copy":
            other, source = found[data.draw(st.integers(0, len(found) - 1), label="source")]
            container[key] = json.loads(json.dumps(other[source])) if source_exists(other, source) else None
        elif action == "add" and isinstance(container, list):
            container.insert(key, data.draw(VALUES, label="value"))
        else:
            name = data.draw(WORDS, label="key") if action == "add" else key
            container[name] = data.draw(VALUES, label="value")
    network = read_or_refuse(join(header, arrays))
    if network is not None:  # the mutation was harmless, then the network can be written and read again
        assert dict(flat(read_network(write_network(network)))) == dict(flat(network)), f"seed {seed}"
        probabilities = network.output.probabilities(np.zeros((1, len(network.output.classes)), np.int32))
        assert np.isfinite(probabilities).all(), f"seed {seed}"


def source_exists(container, key) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


@FUZZ
@given(st.integers(0, 30), st.data())
def test_no_mutated_array_under_a_right_checksum_raises_anything_else(random_network, seed, data):
    header, arrays = split(write_network(random_network(seed)))
    arrays = bytearray(arrays)
    for _ in range(data.draw(st.integers(1, 5))):
        arrays[data.draw(st.integers(0, len(arrays) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(join(header, bytes(arrays)))


# --- a full disk ------------------------------------------------------------------------------------------

def assert_refused_and_untouched(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "net.bnn"
    path.write_bytes(b"the old content")
    with pytest.raises(OutputError, match="net.bnn"):
        save_network(network, path)
    assert path.read_bytes() == b"the old content"
    assert os.listdir(tmp_path) == ["net.bnn"]


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_disk_that_fills_up_at_the_end_leaves_the_old_file(tmp_path, monkeypatch, function):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, full)
        assert_refused_and_untouched(tmp_path, tiny_network())


def test_a_disk_that_fills_up_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    def half(self, content):
        with open(self, "wb") as file:
            file.write(content[:len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    network = tiny_network()
    (tmp_path / "net.bnn").write_bytes(b"the old content")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        with pytest.raises(OutputError, match="No space left"):
            save_network(network, tmp_path / "net.bnn")
    assert (tmp_path / "net.bnn").read_bytes() == b"the old content"
    assert os.listdir(tmp_path) == ["net.bnn"]


def test_a_real_limit_on_file_sizes_leaves_the_old_file(tmp_path):
    resource = pytest.importorskip("resource", reason="no resource limits on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    network = tiny_network()
    assert len(write_network(network)) > 500
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        assert_refused_and_untouched(tmp_path, network)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_saving_into_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        save_network(tiny_network(), tmp_path / "nowhere" / "net.bnn")


def test_a_contradiction_brought_in_by_replace_is_refused_before_writing():
    with pytest.raises(NetworkError, match="class"):
        replace(tiny_network(), output=OutputSpec(("one",), np.ones(1), np.zeros(1)))
