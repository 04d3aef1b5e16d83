"""A training step of CNV against the stock Brevitas CNV, on the same device in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from brevitas_examples.bnn_pynq.models.CNV import CNV
from torch import Tensor, nn

from ..zoo import TOPOLOGIES
from .fit import autocast
from .model import BinaryChain

BATCH, ROUNDS = 100, 8


def compare_with_stock() -> dict[str, object]:
    """Median milliseconds of a step (forward, backward, Adam, clipping) at batch 100, rounds interleaved."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), device=device).float()
    labels = torch.randint(0, 10, (BATCH,), device=device)
    stock = CNV(10, 1, 1, 8, 3).to(device)
    ours = BinaryChain(TOPOLOGIES["cnv-cifar10"], 10).to(device, memory_format=torch.channels_last)
    q = (pixels - 128).contiguous(memory_format=torch.channels_last)
    steps = {"stock": _step(stock, pixels / 255, labels, lambda: stock.clip_weights(-1, 1), fast=False),
             "ours": _step(ours, q, labels, ours.clip_weights, fast=True)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            times[name].append(_timed(step, device))
    milliseconds = {name: 1e3 * median(values[2:]) for name, values in times.items()}
    return {"network": "CNV, batch 100", "device": str(device), "torch": torch.__version__,
            "stock_brevitas_step_ms": milliseconds["stock"], "pynq_bnn_step_ms": milliseconds["ours"],
            "ratio": milliseconds["ours"] / milliseconds["stock"]}


def _step(model: nn.Module, x: Tensor, labels: Tensor, clip: Callable, fast: bool) -> Callable[[], None]:
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def step() -> None:
        with autocast(x.device, fast):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        clip()

    return step


def _timed(step: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
