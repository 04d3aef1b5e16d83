"""A residual network from its table to its file: it learns, resumes, folds, and teaches in full precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stripes import dataset

from pynq_bnn.backends import PopcountBackend, cpu_backend
from pynq_bnn.compile.compiler import compile_checkpoint
from pynq_bnn.errors import TrainError
from pynq_bnn.network import read_network, save_network, write_network
from pynq_bnn.network.layers import TermRow
from pynq_bnn.train.checkpoint import load_checkpoint
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.fit import train
from pynq_bnn.zoo import Conv, Topology

RESIDUAL = Topology("residual", "", 8, 8, 1, 8, (
    Conv(16, padding=1), Conv(16, padding=1), Conv(16, padding=1, shortcut=0), Conv(24, stride=2, padding=1),
    Conv(24, padding=1, terms=(TermRow(2, 2, 2),) * 2)))


def run(out, epochs=6, resume=False, **changes):
    return train(RESIDUAL, dataset(), out, TrainConfig(epochs=epochs, batch=20, **changes), resume=resume, quiet=True,
                 device="cpu")


def test_it_learns_folds_and_keeps_its_accuracy(tmp_path):
    outcome = run(tmp_path / "out")
    assert outcome["test_accuracy"] > 0.9
    network = compile_checkpoint(tmp_path / "out")
    test = dataset().test
    for engine in (cpu_backend(network), PopcountBackend(network)):
        labels = network.output.indices(engine.scores(test.images))
        assert np.mean(labels == test.labels) == pytest.approx(outcome["test_accuracy"])
    assert [node.reads for node in read_network(write_network(network)).nodes] == \
        [(-1,), (0,), (1, 0), (2,), (3, 2, 2), (4,)]


def test_resumed_it_ends_with_the_same_weights_as_unbroken(tmp_path):
    run(tmp_path / "whole", epochs=2, schedule="step")
    run(tmp_path / "parts", epochs=1, schedule="step")
    run(tmp_path / "parts", epochs=2, schedule="step", resume=True)
    whole, parts = (load_checkpoint(tmp_path / name / "last.pt")["model"] for name in ("whole", "parts"))
    assert any("terms" in name for name in whole)
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name


def test_its_full_precision_twin_learns_too(tmp_path):
    assert run(tmp_path / "real", epochs=3, real=True)["test_accuracy"] > 0.9


def test_a_file_with_joins_is_no_start_and_the_error_says_what_is(tmp_path):
    run(tmp_path / "out", epochs=1)
    save_network(compile_checkpoint(tmp_path / "out"), tmp_path / "residual.bnn")
    with pytest.raises(TrainError, match="joins maps; start from its training directory"):
        train(RESIDUAL, dataset(), tmp_path / "again", TrainConfig(epochs=1, batch=20), quiet=True, device="cpu",
              start=tmp_path / "residual.bnn")
    assert train(RESIDUAL, dataset(), tmp_path / "again", TrainConfig(epochs=1, batch=20), quiet=True, device="cpu",
                 start=tmp_path / "out")["epoch"] == 1
