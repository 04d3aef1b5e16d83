"""``bench --train`` times steps of the same shape, captured ones too where there is CUDA."""

import json

import pytest
import torch

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
    captured = {key for key in answer if "captured" in key}
    assert bool(captured) == torch.cuda.is_available()
    if captured:
        assert answer["captured_ratio_to_plain"] == pytest.approx(
            answer["pynq_bnn_captured_step_ms"] / answer["pynq_bnn_step_ms"])
