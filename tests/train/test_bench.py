"""``bench --train`` times three steps of the same shape."""

import json

import pytest

from pynq_bnn.cli import main
from pynq_bnn.train import bench


def test_bench_train_prints_the_ratios_of_what_it_timed(capsys, monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 3)
    monkeypatch.setattr(bench, "BATCH", 4)
    assert main(["bench", "--train", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    for peer in ("real_valued", "stock_brevitas"):
        assert answer[f"{peer}_step_ms"] > 0
        assert answer[f"ratio_to_{peer}"] == pytest.approx(answer["pynq_bnn_step_ms"] / answer[f"{peer}_step_ms"])
