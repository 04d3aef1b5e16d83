"""``train``, ``compile``, ``info`` and ``evaluate`` as users of own pictures meet them: early words, right figures."""

import json
import logging
import os

import numpy as np
import pytest
from commandline import fails, run
from PIL import Image

from pynq_bnn import Classifier, load_network, save_network
from pynq_bnn.network import InputSpec, OutputSpec, signed_codes
from pynq_bnn.network.network import Network
from pynq_bnn.zoo import TOPOLOGIES, Conv, Fc, Topology
from pynq_bnn.zoo.untrained import untrained_network

TABLE = {"name": "mine", "height": 8, "width": 8, "channels": 3, "input_bits": 8, "rows": [{"type": "fc", "units": 8}]}


@pytest.fixture(autouse=True)
def levels():
    """Commands raise the level of the package's log; later tests want it as it was."""
    log = logging.getLogger("pynq_bnn")
    before = log.level
    yield
    log.setLevel(before)


def pictures(root, *classes, count=6):
    """Plain pictures of one grey a class, with noise."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            grey = 255 * (number + 1) // (len(classes) + 1)
            pixels = np.clip(grey + rng.normal(0, 9, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def table(tmp_path, **changes):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**TABLE, **changes}))
    return path


def train(capsys, network, data, out, *more):
    return run(capsys, "train", network, "--data", data, "--out", out, "--epochs", 1, "--batch", 8, "--quiet",
               "--device", "cpu", *more)


# --- what is told before a picture is read ----------------------------------------------------------------------

@pytest.mark.parametrize(("name", "says"), [("two\nlines", "rename it"), ("x" * 230, "1 to 200 characters"),
                                            (b"caf\xe9", "rename it"), ("a\u202eb", "rename it")])
def test_a_class_name_that_no_file_holds_is_refused_before_a_picture_is_read(capsys, tmp_path, name, says):
    pytest.importorskip("torch")
    data = pictures(tmp_path / "data", "a", "b")
    place = os.path.join(os.fsencode(data), name if isinstance(name, bytes) else os.fsencode(name))
    os.rename(data / "a", place)
    for entry in os.scandir(place):
        with open(entry.path, "wb"):
            pass  # a picture that cannot be read
    fails(capsys, "train", table(tmp_path), "--data", data, "--out", tmp_path / "out", words=says)
    assert not (tmp_path / "out").exists()


def test_more_classes_than_a_file_holds_are_refused_before_a_picture_is_read(capsys, tmp_path):
    pytest.importorskip("torch")
    for number in range(1025):
        (tmp_path / "data" / f"{number:04}").mkdir(parents=True)
    fails(capsys, "train", table(tmp_path), "--data", tmp_path / "data", "--out", tmp_path / "out",
          words="1025 classes; up to 1024 fit")


def test_joiners_and_wide_spaces_are_trained_compiled_and_evaluated(capsys, tmp_path):
    pytest.importorskip("torch")
    names = ("می\u200cخواهم", "क्\u200dष", "wide\u00a0space")
    data = pictures(tmp_path / "data", *names)
    assert train(capsys, table(tmp_path), data, tmp_path / "out")[0] == 0
    assert run(capsys, "compile", tmp_path / "out", "-o", tmp_path / "mine.bnn")[0] == 0
    assert set(load_network(tmp_path / "mine.bnn").output.classes) == set(names)
    assert run(capsys, "evaluate", tmp_path / "mine.bnn", "--data", data)[0] == 0


def test_a_folder_in_use_is_refused_before_the_pictures_are_looked_for(capsys, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "last.pt").write_bytes(b"")
    fails(capsys, "train", table(tmp_path), "--data", tmp_path / "nowhere", "--out", tmp_path / "out", words="--resume")


def test_train_says_what_it_read_what_it_left_out_and_whether_the_accelerator_takes_it(capsys, tmp_path, caplog):
    pytest.importorskip("torch")
    data = pictures(tmp_path / "data", "a", "b")
    (data / "a" / "photo.heic").write_bytes(b"x")
    assert train(capsys, table(tmp_path), data, tmp_path / "out")[0] == 0
    words = [record.getMessage() for record in caplog.records]
    assert "mine fits the accelerator" in words
    assert "data, 2 classes; train 12 pictures: a 6, b 6" in words
    assert any("1 .heic" in line for line in words)
    assert "2 of the 12 training pictures are held out for choosing the best epoch" in words


def test_digits_and_traffic_signs_are_not_mirrored_unless_asked_for():
    from pynq_bnn.cli import build_parser
    from pynq_bnn.commands.train import _config
    from pynq_bnn.data.classes import CIFAR10_CLASSES, DIGITS, GTSRB_CLASSES

    for flags, expected in (([], [True, False, False, True]), (["--flip"], [True] * 4), (["--no-flip"], [False] * 4)):
        arguments = build_parser().parse_args(["train", "cnv-cifar10", "--data", "x", "--out", "y", *flags])
        found = [_config(arguments, TOPOLOGIES["cnv-cifar10"], classes).flip
                 for classes in (CIFAR10_CLASSES, DIGITS, GTSRB_CLASSES, ("a", "b"))]
        assert found == expected


# --- the accelerator's limits -----------------------------------------------------------------------------------

WIDE = {"rows": [{"type": "conv", "channels": 8, "kernel": 5}]}


def test_a_network_too_large_for_the_accelerator_is_told_by_train_compile_and_info(capsys, tmp_path, caplog):
    pytest.importorskip("torch")
    data, limit = pictures(tmp_path / "data", "a", "b"), "its window has 75 pixel values; up to 64 fit"
    assert train(capsys, table(tmp_path, **WIDE), data, tmp_path / "out")[0] == 0
    told = [record for record in caplog.records if limit in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]
    assert "layer 0 (fp_conv)" in told[0].getMessage()
    assert limit in run(capsys, "compile", tmp_path / "out", "-o", tmp_path / "mine.bnn")[1]
    assert limit in run(capsys, "info", tmp_path / "mine.bnn")[1]
    answer = json.loads(run(capsys, "info", tmp_path / "mine.bnn", "--json")[1])["accelerator"]
    assert (answer["fits"], limit in answer["refusal"]) == (False, True)


def test_info_says_that_the_accelerator_takes_a_network(capsys):
    assert "accelerator  takes it" in run(capsys, "info", "lfc-mnist")[1]
    assert json.loads(run(capsys, "info", "lfc-mnist", "--json")[1])["accelerator"] == {"fits": True, "refusal": None}


# --- where few pictures start from -----------------------------------------------------------------------------

def test_few_pictures_start_from_the_network_that_ships_unless_told_not_to(capsys, tmp_path, caplog):
    torch = pytest.importorskip("torch")
    data = pictures(tmp_path / "data", "a", "b")
    assert train(capsys, "cnv-cifar10", data, tmp_path / "warm", "--lr", "1e-9")[0] == 0
    assert "few pictures (12): started from cnv-cifar10" in caplog.text
    caplog.clear()
    assert train(capsys, "cnv-cifar10", data, tmp_path / "cold", "--lr", "1e-9", "--from", "scratch")[0] == 0
    assert "few pictures" not in caplog.text
    shipped = torch.from_numpy(load_network_of("cnv-cifar10").layers[0].weights.astype(np.float32)).permute(0, 3, 1, 2)
    for name, same in (("warm", True), ("cold", False)):
        state = torch.load(tmp_path / name / "best.pt", weights_only=True)
        assert torch.equal(state["model"]["blocks.0.conv.weight"] > 0, shipped > 0) == same
        assert (state["start"] or {}).get("name") == ("cnv-cifar10" if same else None)


def load_network_of(name):
    from pynq_bnn.zoo import find_network

    return find_network(name)


def test_what_is_asked_for_is_started_from_whatever_the_default(tmp_path):
    pytest.importorskip("torch")
    from pynq_bnn.cli import build_parser
    from pynq_bnn.commands.train import _config, _start

    cnv = TOPOLOGIES["cnv-cifar10"]

    def start(*flags, pictures=100):
        arguments = build_parser().parse_args(["train", "cnv-cifar10", "--data", "x", "--out", str(tmp_path), *flags])
        return _start(arguments, cnv, _config(arguments, cnv, ("a", "b")), pictures)

    assert (start(), start(pictures=20_000), start("--from", "scratch")) == ("cnv-cifar10", None, None)
    assert (start("--real"), start("--shift-norm")) == (None, None)
    for flags in ([], ["--real"], ["--shift-norm"], ["--resume"]):
        assert start("--from", "mine", *flags) == start("--from", "mine", *flags, pictures=50_000) == "mine"
    (tmp_path / "last.pt").write_bytes(b"")
    assert start("--resume") is None


def test_few_pictures_for_layers_of_one_s_own_are_told(capsys, tmp_path, caplog):
    pytest.importorskip("torch")
    assert train(capsys, table(tmp_path), pictures(tmp_path / "data", "a", "b"), tmp_path / "out")[0] == 0
    assert "few pictures (12) for random weights" in caplog.text


def test_the_default_start_is_for_few_pictures_the_same_layers_and_weights_of_one_bit():
    warm = pytest.importorskip("pynq_bnn.train.warm")
    from pynq_bnn.train.config import TrainConfig

    cnv = TOPOLOGIES["cnv-cifar10"]
    mine = Topology("mine", "", 32, 32, 3, 8, cnv.rows, ("x", "y"))
    assert [warm.default_start(t, TrainConfig(), 100) for t in (cnv, mine, TOPOLOGIES["lfc-mnist"])] == \
        ["cnv-cifar10", "cnv-cifar10", "lfc-mnist"]
    assert warm.default_start(cnv, TrainConfig(), warm.FEW_PICTURES) is None
    for config in (TrainConfig(real=True), TrainConfig(shift_norm=True)):
        assert warm.default_start(cnv, config, 100) is None
    for other in (Topology("mine", "", 32, 32, 3, 8, (*cnv.rows, Fc(64))), TOPOLOGIES["sfc-mnist"],
                  Topology("mine", "", 32, 32, 3, 8, (Conv(64),))):
        assert warm.default_start(other, TrainConfig(), 100) is None


# --- evaluate -------------------------------------------------------------------------------------------------

@pytest.fixture
def network(tmp_path):
    """Untrained, of a few named classes."""
    def make(*classes):
        base = untrained_network(Topology("mine", "", 8, 8, 3, 8, (Fc(8),), classes))
        ones = np.ones(len(classes), np.float32)
        named = Network("mine", InputSpec(8, 8, 3, signed_codes()), base.layers, OutputSpec(classes, ones, 0 * ones))
        save_network(named, tmp_path / "mine.bnn")
        return tmp_path / "mine.bnn"
    return make


def test_names_that_differ_in_case_alone_are_classes_of_their_own(capsys, tmp_path, network):
    """Every picture of a class counts in the row of exactly that class: the answers are those of ``classify``."""
    data, file = pictures(tmp_path / "data", "A", "a", "B", count=9), network("a", "B", "A")
    right = 0
    for name in ("A", "a", "B"):
        answers = json.loads(run(capsys, "classify", data / name, "--network", file, "--json")[1])
        right += sum(answer["label"] == name for answer in answers)
    answer = json.loads(run(capsys, "evaluate", file, "--data", data, "--json")[1])
    assert answer["top1"] == pytest.approx(right / 27)


def test_other_case_is_taken_where_one_class_alone_can_be_meant(capsys, tmp_path, network):
    data = pictures(tmp_path / "data", "CAT", "Dog")
    assert run(capsys, "evaluate", network("cat", "dog"), "--data", data)[0] == 0
    fails(capsys, "evaluate", network("Cat", "cat", "dog"), "--data", data, words="class 'CAT' is none of the")


def test_top_5_is_printed_for_more_than_five_classes_alone(capsys, tmp_path, network):
    for count in (5, 6):
        classes = tuple("abcdef"[:count])
        data = pictures(tmp_path / str(count), *classes, count=2)
        file = network(*classes)
        assert ("top-5" in run(capsys, "evaluate", file, "--data", data)[1]) == (count > 5)
        assert (json.loads(run(capsys, "evaluate", file, "--data", data, "--json")[1])["top5"] is None) == (count <= 5)


def test_what_is_there_is_evaluated_and_what_is_missing_said(capsys, tmp_path, network):
    file, data = network("apple", "pear", "plum"), pictures(tmp_path / "data", "pear")
    status, out, _ = run(capsys, "evaluate", file, "--data", data)
    assert (status, "no picture of: apple, plum" in out) == (0, True)
    answers = json.loads(run(capsys, "classify", data, "--network", file, "--json")[1])
    answer = json.loads(run(capsys, "evaluate", file, "--data", data, "--json")[1])
    assert answer["missing"] == ["apple", "plum"]
    assert answer["top1"] == pytest.approx(np.mean([row["label"] == "pear" for row in answers]))
    for place in ("pear", "pear/."):
        assert json.loads(run(capsys, "evaluate", file, "--data", data / place, "--json")[1])["top1"] == answer["top1"]
    (data / "pear").rename(data / "melon")
    fails(capsys, "evaluate", file, "--data", data / "melon", words="class 'melon' is none of the network's")


def test_a_folder_of_files_that_cannot_be_read_is_said_by_classify(capsys, tmp_path, network):
    data = pictures(tmp_path / "data", "a", "b")
    (data / "a" / "photo.HEIC").write_bytes(b"x")
    status, out, err = run(capsys, "classify", data, "--network", network("a", "b"))
    assert (status, len(out.splitlines())) == (0, 12)
    assert "1 .heic" in err
    assert len(err.splitlines()) == 1


# --- files of other kinds --------------------------------------------------------------------------------------

def test_files_of_other_kinds_given_to_compile_are_named_without_unsafe_advice(capsys, tmp_path, network):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(2, 2)
    torch.save(model, tmp_path / "model.pth")
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    torch.save({"epoch": 1, "state_dict": model.state_dict()}, tmp_path / "trainer.pth")
    torch.jit.save(torch.jit.script(model), str(tmp_path / "script.pt"))
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07\x12\x07pytorch")
    (tmp_path / "text.pt").write_bytes(b"no checkpoint")
    network("a", "b")
    for name, words in (("model.pth", "more than tensors"), ("weights.pth", "weights of another trainer"),
                        ("trainer.pth", "weights of another trainer"), ("script.pt", "script.pt is damaged or not"),
                        ("net.onnx", "a model of ONNX"), ("mine.bnn", "folded already"),
                        ("text.pt", "not a checkpoint")):
        assert "weights_only" not in fails(capsys, "compile", tmp_path / name, "-o", tmp_path / "x.bnn", words=words)
    assert not (tmp_path / "x.bnn").exists()


@pytest.mark.parametrize("thing", [None, 3, b"bytes", "model"])
def test_what_is_no_path_is_no_checkpoint(thing):
    torch = pytest.importorskip("torch")
    from pynq_bnn.compile.compiler import compile_checkpoint
    from pynq_bnn.errors import TrainError

    with pytest.raises(TrainError, match="is no checkpoint; give the --out directory|does not exist"):
        compile_checkpoint(torch.nn.Linear(2, 2) if thing == "model" else thing)


def test_an_empty_name_is_not_the_present_folder(capsys, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    data = pictures(tmp_path / "data", "a", "b")
    monkeypatch.chdir(data)
    for arguments in (["train", table(tmp_path), "--data", "", "--out", tmp_path / "out"],
                      ["train", table(tmp_path), "--data", data, "--out", ""], ["compile", "", "-o", "x.bnn"],
                      ["evaluate", "lfc-mnist", "--data", ""]):
        fails(capsys, *arguments, words="empty")
    assert sorted(path.name for path in data.iterdir()) == ["a", "b"]


def test_a_training_given_for_a_network_says_how_to_fold_it(capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "best.pt").write_bytes(b"x")
    for place in (tmp_path / "out", tmp_path / "out" / "best.pt"):
        fails(capsys, "info", place, words=f"fold it first: pynq-bnn compile {place}")


# --- grey pictures ----------------------------------------------------------------------------------------------

def grey_pictures(root, names):
    """28×28 signs, dark on white in every other class, so that a rule for handwriting would turn these around."""
    rng = np.random.default_rng(3)
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.full((28, 28), 250, np.uint8)
            pixels[5:23, 5:23] = rng.integers(0, 90, (18, 18))
            Image.fromarray(pixels if number % 2 else 255 - pixels).save(root / name / f"{i}.png")
    return root


@pytest.mark.parametrize(("names", "handwriting"), [
    ([f"{digit}" for digit in range(10)], True), (list("ABCDEFGHIJKL"), True),
    (["bag", "boot", "coat", "dress", "pullover", "sandal", "shirt", "sneaker", "top", "trousers"], False),
    (["0", "1"], False), ([f"{number}" for number in range(11)], False),
])
def test_grey_networks_read_handwriting_only_where_their_classes_are_letters_or_digits(capsys, tmp_path, names,
                                                                                       handwriting, caplog):
    pytest.importorskip("torch")
    data = grey_pictures(tmp_path / "data", names)
    network = table(tmp_path, height=28, width=28, channels=1)
    assert train(capsys, network, data, tmp_path / "out")[0] == 0
    assert any(f"fitted by {'digit' if handwriting else 'extend'!r}" in r.getMessage() for r in caplog.records)
    assert run(capsys, "compile", tmp_path / "out", "-o", tmp_path / "mine.bnn")[0] == 0
    with Classifier(tmp_path / "mine.bnn", "cpu") as classifier:
        for name in names[:2]:
            pixels = np.asarray(Image.open(data / name / "0.png"))
            expected = 255 - pixels if handwriting and pixels[0, 0] > 128 else pixels
            assert np.array_equal(classifier.prepare(data / name / "0.png")[:, :, 0], expected), name
            assert np.array_equal(classifier.classify(pixels).input_image[:, :, 0], expected), name


def test_the_rule_of_grey_pictures_can_be_chosen(capsys, tmp_path):
    pytest.importorskip("torch")
    data = grey_pictures(tmp_path / "data", ["0", "1"])
    network = table(tmp_path, height=28, width=28, channels=1)
    assert train(capsys, network, data, tmp_path / "out", "--fit", "digit")[0] == 0
    assert run(capsys, "compile", tmp_path / "out", "-o", tmp_path / "mine.bnn")[0] == 0
    assert load_network(tmp_path / "mine.bnn").input.fit == "digit"


@pytest.mark.parametrize(("names", "fits"), [(list("0123456789"), ("digit", "crop")),
                                             (["coat", "bag"], ("extend", "crop"))])
def test_rows_of_a_study_take_the_rule_of_their_pictures_or_their_own(capsys, tmp_path, names, fits):
    pytest.importorskip("torch")
    data = grey_pictures(tmp_path / "data", names)
    network = {**TABLE, "height": 28, "width": 28, "channels": 1}
    rows = [{"name": "usual", "network": network}, {"name": "own", "network": network, "fit": "crop"}]
    (tmp_path / "s.json").write_text(json.dumps({"settings": {"epochs": 1, "batch": 8}, "rows": rows}))
    assert run(capsys, "study", tmp_path / "s.json", "--data", data, "--out", tmp_path / "out", "--quiet", "--device",
               "cpu")[0] == 0
    for name, fit in zip(("usual", "own"), fits):
        assert run(capsys, "compile", tmp_path / "out" / name, "-o", tmp_path / f"{name}.bnn")[0] == 0
        assert load_network(tmp_path / f"{name}.bnn").input.fit == fit
