"""Training learns, survives being cut off at any moment, and refuses what cannot work."""

import contextlib
import csv
import errno
import math
import os
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from stripes import dataset, stripes

from pynq_bnn.data.datasets import Dataset
from pynq_bnn.errors import OutputError, TrainError
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.train.checkpoint import COLUMNS, load_checkpoint, save_checkpoint
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.fit import Run, learning_rate, norm_momentum, train
from pynq_bnn.train.holdout import RANDOM, STRATIFIED
from pynq_bnn.train.lock import training_folder
from pynq_bnn.zoo import Conv, Fc, Topology

SMALL = Topology("small", "", 8, 8, 1, 8, (Conv(32, pool=2), Fc(64)))


def run(out, epochs=3, resume=False, **changes):
    return train(SMALL, dataset(), out, TrainConfig(epochs=epochs, batch=20, **changes), resume=resume, quiet=True,
                 device="cpu")


@pytest.mark.parametrize("changes", [{}, {"loss": "squared-hinge"}, {"optimizer": "sgd", "lr": 0.1},
                                     {"label_smoothing": 0.1, "schedule": "step", "step_every": 8}])
def test_training_learns_stripes_and_leaves_csv_curves_and_checkpoints(tmp_path, changes):
    outcome = run(tmp_path / "a" / "b", epochs=8, **changes)
    assert outcome["test_accuracy"] > 0.9
    with open(tmp_path / "a" / "b" / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(i) for i in range(1, 9)]
    assert set(rows[0]) == set(COLUMNS)
    assert Image.open(tmp_path / "a" / "b" / "curves.png").size[0] > 500
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == \
        ["best.pt", "curves.png", "history.csv", "last.pt"]


def test_resumed_training_ends_with_the_same_weights_as_an_unbroken_one(tmp_path):
    run(tmp_path / "whole", epochs=4, schedule="step", crop=1)
    run(tmp_path / "parts", epochs=2, schedule="step", crop=1)
    run(tmp_path / "parts", epochs=4, schedule="step", crop=1, resume=True)
    whole, parts = (load_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    assert whole["epoch"] == parts["epoch"] == 4
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, parts["model"][name]), name


def test_a_checkpoint_from_before_a_setting_came_goes_on(tmp_path):
    run(tmp_path, epochs=1)
    state = {k: v for k, v in load_checkpoint(tmp_path / "last.pt").items() if k != "format"}
    del state["config"]["pool"]
    save_checkpoint(tmp_path / "last.pt", state)
    assert run(tmp_path, epochs=2, resume=True)["epoch"] in (1, 2)
    assert load_checkpoint(tmp_path / "last.pt")["epoch"] == 2


def test_a_step_cannot_be_captured_without_cuda(tmp_path):
    with pytest.raises(TrainError, match="leave --capture out"):
        train(SMALL, dataset(), tmp_path / "out", TrainConfig(), device="cpu", capture=True)
    assert not (tmp_path / "out").exists()


def changed(path, since):
    return path.exists() and path.stat().st_mtime_ns != since


def test_a_kill_at_any_moment_leaves_a_checkpoint_that_goes_on(tmp_path):
    """Kill the trainer at random moments between and while writing; every restart must find whole files."""
    script = (f"import sys; sys.path[:0] = {sys.path!r}\n"
              "import test_fit as t, pathlib\n"
              "t.run(pathlib.Path(sys.argv[1]), epochs=1000, schedule='step', resume=True)")
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    rng, out, before = np.random.default_rng(5), tmp_path / "out", 0
    for _ in range(3):
        last = out / "last.pt"
        stamp = last.stat().st_mtime_ns if last.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", script, str(out)], env=environment)
        deadline = time.monotonic() + 300
        while not changed(last, stamp) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.6))  # about two epochs, so that kills fall into the writing too
        process.send_signal(signal.SIGKILL)
        process.wait()
        epoch = load_checkpoint(last)["epoch"]
        assert epoch > before
        assert load_checkpoint(out / "best.pt")["validation_accuracy"] > 0
        before = epoch
    (out / ".last.pt.1.partial").write_bytes(b"left by a kill")
    assert run(out, epochs=before + 1, schedule="step", resume=True)["test_accuracy"] > 0.5
    assert load_checkpoint(out / "last.pt")["epoch"] == before + 1
    assert sorted(p.name for p in out.iterdir()) == ["best.pt", "curves.png", "history.csv", "last.pt"]


def test_a_directory_with_a_training_is_not_overwritten(tmp_path):
    run(tmp_path, epochs=1)
    with pytest.raises(TrainError, match="--resume"):
        run(tmp_path, epochs=1)
    with pytest.raises(TrainError, match=r"another config: {'lr': 0\.01}, not {'lr': 0\.5};"):
        run(tmp_path, epochs=2, resume=True, lr=0.5)
    more = Dataset("stripes", ("across", "down"), stripes(410, 1))
    with pytest.raises(TrainError, match="another pictures"):
        train(SMALL, more, tmp_path, TrainConfig(epochs=2, batch=20), resume=True, quiet=True, device="cpu")


@pytest.mark.parametrize("change", [{"config": 3}, {"history": 3}, {"history": [{}]}, {"epoch": "x"}, {"best": None},
                                    {"optimizer": 3}, {"optimizer": {}}, {"model": 3}, {"model": {"a": 1}}])
def test_a_checkpoint_with_odd_values_is_one_clear_error(tmp_path, change):
    run(tmp_path, epochs=1)
    state = {k: v for k, v in load_checkpoint(tmp_path / "last.pt").items() if k != "format"}
    save_checkpoint(tmp_path / "last.pt", {**state, **change})
    with pytest.raises(TrainError, match=r"last\.pt"):
        run(tmp_path, epochs=2, resume=True)


def test_torch_out_of_memory_advises_a_smaller_batch(tmp_path, monkeypatch):
    def full(self, x):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(BinaryChain, "forward", full)
    with pytest.raises(TrainError, match="smaller --batch"):
        run(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip"])
def test_a_damaged_checkpoint_is_one_clear_error(tmp_path, content):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(TrainError, match=r"last\.pt is damaged or not a checkpoint"):
        run(tmp_path, resume=True)


def test_every_flipped_byte_of_a_checkpoint_is_an_error_or_a_checkpoint(tmp_path):
    run(tmp_path, epochs=1)
    whole = (tmp_path / "best.pt").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.integers(8)
        (tmp_path / "broken.pt").write_bytes(broken)
        with contextlib.suppress(TrainError):
            assert load_checkpoint(tmp_path / "broken.pt")["format"]


def test_a_flipped_bit_of_a_weight_is_noticed(tmp_path):
    run(tmp_path, epochs=1)
    whole = (tmp_path / "best.pt").read_bytes()
    weight = load_checkpoint(tmp_path)["model"]["head.fc.weight"].numpy().tobytes()
    place = whole.index(weight)
    for offset in (0, len(weight) // 2, len(weight) - 1):
        broken = bytearray(whole)
        broken[place + offset] ^= 0x80
        (tmp_path / "broken.pt").write_bytes(broken)
        with pytest.raises(TrainError, match=r"broken\.pt is damaged .*checksum"):
            load_checkpoint(tmp_path / "broken.pt")


def test_a_pickle_is_never_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    torch.save({"format": Bomb()}, tmp_path / "best.pt")
    with pytest.raises(TrainError):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})

    def full(state, partial):
        partial.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc] . unexpected pos")  # torch's words for ENOSPC

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"cannot write .*last\.pt"):
        save_checkpoint(path, {"epoch": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]
    assert load_checkpoint(path)["epoch"] == 1


def test_divergence_is_an_error_that_keeps_the_epoch_before(tmp_path):
    run(tmp_path, epochs=1)
    state = load_checkpoint(tmp_path / "last.pt")
    state["model"]["head.norm.weight"].fill_(float("inf"))
    save_checkpoint(tmp_path / "last.pt", {k: v for k, v in state.items() if k != "format"})
    with pytest.raises(TrainError, match="loss is not finite in epoch 2"):
        run(tmp_path, epochs=2, resume=True)
    assert load_checkpoint(tmp_path / "last.pt")["epoch"] == 1


def test_rate_warms_up_then_falls_as_a_cosine_or_in_steps():
    cosine = TrainConfig(epochs=11, lr=1.0, warmup=1)
    assert [round(learning_rate(cosine, e), 3) for e in (0, 0.5, 1, 6, 11)] == [0.01, 0.5, 1.0, 0.5, 0.0]
    assert math.isclose(learning_rate(cosine, 3.5), (1 + math.cos(math.pi / 4)) / 2)
    steps = TrainConfig(epochs=60, lr=1.0, warmup=0, schedule="step", step_every=20, step_gamma=0.1)
    assert [learning_rate(steps, e) for e in (0, 19.9, 20, 45)] == pytest.approx([1, 1, 0.1, 0.01])


def test_statistics_average_the_first_batches_plainly_and_more_of_them_when_the_rate_has_fallen():
    assert [norm_momentum(1.0, n) for n in (0, 1, 3, 9, 1000)] == pytest.approx([1, 1 / 2, 1 / 4, 0.1, 0.1])
    assert [norm_momentum(r, 1000) for r in (0.5, 0.0)] == pytest.approx([0.05, 0.02])


def test_a_training_of_few_steps_has_the_statistics_of_its_pictures(tmp_path):
    """Two steps at a rate of nothing: the running statistics are those of the sums, not the 0 and 1 they start from."""
    train(SMALL, dataset(), tmp_path, TrainConfig(epochs=1, batch=180, lr=1e-9), quiet=True, device="cpu")
    model = load_checkpoint(tmp_path / "last.pt")["model"]
    pixels = torch.from_numpy(dataset().train.images.astype(np.float64) - 128).permute(0, 3, 1, 2)
    sums = torch.nn.functional.conv2d(pixels, torch.where(model["blocks.0.conv.weight"] >= 0, 1.0, -1.0).double())
    np.testing.assert_allclose(model["blocks.0.norm.running_var"], sums.var((0, 2, 3)), rtol=0.1)
    np.testing.assert_allclose(model["blocks.0.norm.running_mean"], sums.mean((0, 2, 3)), atol=0.1 * sums.std())


@pytest.mark.parametrize(("field", "value"), [("epochs", 0), ("lr", -1), ("optimizer", "lion"), ("loss", ""),
                                              ("schedule", None), ("validation", 1.0), ("batch", "8"), ("seed", -1)])
def test_settings_out_of_range_are_named(field, value):
    with pytest.raises(TrainError, match=field):
        TrainConfig(**{field: value})


class Stop(Exception):
    """Stands for a kill: nothing catches it."""


def stopped_at(count, error, monkeypatch):
    """The ``count``-th rename of a written file raises ``error`` in place of renaming."""
    calls, replace_file = [], os.replace

    def rename(source, target):
        calls.append(target)
        if len(calls) == count:
            raise error
        replace_file(source, target)

    monkeypatch.setattr("pynq_bnn.files.os.replace", rename)
    return calls


def test_a_stop_at_any_write_leaves_a_training_that_ends_with_the_same_weights(tmp_path, monkeypatch):
    """By a kill and by a full disk, in turn."""
    with monkeypatch.context() as patch:
        writes = stopped_at(0, Stop(), patch)
        run(tmp_path / "whole", epochs=2)
    whole = load_checkpoint(tmp_path / "whole")
    assert len(writes) >= 8
    for count in range(1, len(writes) + 1):
        out, error = tmp_path / str(count), (Stop(), OSError(errno.ENOSPC, "No space left on device"))[count % 2]
        with monkeypatch.context() as patch:
            stopped_at(count, error, patch)
            with pytest.raises(Stop if isinstance(error, Stop) else OutputError):
                run(out, epochs=2)
        run(out, epochs=2, resume=True)
        parts = load_checkpoint(out)
        assert parts["epoch"] == whole["epoch"]
        assert sorted(p.name for p in out.iterdir()) == ["best.pt", "curves.png", "history.csv", "last.pt"]
        for name, tensor in whole["model"].items():
            assert torch.equal(tensor, parts["model"][name]), (count, name)


# --- which epoch is kept, what may be resumed, who may write ----------------------------------------------------

def test_of_equal_accuracies_the_least_loss_is_kept_then_the_later_epoch(tmp_path, monkeypatch):
    answers = iter([(0.9, 0.5), (0.8, 0.7), (0.6, 0.7), (0.7, 0.7), (0.6, 0.7), (0.1, 0.6), (0.5, 0.5)])
    monkeypatch.setattr(Run, "evaluate", lambda self, model, batches: next(answers))
    outcome = run(tmp_path, epochs=6)
    assert (outcome["epoch"], outcome["validation_accuracy"]) == (5, 0.7)


def test_a_tie_is_judged_by_the_kept_epoch_s_loss_after_a_resume_too(tmp_path, monkeypatch):
    test = (1.0, 0.4)
    answers = iter([(0.3, 0.7), (0.4, 0.7), test, (0.35, 0.7), test, (0.3, 0.7), test])
    monkeypatch.setattr(Run, "evaluate", lambda self, model, batches: next(answers))
    assert run(tmp_path, epochs=2)["epoch"] == 1
    state = {key: value for key, value in load_checkpoint(tmp_path / "last.pt").items()
             if key not in ("format", "best_loss")}
    save_checkpoint(tmp_path / "last.pt", state)  # as earlier trainers left it
    assert run(tmp_path, epochs=3, resume=True)["epoch"] == 1
    assert run(tmp_path, epochs=4, resume=True)["epoch"] == 4


def as_an_earlier_trainer_left_it(place, epochs):
    """A training by the old rule, with the keys that checkpoints had then."""
    data = dataset()
    with training_folder(place):
        old = Run(SMALL, data, place, TrainConfig(epochs=epochs, batch=20, schedule="step"), "extend",
                   torch.device("cpu"), True, RANDOM)
        old.start(None, None)
        for _ in old.steps():
            pass
    state = load_checkpoint(place / "last.pt")
    state["pictures"] = f"400 pictures, labels {zlib.crc32(data.train.labels.tobytes()):08x}"
    save_checkpoint(place / "last.pt", {key: value for key, value in state.items()
                                        if key not in ("format", "split", "best_loss")})


def test_a_training_begun_before_hold_outs_were_stratified_goes_on_with_its_own(tmp_path):
    as_an_earlier_trainer_left_it(tmp_path / "whole", 4)
    as_an_earlier_trainer_left_it(tmp_path / "parts", 2)
    run(tmp_path / "parts", epochs=4, schedule="step", resume=True)
    whole, parts = (load_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, parts["model"][name]), name
    assert parts["split"] == RANDOM
    assert run(tmp_path / "parts", epochs=5, schedule="step", resume=True)
    run(tmp_path / "new", epochs=1)
    assert load_checkpoint(tmp_path / "new" / "last.pt")["split"] == STRATIFIED


def test_the_pictures_are_known_by_what_they_are_not_by_where_they_lie(tmp_path):
    def go_on(epochs, **changes):
        data = replace(dataset(), **changes)
        return train(SMALL, data, tmp_path, TrainConfig(epochs=epochs, batch=20), resume=True, quiet=True, device="cpu")

    run(tmp_path, epochs=1)
    go_on(2, name="moved")
    other = dataset().train
    other.images[0, 0, 0] ^= 1
    with pytest.raises(TrainError, match="another pictures"):
        go_on(3, train=other)
    assert go_on(3, name="moved again", test=None)["epoch"]  # test pictures may come and go


def test_two_trainings_into_one_folder_are_refused(tmp_path):
    with training_folder(tmp_path / "out"):
        with pytest.raises(TrainError, match="another process trains into"):
            run(tmp_path / "out", epochs=1)
        assert list((tmp_path / "out").iterdir()) == []
    run(tmp_path / "out", epochs=1)
    script = ("import sys, pathlib\nfrom pynq_bnn.train.lock import training_folder\n"
              "with training_folder(pathlib.Path(sys.argv[1])):\n    print('mine', flush=True); sys.stdin.read()")
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "out")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert process.stdout.readline() == b"mine\n"
    with pytest.raises(TrainError, match="another process trains into"):
        run(tmp_path / "out", epochs=2, resume=True)
    process.kill()
    process.communicate()
    assert run(tmp_path / "out", epochs=2, resume=True)["epoch"]


def test_a_folder_made_for_a_training_that_cannot_begin_goes_again(tmp_path):
    with pytest.raises(TrainError, match="does not exist"):
        train(SMALL, dataset(), tmp_path / "out", TrainConfig(epochs=1, batch=20), start=str(tmp_path / "none"),
              quiet=True, device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_into_is_refused_before_an_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: not (str(place) == str(tmp_path) and mode & os.W_OK))
    with pytest.raises(OutputError, match="cannot write into the directory"):
        run(tmp_path, epochs=1)


@pytest.mark.parametrize(("words", "says"), [
    ("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0", "could be written.*free some space"),
    ("[enforce fail at inline_container.cc:747] . open file failed with strerror: Read-only file system",
     "Read-only file system; choose another place")])
def test_what_torch_says_of_a_failed_write_is_passed_on_in_words(tmp_path, monkeypatch, words, says):
    def fail(state, partial):
        raise RuntimeError(words)

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OutputError, match=rf"cannot write .*last\.pt: .*{says}"):
        save_checkpoint(tmp_path / "last.pt", {"epoch": 2})


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path, name):
    with pytest.raises(OutputError, match="cannot make the directory .* another --out"):
        run(tmp_path / name, epochs=1)
