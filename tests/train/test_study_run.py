"""A study trains its rows as ``train`` would, goes on after a kill, and one row's failure leaves the others alone."""

import csv
import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from devices import DEVICES
from PIL import Image
from publishers import write_cifar10, write_mnist

from pynq_bnn.cli import main
from pynq_bnn.compile.compiler import compile_checkpoint
from pynq_bnn.data.datasets import Dataset
from pynq_bnn.data.split import Split
from pynq_bnn.errors import TrainError
from pynq_bnn.train import study_run
from pynq_bnn.train.checkpoint import load_checkpoint
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.fit import Run, choose_device, train
from pynq_bnn.train.pace import Pace
from pynq_bnn.train.plan import Cost, fitting_scale, measure
from pynq_bnn.train.study import study_from_dict
from pynq_bnn.train.study_run import Options, StudyRun, open_folder
from pynq_bnn.train.study_table import Outcome, markdown, write_results
from pynq_bnn.train.turns import Turns

CPU = torch.device("cpu")
TABLE = {"name": "mine", "height": 8, "width": 8, "channels": 1, "input_bits": 8,
         "rows": [{"type": "conv", "channels": 8, "pool": 2}, {"type": "fc", "units": 16}]}
SETTINGS = {"epochs": 2, "batch": 20}


def stripes(count, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    wave = np.where(np.arange(8) % 2, 200, 50)
    images = np.where(labels[:, None, None] == 0, wave[None, :, None], wave[None, None, :])
    return Split(np.clip(images + rng.normal(0, 30, (count, 8, 8)), 0, 255).astype(np.uint8)[..., None], labels)


DATA = Dataset("stripes", ("across", "down"), stripes(200, 1), test=stripes(50, 2))
ROWS = [{"name": "teacher", "network": TABLE, "settings": {"real": True, "lr": 0.002}},
        {"name": "taught", "network": TABLE, "teacher": "teacher", "settings": {"pool": 2, "crop": 1}},
        {"name": "more", "network": TABLE, "from": "taught", "settings": {"epochs": 3}}]


def prepared(out, rows=ROWS, data=DATA, **options):
    study = study_from_dict({"settings": SETTINGS, "rows": rows}, out)
    options = Options(device=CPU, quiet=True, **options)
    open_folder(study, out, options)
    return StudyRun(study, out, dict.fromkeys(study.names, data),
                    {row.name: TrainConfig(**row.settings) for row in study.rows},
                    dict.fromkeys(study.names, "extend"), options)


def weights(folder, name="last.pt"):
    return load_checkpoint(folder / name)["model"]


def equal(one, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_each_row_is_the_training_that_train_makes(tmp_path):
    outcomes = prepared(tmp_path / "study").train()
    assert [(o.name, o.state, o.epochs) for o in outcomes] == [("teacher", "trained", 2), ("taught", "trained", 2),
                                                              ("more", "trained", 3)]
    topology = study_from_dict({"rows": ROWS}, tmp_path).rows[0].topology
    alone = {"fit": "extend", "quiet": True, "device": "cpu"}
    train(topology, DATA, tmp_path / "t", TrainConfig(**SETTINGS, real=True, lr=0.002), **alone)
    train(topology, DATA, tmp_path / "a", TrainConfig(**SETTINGS, pool=2, crop=1), teacher=str(tmp_path / "t"), **alone)
    result = train(topology, DATA, tmp_path / "m", TrainConfig(batch=20, epochs=3), start=str(tmp_path / "a"), **alone)
    for name, folder in (("teacher", "t"), ("taught", "a"), ("more", "m")):
        assert equal(weights(tmp_path / "study" / name), weights(tmp_path / folder)), name
    assert outcomes[2].test == result["test_accuracy"]
    assert compile_checkpoint(tmp_path / "study" / "taught").provenance["teacher"]["name"] == "mine"


def test_rows_that_train_side_by_side_are_the_same_trainings(tmp_path):
    """The teacher and a row that needs none begin together; the two that wait for the teacher follow."""
    rows = [*ROWS[:2], {"name": "second", "network": TABLE, "teacher": "teacher", "settings": {"seed": 2}},
            {"name": "free", "network": TABLE, "settings": {"epochs": 5}}]
    for name, together in (("apart", False), ("together", True)):
        outcomes = prepared(tmp_path / name, rows, together=together).train()
        assert [outcome.state for outcome in outcomes] == ["trained"] * 4
    for row in rows:
        name = row["name"]
        assert equal(weights(tmp_path / "apart" / name), weights(tmp_path / "together" / name)), name
        assert load_checkpoint(tmp_path / "together" / name)["test_accuracy"] == \
            load_checkpoint(tmp_path / "apart" / name)["test_accuracy"]


def test_a_study_that_was_cut_off_goes_on_with_the_same_command(tmp_path, monkeypatch):
    whole = prepared(tmp_path / "whole").train()
    save, saves = Run._save, []

    def cut(self, *figures):
        save(self, *figures)
        saves.append(self.out.name)
        if saves in (["teacher"], ["teacher", "teacher", "taught"]):
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_save", cut)
    for _ in range(2):
        with suppress(KeyboardInterrupt):
            prepared(tmp_path / "parts").train()
    monkeypatch.setattr(Run, "_save", save)
    assert saves == ["teacher", "teacher", "taught"]
    parts = prepared(tmp_path / "parts").train()
    for name in ("teacher", "taught", "more"):
        assert equal(weights(tmp_path / "parts" / name), weights(tmp_path / "whole" / name)), name
    assert [o.test for o in parts] == [o.test for o in whole]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").rglob("*.pt")}
    assert [o.cells() for o in prepared(tmp_path / "parts").train()] == [o.cells() for o in parts]
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").rglob("*.pt")}


def test_a_row_that_fails_takes_only_those_that_need_it_along(tmp_path):
    wild = {"optimizer": "sgd", "lr": 100, "warmup": 0, "real": True, "loss": "squared-hinge", "epochs": 4}
    rows = [{"name": "wild", "network": TABLE, "settings": wild},
            {"name": "needs", "network": TABLE, "teacher": "wild"},
            {"name": "calm", "network": TABLE}]
    by_name = {outcome.name: outcome for outcome in prepared(tmp_path, rows).train()}
    assert by_name["wild"].state.startswith("failed: the loss is not finite in epoch")
    assert by_name["needs"].state == "not trained: wild failed"
    assert by_name["calm"].trained
    text = markdown(list(by_name.values()))
    assert len(text.splitlines()) == 5
    assert "not trained: wild failed" in text


def test_test_pictures_left_unread_are_read_when_the_study_is_asked_again(tmp_path):
    unread = prepared(tmp_path, data=replace(DATA, test=None)).train()
    assert {outcome.test for outcome in unread} == {None}
    before = weights(tmp_path / "taught")
    read = prepared(tmp_path).train()
    assert all(0 <= outcome.test <= 1 for outcome in read)
    assert equal(before, weights(tmp_path / "taught"))


def test_a_finished_row_is_not_shown_for_other_pictures(tmp_path):
    prepared(tmp_path, ROWS[:1]).train()
    with pytest.raises(TrainError, match="was trained on 200 pictures, labels .*, not 199 pictures"):
        prepared(tmp_path, ROWS[:1], replace(DATA, train=DATA.train.take(np.arange(199)))).train()


def test_a_row_that_cannot_be_judged_is_named_and_judged_by_the_next_try(tmp_path, monkeypatch):
    finish = Run.finish
    monkeypatch.setattr(Run, "finish", lambda self: (_ for _ in ()).throw(TrainError("no room")))
    assert [outcome.state for outcome in prepared(tmp_path, ROWS[:2]).train()] == ["failed: no room"] * 2
    monkeypatch.setattr(Run, "finish", finish)
    assert all(outcome.trained for outcome in prepared(tmp_path, ROWS[:2]).train())


def test_another_study_is_not_mixed_into_a_folder(tmp_path):
    prepared(tmp_path)
    with pytest.raises(TrainError, match="holds another study"):
        prepared(tmp_path, ROWS[:1])
    with pytest.raises(TrainError, match="another --epochs-scale"):
        prepared(tmp_path, scale=2.0)
    with pytest.raises(TrainError, match="other --seconds"):
        prepared(tmp_path, seconds=60)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(TrainError, match=r"study\.json is damaged"):
        prepared(tmp_path)


@pytest.mark.parametrize("options", [{"scale": 0}, {"scale": float("nan")}, {"seconds": -5}])
def test_scales_out_of_range_are_named(options):
    with pytest.raises(TrainError, match=r"^--(epochs-scale|seconds) is "):
        Options(**options)


@pytest.mark.parametrize("device", DEVICES)
def test_trainings_that_take_turns_end_with_the_weights_of_those_alone(tmp_path, monkeypatch, device):
    """A step of one, a step of the other: on CUDA on two streams, with captured steps."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    device = choose_device(device)

    def run(name, seed, epochs):
        study = study_from_dict({"rows": [{"name": "a", "network": TABLE}]}, tmp_path)
        config = TrainConfig(batch=20, epochs=epochs, seed=seed, crop=1)
        (tmp_path / name).mkdir()
        made = Run(study.rows[0].topology, DATA, tmp_path / name, config, "extend", device, True)
        made.start(None, None)
        return made

    for name, seed, epochs in (("one", 1, 2), ("other", 2, 3)):
        for _ in run(f"alone-{name}", seed, epochs).steps():
            pass
    turns = [Turns(run("one", 1, 2).steps(), device), Turns(run("other", 2, 3).steps(), device)]
    issued = 0
    while turns:
        for turn in [turn for turn in turns if not turn.busy()]:
            issued += 1
            if not turn.advance():
                turns.remove(turn)
    assert issued == (2 + 3) * 9 + 2
    for name in ("one", "other"):
        alone = weights(tmp_path / f"alone-{name}")
        for key, tensor in weights(tmp_path / name).items():
            torch.testing.assert_close(tensor, alone[key], rtol=1e-4, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


def test_seconds_are_shared_out_by_what_rows_cost(tmp_path, monkeypatch):
    costs = {"teacher": Cost(1.0, 0, 0, 0), "taught": Cost(2.0, 0.5, 0, 2), "more": Cost(0.5, 0, 3.0, 0)}
    names = iter(costs)
    monkeypatch.setattr(study_run, "measure", lambda *_: costs[next(names)])
    rows = [{**row, "settings": {**row.get("settings", {}), "epochs": 1000}} for row in ROWS]
    run = prepared(tmp_path, rows, seconds=5000)
    run._measure()
    epochs = {row.name: run._config(row).epochs for row in run.study.rows}
    assert len(set(epochs.values())) == 1
    seconds = sum(cost.seconds(epochs[name]) for name, cost in costs.items())
    assert seconds == pytest.approx(5000, rel=0.002)
    assert seconds <= 5000


def test_a_study_of_some_seconds_has_its_epochs_scaled_and_keeps_them(tmp_path):
    rows = [{"name": "one", "network": TABLE, "settings": {"epochs": 10_000}}]
    run = prepared(tmp_path, rows, seconds=4)
    (outcome,) = run.train()
    assert 1 <= outcome.epochs < 10_000
    again = prepared(tmp_path, rows, seconds=4)
    assert again.train()[0].epochs == outcome.epochs


def test_a_step_and_a_copy_of_the_pool_have_a_cost():
    topology = study_from_dict({"rows": ROWS}, None).rows[0].topology
    cost = measure(topology, 2, TrainConfig(batch=10, pool=2), (100, 10, 10), CPU, (topology, TrainConfig(real=True)))
    assert min(cost.epoch, cost.copy, cost.finish) > 0
    assert cost.seconds(5) > cost.seconds(2) > cost.seconds(2, 1) > cost.finish
    assert fitting_scale(cost.seconds(7), [(cost, 1)]) == pytest.approx(7.5, rel=0.01)
    assert fitting_scale(0, [(cost, 10)]) < 0.1


def test_writing_takes_a_part_of_the_time_where_epochs_are_short(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("pynq_bnn.train.pace.time.perf_counter", lambda: clock[0])
    pace = Pace(torch.device("cuda", 0))
    assert pace.may_write(last=False)
    with pace.writing():
        clock[0] += 1
    allowed = []
    for _ in range(200):
        clock[0] += 0.5
        allowed.append((pace.may_write(last=False), pace.may_print(last=False)))
        if allowed[-1][0]:
            with pace.writing():
                clock[0] += 1
    # 10 s a write, of which 1 s writes; a line each 10 s.
    assert sum(write for write, _ in allowed) == pytest.approx(200 * 0.5 / 9, abs=1)
    assert sum(line for _, line in allowed) == pytest.approx(12, abs=2)
    assert pace.may_write(last=True)
    assert pace.may_print(last=True)
    assert Pace(CPU).may_write(last=False)


def test_the_best_epoch_waits_for_its_writing_and_is_not_lost(tmp_path, monkeypatch):
    """With a pace that lets only the last epoch write, the best checkpoint is the one of a training that writes all."""
    for name in ("each", "last"):
        if name == "last":
            monkeypatch.setattr(Pace, "may_write", lambda self, last: last)
        prepared(tmp_path / name, [{"name": "a", "network": TABLE, "settings": {"epochs": 6}}]).train()
    best = [load_checkpoint(tmp_path / name / "a") for name in ("each", "last")]
    assert best[0]["epoch"] == best[1]["epoch"]
    assert equal(best[0]["model"], best[1]["model"])


def test_curves_and_tables_of_many_rows_can_be_drawn(tmp_path):
    history = [{"epoch": n, "validation_accuracy": n / 50} for n in range(1, 41)]
    outcomes = [Outcome(f"row{n}", "trained", "net", 40, 40, 0.8, None if n % 2 else 0.79, 12.3, "CPU", history)
                for n in range(12)]
    write_results(tmp_path, [*outcomes, Outcome("lost", "failed: a | b")], "Many")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size[0] > 800
    with open(tmp_path / "table.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == [*(f"row{n}" for n in range(12)), "lost"]
    assert rows[0]["test"] == "79.00%"
    assert rows[12]["state"] == "failed: a | b"
    assert "a \\| b" in (tmp_path / "table.md").read_text()


# --- the command ---------------------------------------------------------------------------------------


def test_the_shipped_study_runs_through_on_a_few_pictures(tmp_path, capsys):
    write_cifar10(tmp_path / "data", 40, 10)
    write_mnist(tmp_path / "data", 40, 10)
    command = ["study", "shipped", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--epochs-scale",
               "0.003", "--device", "cpu", "--quiet"]
    assert main(command) == 0
    with open(tmp_path / "out" / "table.csv", encoding="utf-8") as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["teacher", "binarynet-cifar10", "binealnet-cifar10", "vgg16-cifar10", "cnv-cifar10",
                          "lfc-mnist", "mlp-mnist"]
    assert {row["state"] for row in rows.values()} == {"trained"}
    assert all(row["test"] for row in rows.values())
    capsys.readouterr()
    assert main(command) == 0  # nothing is left to train
    assert capsys.readouterr().out == (tmp_path / "out" / "table.md").read_text()
    state = json.loads((tmp_path / "out" / "study.json").read_text())
    assert state["epochs_scale"] == 0.003
    assert compile_checkpoint(tmp_path / "out" / "cnv-cifar10").provenance["training"]["pool"] == 40


@pytest.mark.parametrize(("more", "words"), [
    ([], "is not a directory"), (["--out", ""], "--out is empty"), (["--epochs-scale", "0"], "--epochs-scale is 0.0"),
    (["--seconds", "5", "--epochs-scale", "1"], "give one of them")])
def test_a_command_that_cannot_be_meant_is_one_line(tmp_path, capsys, more, words):
    (tmp_path / "s.json").write_text(json.dumps({"rows": [{"name": "a", "network": TABLE}]}))
    command = ["study", str(tmp_path / "s.json"), "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main([*command, *more]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_several_processes_do_not_train_one_study(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert main(["study", "shipped", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "a study runs in one process" in capsys.readouterr().err


def test_a_teacher_outside_the_study_with_other_classes_is_refused_before_training(tmp_path, capsys):
    topology = study_from_dict({"rows": ROWS}, tmp_path).rows[0].topology
    train(topology, replace(DATA, classes=("up", "down")), tmp_path / "old", TrainConfig(epochs=1), quiet=True,
          device="cpu")
    rng = np.random.default_rng(0)
    for name in DATA.classes:
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "own" / name / f"{i}.png")
    for network, words in ((TABLE, "knows the classes ['up', 'down']"), ({**TABLE, "width": 9}, "takes (8, 8, 1, 8)")):
        content = {"settings": {"epochs": 1}, "rows": [{"name": "a", "network": network, "teacher": "old"}]}
        (tmp_path / "s.json").write_text(json.dumps(content))
        assert main(["study", str(tmp_path / "s.json"), "--data", str(tmp_path / "own"), "--out",
                     str(tmp_path / "out"), "--quiet"]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
