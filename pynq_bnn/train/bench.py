"""Compares a training step, plain and captured, with those of a real-valued network and of stock Brevitas."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from brevitas_examples.bnn_pynq.models.CNV import CNV
from torch import Tensor

from ..zoo import TOPOLOGIES
from .captured import CapturedStep
from .checkpoint import build_model
from .config import TrainConfig
from .fit import device_name
from .step import Step, make_optimizer, on_device

BATCH, ROUNDS = 100, 8
NETWORK = "cnv-cifar10"


def compare_steps() -> dict[str, object]:
    """Median milliseconds of a training step of CNV (forward, backward, Adam, clipping), with rounds interleaved.

    The binary and the real-valued network are trained by this package's step, on CUDA also captured. Stock Brevitas'
    CNV trains in float32, as in its example.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = TOPOLOGIES[NETWORK].input_shape
    pixels = torch.randint(0, 256, (BATCH, shape[2], *shape[:2]), device=device).float()
    labels = torch.randint(0, 10, (BATCH,), device=device)
    q = (pixels - 128).contiguous(memory_format=torch.channels_last)
    steps = {"stock_brevitas": _stock(pixels / 255, labels)}
    for captured in (False, True) if device.type == "cuda" else (False,):
        for name, real in (("real_valued", True), ("pynq_bnn", False)):
            steps[f"{name}_captured" if captured else name] = _ours(q, labels, real, captured)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            times[name].append(_timed(step, device))
    milliseconds = {name: 1e3 * median(values[2:]) for name, values in times.items()}
    return {"network": f"CNV, batch {BATCH}", "device": device_name(device), "torch": torch.__version__,
            **{f"{name}_step_ms": value for name, value in milliseconds.items()}, **_ratios(milliseconds)}


def _ratios(milliseconds: dict[str, float]) -> dict[str, float]:
    ratios = {f"ratio_to_{peer}": milliseconds["pynq_bnn"] / milliseconds[peer]
              for peer in ("real_valued", "stock_brevitas")}
    captured = milliseconds.get("pynq_bnn_captured")
    if captured is not None:
        ratios |= {"captured_ratio_to_plain": captured / milliseconds["pynq_bnn"],
                   "captured_ratio_to_captured_real_valued": captured / milliseconds["real_valued_captured"]}
    return ratios


def _ours(q: Tensor, labels: Tensor, real: bool, captured: bool) -> Callable[[], None]:
    config = TrainConfig(real=real)
    model = on_device(build_model(TOPOLOGIES[NETWORK], 10, config.to_dict()), q.device)
    optimizer = make_optimizer(model, config, torch.tensor(config.lr, device=q.device) if captured else None)
    step = (CapturedStep if captured else Step)(model.train(), optimizer, config, q.device)
    step.set_rate(config.lr, 0.1)
    return lambda: step(q, labels)


def _stock(x: Tensor, labels: Tensor) -> Callable[[], None]:
    model = CNV(10, 1, 1, 8, 3).to(x.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0, fused=True)

    def step() -> None:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        model.clip_weights(-1, 1)

    return step


def _timed(step: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
