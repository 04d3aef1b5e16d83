"""FORMAT.md is enough to read a ``.bnn`` file: the parser below was written from it alone."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

import pynq_bnn.network

# --- the parser: standard library only ---------------------------------------------------------------

def parse(content: bytes) -> tuple[dict, dict]:
    """Header and arrays (flat lists of numbers) of a ``.bnn`` file."""
    if content[:8] != bytes.fromhex("89424E4E0D0A1A0A"):
        raise ValueError("magic")
    version, header_size, data_size = struct.unpack("<IIQ", content[8:24])
    if version != 1 or len(content) != 24 + header_size + data_size + 32:
        raise ValueError("version or lengths")
    if hashlib.sha256(content[:-32]).digest() != content[-32:]:
        raise ValueError("checksum")
    header = json.loads(content[24:24 + header_size].decode("utf-8"))
    arrays, position = {}, 24 + header_size
    for entry in header["arrays"]:
        count = 1
        for size in entry["shape"]:
            count *= size
        row = count // entry["shape"][0]
        if entry["type"] == "b1":
            row_bytes = (row + 7) // 8
            size = entry["shape"][0] * row_bytes
            raw = content[position:position + size]
            values = [raw[r * row_bytes + k // 8] >> (k % 8) & 1 for r in range(entry["shape"][0]) for k in range(row)]
        else:
            letter, width = {"i2": ("h", 2), "i4": ("i", 4), "f4": ("f", 4), "u1": ("B", 1)}[entry["type"]]
            size = count * width
            values = list(struct.unpack(f"<{count}{letter}", content[position:position + size]))
        arrays[entry["name"]] = values
        position += size
    if position != len(content) - 32:
        raise ValueError("arrays")
    return header, arrays


def scores(header: dict, arrays: dict, picture: list) -> list[int]:
    """The integer scores of a picture given as nested lists [y][x][channel], by "Numbers" of FORMAT.md."""
    maps = [[[arrays["input.codes"][p] for p in pixel] for pixel in line] for line in picture]
    for n, layer in enumerate(header["layers"]):
        weights = [2 * bit - 1 for bit in arrays[f"layers.{n}.weights"]]
        shape = next(a["shape"] for a in header["arrays"] if a["name"] == f"layers.{n}.weights")
        if layer["type"] == "bin_fc":
            flat = [value for line in maps for pixel in line for value in pixel]
            sums = [[[sum(w * v for w, v in zip(weights[o * len(flat):], flat)) for o in range(shape[0])]]]
        else:
            sums = convolve(maps, weights, shape, layer)
        if n == len(header["layers"]) - 1:
            return sums[0][0]
        maps = fire(sums, arrays[f"layers.{n}.thresholds"], arrays[f"layers.{n}.invert"], layer.get("pool", 1))


def convolve(maps: list, weights: list, shape: list, layer: dict) -> list:
    out, k, _, cin = shape
    h, w, s, p = len(maps), len(maps[0]), layer["stride"], layer["padding"]
    outside = [1 if layer["pad_value"] == "one" else 0] * cin

    def tap(y: int, x: int) -> list:
        return maps[y][x] if 0 <= y < h and 0 <= x < w else outside

    return [[[sum(weights[((o * k + ky) * k + kx) * cin + c] * tap(y * s + ky - p, x * s + kx - p)[c]
                  for ky in range(k) for kx in range(k) for c in range(cin)) for o in range(out)]
             for x in range((w + 2 * p - k) // s + 1)] for y in range((h + 2 * p - k) // s + 1)]


def fire(sums: list, thresholds: list, invert: list, pool: int) -> list:
    def bit(y: int, x: int, o: int) -> int:
        window = [sums[y * pool + dy][x * pool + dx][o] for dy in range(pool) for dx in range(pool)]
        return 1 if any(acc >= thresholds[o] for acc in window) != bool(invert[o]) else -1

    return [[[bit(y, x, o) for o in range(len(thresholds))] for x in range(len(sums[0]) // pool)]
            for y in range(len(sums) // pool)]


# --- the tests ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(25))
def test_a_parser_written_from_the_document_reads_the_same_arrays(random_network, seed):
    network = random_network(seed)
    header, arrays = parse(pynq_bnn.network.write_network(network))
    expected = {"input.codes": network.input.codes, "output.scale": network.output.scale,
                "output.offset": network.output.offset}
    for n, layer in enumerate(network.layers):
        expected[f"layers.{n}.weights"] = layer.weights
        if not isinstance(layer, pynq_bnn.network.Scores):
            expected.update({f"layers.{n}.thresholds": layer.thresholds, f"layers.{n}.invert": layer.invert})
    if network.output.class_thresholds is not None:
        expected["output.class_thresholds"] = network.output.class_thresholds
    if network.golden is not None:
        expected.update({"golden.image": network.golden.image, "golden.scores": network.golden.scores})
    assert arrays == {name: np.asarray(array).ravel().tolist() for name, array in expected.items()}, f"seed {seed}"
    assert (header["name"], header["provenance"]) == (network.name, network.provenance), f"seed {seed}"
    assert (header["input"]["height"], header["input"]["width"], header["input"]["channels"]) == network.input.shape
    # Version 1 calls the score layer a bin_fc.
    types = [*(layer.kind for layer in network.layers[:-1]), "bin_fc"]
    assert [layer["type"] for layer in header["layers"]] == types, f"seed {seed}"
    assert tuple(header["output"]["classes"]) == network.output.classes, f"seed {seed}"


@pytest.mark.parametrize("seed", range(12))
def test_the_number_rules_of_the_document_give_scores_of_the_right_kind(random_network, seed):
    """Every network can be computed from the document; |score| and its parity follow from the fan-in of ±1 inputs."""
    network = random_network(seed)
    header, arrays = parse(pynq_bnn.network.write_network(network))
    rng = np.random.default_rng(seed)
    result = scores(header, arrays, rng.integers(0, 256, network.input.shape).tolist())
    fan_in = network.layers[-1].fan_in
    assert len(result) == len(network.output.classes), f"seed {seed}"
    assert all(abs(score) <= fan_in and (score - fan_in) % 2 == 0 for score in result), f"seed {seed}"


def test_the_document_names_every_field_type_and_array_that_is_written(random_network):
    text = (Path(pynq_bnn.network.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
    for seed in range(20):
        header, arrays = parse(pynq_bnn.network.write_network(random_network(seed)))
        wanted = {f"`{owner}.{key}`" for owner in ("input", "output") for key in header[owner]}
        wanted |= {f"`layers[N].{key}`" for layer in header["layers"] for key in layer}
        wanted |= {f"`{key}`" for key in ("name", "layers", "provenance", "arrays")}
        wanted |= {f"`{entry['type']}`" for entry in header["arrays"]}
        wanted |= {"`layers.N." + n.split(".")[2] + "`" if n.startswith("layers") else f"`{n}`" for n in arrays}
        assert not {word for word in wanted if word not in text}, f"seed {seed}"


def test_the_document_s_example_has_the_stated_size():
    n = pynq_bnn.network
    rng = np.random.default_rng(0)
    conv = n.FpConv(rng.integers(0, 2, (16, 3, 3, 1), dtype=np.uint8), np.zeros(16, np.int32), np.zeros(16, bool),
                    padding=1, pool=4)
    fc = n.Scores(rng.integers(0, 2, (2, 784), dtype=np.uint8))
    network = n.Network("example", n.InputSpec(28, 28, 1, n.signed_codes(), fit="digit", background=0), (conv, fc),
                        n.OutputSpec(("odd", "even"), np.ones(2), np.zeros(2)), {"top1": 0.97})
    content = n.write_network(network)
    assert struct.unpack("<Q", content[16:24]) == (822,)
    text = (Path(n.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
    example = next(block for block in text.split("```") if '"example"' in block)
    # An annotation stands behind the JSON of its line, two or more spaces away.
    bare = "".join(line.lstrip().split("  ")[0] for line in example.strip().split("\n"))
    assert json.loads(bare) == parse(content)[0]
