"""Every command as a user calls it; every error one line on stderr, exit status 2, no traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commandline import fails, run
from PIL import Image

from pynq_bnn import cli, load_network, save_network
from pynq_bnn.engine import find_library
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network

PHOTOS = Path(__file__).parents[1] / "notebooks" / "photos"


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "mine.bnn"
    save_network(untrained_network(TOPOLOGIES["tfc-mnist"]), path)
    return path


@pytest.fixture
def own_pictures(tmp_path):
    """Two classes of plain pictures in folders, as a user has them."""
    rng = np.random.default_rng(0)
    for name, base in (("bright", 200), ("dark", 50)):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(base + rng.normal(0, 20, (40, 30, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{i}.png")
    return tmp_path / "own"


def test_classify_prints_a_line_for_every_photo(capsys):
    status, out, err = run(capsys, "classify", PHOTOS)
    assert (status, err) == (0, "")
    assert [Path(line.split()[0]).name for line in out.splitlines()] == sorted(p.name for p in PHOTOS.glob("*.jpg"))


def test_classify_json_holds_scores_and_the_best_classes(capsys):
    status, out, _ = run(capsys, "classify", PHOTOS / "cat.jpg", "--json", "--top", 2)
    (answer,) = json.loads(out)
    assert status == 0
    assert len(answer["scores"]) == len(answer["probabilities"]) == len(answer["sums"]) == 10
    assert int(np.argmax(answer["scores"])) == answer["index"]
    assert answer["doubt"] == ""
    assert [best["label"] for best in answer["top"]][0] == answer["label"]
    assert len(answer["top"]) == 2


def test_one_bad_picture_is_named_and_the_others_are_still_labelled(capsys, tmp_path):
    (tmp_path / "broken.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes()[:3000])
    status, out, err = run(capsys, "classify", tmp_path / "broken.jpg", PHOTOS / "cat.jpg")
    assert status == 2
    assert "cat.jpg" in out
    assert "broken.jpg" in err
    assert len(err.splitlines()) == 1


def test_show_writes_a_png(capsys, tmp_path):
    status, out, _ = run(capsys, "show", PHOTOS, "-o", tmp_path / "out.png")
    assert status == 0
    assert Image.open(tmp_path / "out.png").height > 7 * 200


def test_show_makes_several_files_of_many_pictures(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.classify, "MAX_ROWS", 3)
    status, out, _ = run(capsys, "show", PHOTOS, "-o", tmp_path / "out.png")
    assert status == 0
    assert out.splitlines() == [f"wrote {tmp_path / name}" for name in ("out.png", "out-2.png", "out-3.png")]
    heights = [Image.open(tmp_path / name).height for name in ("out.png", "out-2.png", "out-3.png")]
    assert heights[0] == heights[1] == 3 * heights[2]


def test_a_picture_with_nothing_to_see_is_called_blank(capsys, tmp_path):
    Image.new("RGB", (300, 200), "white").save(tmp_path / "page.png")
    status, out, _ = run(capsys, "classify", tmp_path / "page.png", "--network", "lfc-mnist")
    assert status == 0
    assert "blank: there is nothing to see" in out
    (answer,) = json.loads(run(capsys, "classify", tmp_path / "page.png", "--network", "lfc-mnist", "--json")[1])
    assert answer["doubt"] == "blank"
    assert run(capsys, "show", tmp_path / "page.png", "--network", "lfc-mnist", "-o", tmp_path / "out.png")[0] == 0


def test_networks_and_info_say_what_there_is(capsys, mine):
    _, out, _ = run(capsys, "networks")
    assert "1,542,848" in out
    assert "14,022,016" in out
    rows = {row["name"]: row for row in json.loads(run(capsys, "networks", "--json")[1])}
    assert rows["cnv-cifar10"]["shipped"]
    assert not rows["sfc-mnist"]["shipped"]
    assert "bin_fc" in run(capsys, "info", mine)[1]
    assert json.loads(run(capsys, "info", "lfc-mnist", "--json")[1])["classes"] == list("0123456789")


def test_verify_passes_on_a_right_network_and_fails_on_a_wrong_golden_score(capsys, tmp_path):
    network = load_network(Path(cli.__file__).parent / "zoo" / "lfc-mnist.bnn")
    assert run(capsys, "verify", "lfc-mnist", "--images", 2)[0] == 0
    network.golden.scores[3] += 2
    save_network(network, tmp_path / "wrong.bnn")
    status, out, _ = run(capsys, "verify", tmp_path / "wrong.bnn")
    assert status == 1
    assert "golden image, class 3" in out


def test_own_folder_is_trained_compiled_evaluated_and_classified(capsys, tmp_path, own_pictures):
    pytest.importorskip("torch")
    table = {"name": "mine", "height": 16, "width": 16, "channels": 3, "input_bits": 8,
             "rows": [{"type": "conv", "channels": 16, "pool": 2}, {"type": "fc", "units": 32}]}
    (tmp_path / "mine.json").write_text(json.dumps(table))
    status, out, _ = run(capsys, "train", tmp_path / "mine.json", "--data", own_pictures, "--out", tmp_path / "runs",
                         "--epochs", 8, "--batch", 8, "--quiet", "--device", "cpu", "--crop", 1)
    assert status == 0
    assert "pynq-bnn compile" in out
    assert run(capsys, "compile", tmp_path / "runs", "-o", tmp_path / "mine.bnn")[0] == 0
    status, out, _ = run(capsys, "evaluate", tmp_path / "mine.bnn", "--data", own_pictures, "--json", "--confusion",
                         tmp_path / "confusion.png")
    answer = json.loads(out)
    assert status == 0
    assert (answer["split"], answer["images"], answer["network"]) == ("all", 40, "mine")
    assert answer["top1"] > 0.9
    assert Image.open(tmp_path / "confusion.png").width > 100
    status, out, _ = run(capsys, "classify", own_pictures / "dark", "--network", tmp_path / "mine.bnn", "--json")
    assert sum(row["label"] == "dark" for row in json.loads(out)) > 15


@pytest.mark.parametrize("flags", [(), ("--no-test",)])
def test_training_scores_the_test_pictures_unless_told_not_to(capsys, tmp_path, own_pictures, flags):
    pytest.importorskip("torch")
    (tmp_path / "data").mkdir()
    for part in ("train", "test"):
        shutil.copytree(own_pictures, tmp_path / "data" / part)
    table = {"name": "mine", "height": 8, "width": 8, "channels": 3, "input_bits": 8,
             "rows": [{"type": "fc", "units": 8}]}
    (tmp_path / "mine.json").write_text(json.dumps(table))
    status, out, _ = run(capsys, "train", tmp_path / "mine.json", "--data", tmp_path / "data",
                         "--out", tmp_path / "runs", "--epochs", 1, "--batch", 8, "--quiet", "--device", "cpu", *flags)
    assert status == 0
    assert "validation_accuracy" in out
    assert ("test_accuracy" in out) == (not flags)


@pytest.mark.parametrize("arguments", [["bench", "sfc-mnist", "--images", "8"],
                                       ["bench", "lfc-mnist", "--kernels", "--images", "8"]])
def test_bench_prints_rates(capsys, arguments):
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    answer = json.loads(out)
    assert all(value > 0 for value in answer.values() if isinstance(value, float))
    if "--kernels" in arguments:
        sets = library.instruction_sets if (library := find_library()) else ()
        engines = {key.removesuffix("_images_per_second") for key in answer if key.endswith("_images_per_second")}
        assert engines == {"numpy_gemm", "numpy_popcount", *(f"compiled_{name}" for name in sets)}
    else:
        assert answer["engine"].startswith("compiled, " if find_library() else "NumPy; ")


def test_bench_against_torch_counts_labels_that_agree(capsys):
    status, out, _ = run(capsys, "bench", "lfc-mnist", "--against", "torch", "--images", 8, "--json")
    assert status == 0
    answer = json.loads(out)
    assert answer["torch_float32_same_labels"] == 1
    assert 0 <= answer["torch_bfloat16_same_labels"] <= 1
    assert answer["torch_bfloat16_images_per_second"] > 0


def test_bench_says_how_it_would_compare_with_torch(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "pynq_bnn.train.peer", raising=False)
    status, _, err = run(capsys, "bench", "lfc-mnist", "--against", "torch", "--images", 8)
    assert status == 2
    assert "this command needs torch; install it with: pip install 'pynq-bnn[train]'" in err


def test_bench_says_that_numpy_computes(capsys, monkeypatch):
    monkeypatch.setattr("pynq_bnn.backends.compiled.find_library", lambda: None)
    status, out, _ = run(capsys, "bench", "lfc-mnist", "--images", 8)
    assert status == 0
    assert "NumPy; pynq-bnn was installed without a C compiler" in out


def test_errors_are_one_line(capsys, tmp_path, mine, own_pictures):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.png").mkdir()
    damaged = bytearray(mine.read_bytes())
    damaged[200] ^= 1
    (tmp_path / "damaged.bnn").write_bytes(damaged)
    cases = [
        (["classify", tmp_path / "nope.jpg"], "no such file"),
        (["classify", tmp_path / "text.png"], "not a readable picture"),
        (["classify", tmp_path / "empty"], "no picture in this folder"),
        (["classify", PHOTOS, "--network", "nope"], "no network 'nope'"),
        (["classify", PHOTOS, "--network", tmp_path / "damaged.bnn"], "damaged"),
        (["classify", PHOTOS, "--backend", "nope"], "no backend"),
        (["show", PHOTOS / "cat.jpg", "-o", tmp_path / "no" / "where.png"], "cannot write"),
        (["show", PHOTOS / "cat.jpg", "-o", tmp_path / "x.jpg"], "name it x.png"),
        (["show", PHOTOS / "cat.jpg", "-o", tmp_path / "folder.png"], "a folder or a device is there"),
        (["classify", tmp_path / ("x" * 300)], "File name too long"),
        (["classify", tmp_path / "two\nlines\x1b[2J.png"], "two\\nlines\\x1b[2J.png: no such file"),
        (["evaluate", mine, "--data", tmp_path / "two\rlines"], "two\\rlines is not a directory"),
        (["classify", PHOTOS, "--network", "x" * 300], "no network"),
        (["info", tmp_path / ("x" * 300 + ".bnn")], "cannot be read"),
        (["evaluate", mine, "--data", tmp_path / ("x" * 300)], "is not a directory"),
        (["import", tmp_path / ("x" * 300), "-o", tmp_path / "x.bnn"], "no such folder"),
        (["import", tmp_path / "empty", "-o", tmp_path / "x.bnn"], "no classes.txt"),
        (["classify", PHOTOS, "--network", mine, "--fit", "bnn-pynq-64"], "makes pictures of 32×32×3"),
        (["classify", ""], "an empty name"),
        (["show", ""], "an empty name"),
        (["info", tmp_path / "text.png"], "not a .bnn file"),
        (["verify", mine, "--data", tmp_path / "nope"], "is not a directory"),
        (["evaluate", mine, "--data", tmp_path / "empty"], "class folder"),
        (["evaluate", mine, "--data", own_pictures], "class 'bright' is none of the network's"),
    ]
    for arguments, words in cases:
        fails(capsys, *arguments, words=words)


def test_errors_of_train_and_compile_are_one_line(capsys, tmp_path, own_pictures, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "t.json").write_text('{"name": "t", "rows": [{"type": "pool"}]}')
    cases = [
        (["train", "nope", "--data", own_pictures, "--out", tmp_path / "o"], "no topology"),
        (["train", tmp_path / "t.json", "--data", own_pictures, "--out", tmp_path / "o"], "layer 0"),
        (["train", "cnv-cifar10", "--data", tmp_path / "empty", "--out", tmp_path / "o"], "class folder"),
        (["train", "cnv-cifar10", "--data", own_pictures, "--out", tmp_path / "o", "--lr", "-1"], "lr is -1"),
        (["train", "cnv-cifar10", "--data", own_pictures, "--out", tmp_path / "o", "--device", "cuda"], "no CUDA"),
        (["compile", tmp_path / "nope", "-o", tmp_path / "x.bnn"], "does not exist"),
        (["compile", tmp_path / ("x" * 300), "-o", tmp_path / "x.bnn"], "does not exist"),
        (["compile", tmp_path / "text.png", "-o", tmp_path / "x.bnn"], "not a checkpoint"),
        (["compile", tmp_path / "nope", "-o", tmp_path / "x.txt"], ".bnn file"),
    ]
    for arguments, words in cases:
        fails(capsys, *arguments, words=words)
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "x.bnn").exists()


def test_the_module_runs_as_a_command_and_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "pynq_bnn"]
    assert subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.strip() == \
        f"pynq-bnn {cli.__version__}"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run([*command, "networks", "--json"], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "pynq_bnn", "networks"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("pynq-bnn: standard output: No space left")
    assert len(done.stderr.splitlines()) == 1


def test_without_torch_training_says_what_to_install(tmp_path):
    code = ("import sys; sys.modules['torch'] = None\n"
            "from pynq_bnn.cli import main\n"
            "sys.exit(main(['train', 'lfc-mnist', '--data', 'x', '--out', 'y']))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "pynq-bnn: this command needs torch; install it with: pip install 'pynq-bnn[train]'"


def test_memory_that_runs_out_and_ctrl_c_end_in_one_line(capsys, monkeypatch):
    for error, status, words in ((MemoryError, 2, "out of memory"), (KeyboardInterrupt, 130, "interrupted")):
        def broken(arguments, error=error):
            raise error

        monkeypatch.setattr(cli.info, "networks", broken)
        assert cli.main(["networks"]) == status
        assert words in capsys.readouterr().err
