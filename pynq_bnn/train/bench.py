"""A training step of CNV against those of a real-valued CNV and of the stock Brevitas CNV, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from brevitas_examples.bnn_pynq.models.CNV import CNV
from torch import Tensor, nn

from ..zoo import TOPOLOGIES
from .fit import autocast, device_name
from .model import BinaryChain
from .real import RealChain

BATCH, ROUNDS = 100, 8


def compare_steps() -> dict[str, object]:
    """Median milliseconds of a step (forward, backward, Adam, clipping) at batch 100, rounds interleaved.

    The real-valued CNV is trained in the same way as ours: bfloat16, channels_last.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), device=device).float()
    labels = torch.randint(0, 10, (BATCH,), device=device)
    topology = TOPOLOGIES["cnv-cifar10"]
    stock = CNV(10, 1, 1, 8, 3).to(device)
    ours, real = (kind(topology, 10).to(device, memory_format=torch.channels_last) for kind in (BinaryChain, RealChain))
    q = (pixels - 128).contiguous(memory_format=torch.channels_last)
    steps = {"stock_brevitas": _step(stock, pixels / 255, labels, lambda: stock.clip_weights(-1, 1), fast=False),
             "real_valued": _step(real, q, labels, real.clip_weights, fast=True),
             "pynq_bnn": _step(ours, q, labels, ours.clip_weights, fast=True)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            times[name].append(_timed(step, device))
    milliseconds = {name: 1e3 * median(values[2:]) for name, values in times.items()}
    return {"network": f"CNV, batch {BATCH}", "device": device_name(device), "torch": torch.__version__,
            **{f"{name}_step_ms": value for name, value in milliseconds.items()},
            "ratio_to_real_valued": milliseconds["pynq_bnn"] / milliseconds["real_valued"],
            "ratio_to_stock_brevitas": milliseconds["pynq_bnn"] / milliseconds["stock_brevitas"]}


def _step(model: nn.Module, x: Tensor, labels: Tensor, clip: Callable, fast: bool) -> Callable[[], None]:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0, fused=True)

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
