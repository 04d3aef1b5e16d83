"""Two processes of torchrun train one network, as a user starts them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from pynq_bnn.train.checkpoint import load_checkpoint
from pynq_bnn.train.processes import Processes

TABLE = ('{"name": "mine", "height": 8, "width": 8, "channels": 1, "input_bits": 8,'
         ' "rows": [{"type": "conv", "channels": 16, "pool": 2}, {"type": "fc", "units": 32}]}')


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    stripes = np.where(np.arange(8) % 4 < 2, 200, 50)
    for name, base in (("rows", stripes[:, None]), ("columns", stripes[None, :])):
        (place / "own" / name).mkdir(parents=True)
        for i in range(30):
            pixels = np.clip(base + rng.normal(0, 20, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / "own" / name / f"{i}.png")
    (place / "mine.json").write_text(TABLE)
    return place


def torchrun(place, out, *more):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "-m", "pynq_bnn", "train", "mine.json", "--data", "own", "--out", out, "--batch", "10", "--quiet",
               "--device", "cpu", "--schedule", "step", *more]
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(command, cwd=place, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, timeout=600, check=False)


def test_two_processes_train_print_one_result_and_resume_to_the_same_weights(pictures):
    done = torchrun(pictures, "whole", "--epochs", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("validation_accuracy") == 1
    whole = load_checkpoint(pictures / "whole" / "last.pt")
    assert whole["epoch"] == 4
    assert whole["history"][-1]["train_accuracy"] > 0.9
    # The parts of both processes, 54 of 60 pictures, are in each epoch's figures.
    correct = whole["history"][0]["train_accuracy"] * 54
    assert correct == pytest.approx(round(correct), abs=1e-3)
    for epochs in ("2", "4"):
        done = torchrun(pictures, "parts", "--epochs", epochs, "--resume")
        assert done.returncode == 0, done.stderr
    parts = load_checkpoint(pictures / "parts" / "last.pt")["model"]
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, parts[name]), name


def test_an_error_in_two_processes_is_told(pictures):
    done = torchrun(pictures, "out", "--from", "nope")
    assert done.returncode != 0
    assert "nope does not exist" in done.stderr


def test_without_torchrun_there_is_one_process():
    assert Processes.here() == Processes(0, 1)
    assert Processes.here().first
    assert Processes().total(torch.ones(2)).tolist() == [1, 1]
