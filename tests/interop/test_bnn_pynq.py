"""Imported folders against the format's own rule, bit by bit, and against real hardware."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from interop import bnn_pynq_writer as writer
from places import bnn_pynq_dir, data_dir

from pynq_bnn.backends.cpu import CpuBackend
from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.errors import ImportFolderError
from pynq_bnn.interop import import_folder
from pynq_bnn.network import Network, read_network, write_network
from pynq_bnn.pictures.bnn_pynq import bnn_pynq_pixels

SEED = 20
KINDS = ("cnvW1A1", "lfcW1A1")
MAPS = {"cnvW1A1": writer.cnv_maps, "lfcW1A1": writer.lfc_maps}


@dataclass
class Case:
    """A synthetic folder of 64 classes, pictures, and what the format's own rule makes of them."""

    folder: Path
    parameters: writer.Parameters
    images: np.ndarray
    maps: list


def _images(kind: str) -> np.ndarray:
    shape = (32, 32, 3) if kind == "cnvW1A1" else (28, 28, 1)
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (4, *shape), dtype=np.uint8)
    images[1] = rng.integers(126, 130, shape)
    images[2] = 255 * (np.indices(shape).sum(0) // 5 % 2)
    return images


def _case(folder: Path, parameters: writer.Parameters, short: bool = False) -> Case:
    images = _images(parameters.kind)
    maps = [MAPS[parameters.kind](parameters, image) for image in images]
    return Case(writer.write_folder(folder, parameters, 64, short=short), parameters, images, maps)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    place = tmp_path_factory.mktemp("folders")
    return {kind: _case(place / kind, writer.random_parameters(kind, SEED)) for kind in KINDS}


@pytest.fixture
def folder(cases, tmp_path, request) -> Path:
    """A copy of a synthetic folder to damage; lfcW1A1 unless the test's ``kind`` says otherwise."""
    kind = request.node.callspec.params.get("kind", "lfcW1A1") if hasattr(request.node, "callspec") else "lfcW1A1"
    return Path(shutil.copytree(cases[kind].folder, tmp_path / kind))


def _set_classes(folder: Path, count: int) -> None:
    (folder / "classes.txt").write_text("\n".join(f"sign {i}" for i in range(count)), encoding="utf-8")


def _check_against_rule(network: Network, case: Case) -> None:
    backend, count = CpuBackend(network), len(network.output.classes)
    for layer in range(len(network.layers) - 1):
        packed = backend.map_bits(case.images, layer)
        for picture, maps in enumerate(case.maps):
            bits = np.unpackbits(packed[picture], axis=-1, bitorder="little")
            assert np.array_equal(bits.reshape(-1), maps[layer].reshape(-1)), f"seed {SEED}: {picture=}, {layer=}"
    popcounts = np.array([maps[-1][:count] for maps in case.maps])
    scores = backend.scores(case.images)
    assert scores.dtype == np.int32
    assert np.array_equal(network.output.native_scores(scores), popcounts)
    assert np.array_equal(scores, 2 * popcounts - case.parameters.weights[-1].shape[1])


# --- the rule ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [2, 10, 43, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_every_map_and_score_equals_the_rule_of_the_format(kind, count, cases, folder):
    _set_classes(folder, count)
    network = import_folder(folder)
    assert network.output.classes == tuple(f"sign {i}" for i in range(count))
    _check_against_rule(network, cases[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_agree_for_every_possible_sum(kind, cases):
    network = import_folder(cases[kind].folder)
    for number, layer in enumerate(network.layers[:-1]):
        if number == 0 and kind == "cnvW1A1":
            acc = np.arange(-27 * 128, 27 * 128 + 1)
            compared = 2 * acc
        else:
            compared = np.arange(layer.fan_in + 1)  # popcounts
            acc = 2 * compared - layer.fan_in
        expected = cases[kind].parameters.thresholds[number][:, None] < compared
        assert np.array_equal(acc >= layer.thresholds[:, None], expected)
        assert not layer.invert.any()
        assert acc[0] <= layer.thresholds.min() <= layer.thresholds.max() <= acc[-1] + 1


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_counted_against_the_outputs_that_are_trained(kind, tmp_path, caplog):
    """BNN-PYNQ fills the last layer up to 64 rows with weights of +1."""
    parameters = writer.random_parameters(kind, SEED)
    parameters.weights[-1][10:] = 1
    folder = writer.write_folder(tmp_path / kind, parameters, 10)
    assert len(import_folder(folder).output.classes) == 10
    assert not caplog.records
    _set_classes(folder, 9)
    assert len(import_folder(folder).output.classes) == 9
    assert "9 names for the 10 outputs" in caplog.text
    _set_classes(folder, 11)
    with pytest.raises(ImportFolderError, match=r"classes\.txt: 11 names for the 10 outputs"):
        import_folder(folder)


def test_the_synthetic_maps_are_neither_all_one_nor_all_zero(cases):
    for case in cases.values():
        for layer in range(len(case.maps[0]) - 1):
            assert 0.1 < np.mean([maps[layer].mean() for maps in case.maps]) < 0.9


def test_cnv_decides_by_the_first_maximum(cases):
    case = cases["cnvW1A1"]
    network = import_folder(case.folder)
    labels = network.output.indices(CpuBackend(network).scores(case.images))
    assert labels.tolist() == [list(maps[-1]).index(max(maps[-1])) for maps in case.maps]


def test_lfc_decides_by_the_highest_bit_and_its_logits_tell_the_bits(cases):
    case = cases["lfcW1A1"]
    network = import_folder(case.folder)
    scores = CpuBackend(network).scores(case.images)
    expected = [writer.lfc_class(case.parameters, maps[-1], 64) for maps in case.maps]
    assert network.output.indices(scores).tolist() == expected
    bits = np.array([case.parameters.thresholds[3] < maps[-1] for maps in case.maps])
    assert np.array_equal(network.output.logits(scores) >= 0, bits)


def test_lfc_without_any_bit_is_class_0_and_its_logits_are_negative(tmp_path):
    parameters = writer.random_parameters("lfcW1A1", SEED)
    parameters.thresholds[3][:] = 32767
    network = import_folder(writer.write_folder(tmp_path / "never", parameters, 10))
    scores = CpuBackend(network).scores(_images("lfcW1A1"))
    assert network.output.indices(scores).tolist() == [0, 0, 0, 0]
    assert (network.output.logits(scores) < 0).all()


def test_cnv_codes_are_the_exact_fractions(cases):
    codes = import_folder(cases["cnvW1A1"].folder).input.codes
    assert codes.tolist() == [writer.cnv_code(pixel) for pixel in range(256)]


@pytest.mark.parametrize("kind", KINDS)
def test_short_files_read_as_zeros(kind, tmp_path):
    parameters = writer.random_parameters(kind, SEED + 1)
    for weights, thresholds, (_, _, _, pe) in zip(parameters.weights, parameters.thresholds, writer.SHAPES[kind]):
        weights[-pe:] = 0
        if thresholds is not None:
            thresholds[-pe:] = 0
    # Here the padding decides: of 784 random pixels about 392 are 0, and its 48 weights read as 0 count too.
    if kind == "lfcW1A1":
        parameters.thresholds[0][-32:] = 416
    full = writer.write_folder(tmp_path / "full", parameters, 64)
    case = _case(tmp_path / "short", parameters, short=True)
    last = f"{len(parameters.weights) - 1}-0-weights.bin"
    assert (case.folder / last).stat().st_size < (full / last).stat().st_size
    network = import_folder(case.folder)
    _check_against_rule(network, case)
    assert np.array_equal(network.golden.scores, import_folder(full).golden.scores)


# --- the record --------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_the_network_survives_its_file_and_keeps_golden_scores_of_the_rule(kind, cases):
    case = cases[kind]
    network = read_network(write_network(import_folder(case.folder, name="mine")))
    assert network.name == "mine"
    popcounts = MAPS[kind](case.parameters, network.golden.image)[-1]
    assert np.array_equal(network.output.native_scores(network.golden.scores), popcounts)


def test_provenance_says_where_it_comes_from_and_follows_every_parameter(folder):
    before = import_folder(folder)
    assert before.name == "lfcW1A1"
    assert {k: v for k, v in before.provenance.items() if k != "sha256"} == {
        "source": "BNN-PYNQ", "kind": "lfcW1A1", "folder": "lfcW1A1"}
    assert re.fullmatch("[0-9a-f]{64}", before.provenance["sha256"])
    path = folder / "3-15-thres.bin"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    assert import_folder(folder).provenance["sha256"] != before.provenance["sha256"]


def test_thresholds_of_the_last_cnv_layer_are_ignored(cases, tmp_path):
    folder = Path(shutil.copytree(cases["cnvW1A1"].folder, tmp_path / "cnv"))
    (folder / "8-0-thres.bin").write_bytes(bytes(24))
    assert import_folder(folder).provenance == {**import_folder(cases["cnvW1A1"].folder).provenance, "folder": "cnv"}


# --- bad input ---------------------------------------------------------------------------------------

def _rewrite(folder: Path, name: str, change) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


def _word(value: int, at: int):
    return lambda content: content[:8 * at] + value.to_bytes(8, "little") + content[8 * at + 8:]


def _more_thresholds(times: int):
    def change(folder: Path) -> None:
        for path in folder.glob("*-thres.bin"):
            path.write_bytes(path.read_bytes() * times)
    return change


def _pad_with_zeros(folder: Path) -> None:
    words = np.frombuffer((folder / "0-3-weights.bin").read_bytes(), "<u8").copy()
    words[12::13] &= 0xFFFF
    (folder / "0-3-weights.bin").write_bytes(words.tobytes())


BAD = [
    ("lfcW1A1", lambda f: (f / "classes.txt").unlink(), r"no classes\.txt"),
    ("lfcW1A1", lambda f: (f / "classes.txt").write_bytes(b"\n\n"), r"classes\.txt: 0 names; 2 to 64"),
    ("lfcW1A1", lambda f: _set_classes(f, 1), r"classes\.txt: 1 names; 2 to 64"),
    ("cnvW1A1", lambda f: _set_classes(f, 65), r"classes\.txt: 65 names; 2 to 64"),
    ("lfcW1A1", lambda f: (f / "classes.txt").write_bytes(b"cat\n\ndog\n"), r"classes\.txt: line 2"),
    ("lfcW1A1", lambda f: (f / "classes.txt").write_bytes(b"cat\nd\x07g\n"), r"classes\.txt: line 2"),
    ("cnvW1A1", lambda f: (f / "classes.txt").write_bytes(b"cat\ndog\ncow\ndog\n"), r"lines 2 and 4 both say 'dog'"),
    ("lfcW1A1", lambda f: (f / "classes.txt").write_bytes(b"\xff\xfe\x00cat"), r"classes\.txt: cannot be read as"),
    ("lfcW1A1", lambda f: [p.unlink() for p in f.glob("*.bin")], r"no parameter files"),
    ("lfcW1A1", lambda f: (f / "1-63-weights.bin").unlink(), r"1-63-weights\.bin: no such file"),
    ("cnvW1A1", lambda f: (f / "5-0-thres.bin").unlink(), r"5-0-thres\.bin: no such file"),
    ("cnvW1A1", lambda f: [p.unlink() for p in f.glob("8-*")], r"8-0-weights\.bin: no such file"),
    ("lfcW1A1", lambda f: _rewrite(f, "2-7-weights.bin", lambda c: c + bytes(8)), r"2-7-weights\.bin: 4104 bytes"),
    ("cnvW1A1", lambda f: _rewrite(f, "3-2-thres.bin", lambda c: c + bytes(8)), r"3-2-thres\.bin: 72 bytes"),
    ("lfcW1A1", lambda f: _rewrite(f, "2-7-weights.bin", lambda c: c[:-3]), r"2-7-weights\.bin: 4093 bytes"),
    ("cnvW1A1", lambda f: _rewrite(f, "0-3-weights.bin", _word(8, 5)), r"0-3-weights\.bin: word 5 has bits above"),
    ("cnvW1A1", lambda f: _rewrite(f, "8-1-weights.bin", _word(2, 0)), r"8-1-weights\.bin: word 0 has bits above"),
    ("lfcW1A1", lambda f: _rewrite(f, "1-9-thres.bin", _word(2**40, 4)), r"1-9-thres\.bin: word 4 is the threshold 1"),
    ("lfcW1A1", lambda f: _rewrite(f, "1-9-thres.bin", _word(2**63, 4)), r"1-9-thres\.bin: word 4 is the threshold -9"),
    ("lfcW1A1", _pad_with_zeros, r"0-3-weights\.bin: neuron 3 has weights of −1 after its 784 pixels"),
    ("cnvW1A1", _more_thresholds(2), r"2 thresholds a neuron.*W1A2 or W2A2"),
    ("lfcW1A1", _more_thresholds(3), r"3 thresholds a neuron.*W1A2 or W2A2"),
    ("cnvW1A1", lambda f: shutil.copy(f / "7-0-weights.bin", f / "7-1-weights.bin"), r"7-1-weights\.bin: cnvW1A1 has"),
    ("lfcW1A1", lambda f: shutil.copy(f / "3-0-weights.bin", f / "4-0-weights.bin"), r": cnvW1A1 has no such"),
]


@pytest.mark.parametrize(("kind", "damage", "message"), BAD, ids=[message for _, _, message in BAD])
def test_bad_folders_give_one_clear_error(kind, damage, message, folder):
    damage(folder)
    with pytest.raises(ImportFolderError, match=message) as caught:
        import_folder(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("make", "message"), [(lambda p: None, "no such folder"), (Path.touch, "not a folder")])
def test_a_place_that_is_no_folder_is_named(make, message, tmp_path):
    make(tmp_path / "place")
    with pytest.raises(ImportFolderError, match=message):
        import_folder(tmp_path / "place")


# --- real hardware -----------------------------------------------------------------------------------

@pytest.mark.parametrize(("picture", "via_64", "label", "printed"), [
    ("deer.jpg", False, "Deer", [234, 231, 265, 248, 410, 257, 224, 262, 226, 233]),
    ("car.png", True, "Automobile", [258, 417, 233, 206, 238, 215, 222, 238, 236, 249]),
])
def test_native_scores_equal_what_the_fpga_printed(picture, via_64, label, printed):
    folder = bnn_pynq_dir()
    network = import_folder(folder / "cifar10" / "cnvW1A1")
    pixels = bnn_pynq_pixels(folder / "pictures" / picture, draft=False, via_64=via_64)
    scores = CpuBackend(network).scores(pixels[None])
    assert network.output.native_scores(scores).tolist() == [printed]
    assert network.output.classes[int(network.output.indices(scores)[0])] == label


def test_lfc_reaches_the_published_9840_of_10000_digits():
    network = import_folder(bnn_pynq_dir() / "mnist" / "lfcW1A1")
    test = load_dataset(data_dir(), network.input, parts="test").test
    labels = network.output.indices(CpuBackend(network).scores(test.images))
    assert len(labels) == 10000
    assert int((labels == test.labels).sum()) == 9840
