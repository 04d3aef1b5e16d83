"""Torch models with statistics as training leaves them, for folding tests."""

from __future__ import annotations

import numpy as np
import torch

from pynq_bnn.compile.compiler import positive
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.network.folding import Folded, find_thresholds
from pynq_bnn.network.layers import TermRow
from pynq_bnn.zoo import Conv, Fc, Topology


def randomize(model: BinaryChain, seed: int, *, halves: bool = False) -> BinaryChain:
    """Weights of both signs; γ of both signs and some 0; means at or near reachable sums, so that ties occur.

    With ``halves`` every mean lies half-way between integers and β is 0 (±1 where γ is 0), so that real
    arithmetic of any precision gives the same signs.
    """
    rng = np.random.default_rng(seed)
    for number, block in enumerate((*model.blocks, model.head)):
        layers = [block.binary, *getattr(block, "binary_terms", [])]
        with torch.no_grad():
            for layer in layers:
                layer.weight.copy_(torch.from_numpy(rng.uniform(-1, 1, tuple(layer.weight.shape))))
        norm, count = block.norm, block.norm.num_features
        spread = np.sqrt(sum(layer.weight[0].numel() for layer in layers)) * (74 if number == 0 else 1)
        gamma = rng.normal(0, 1, count) * (rng.random(count) > 0.15)
        mean = np.round(rng.normal(0, spread, count) * 2) / 2
        beta = rng.normal(0, 0.3, count) * (rng.random(count) > 0.3)
        if halves:
            mean = np.floor(mean) + 0.5
            beta = np.where(gamma == 0, rng.choice([-1.0, 1.0], count), 0.0)
        _set(norm, gamma, beta, mean, spread**2 * rng.uniform(0.3, 3, count))
    return model.eval()


def _set(norm, gamma, beta, mean, variance) -> None:
    with torch.no_grad():
        for tensor, values in ((norm.weight, gamma), (norm.bias, beta), (norm.running_mean, mean),
                               (norm.running_var, variance)):
            tensor.copy_(torch.from_numpy(np.asarray(values)))


def fold_block(block: torch.nn.Module, shape: tuple[int, ...], bound: int) -> Folded:
    """Thresholds of a hidden block of the model; see :func:`pynq_bnn.compile.compiler.positive`."""
    row = block.row
    pools_first = isinstance(row, Conv) and row.pool > 1 and row.order == "pool-sign"
    return find_thresholds(positive(block, shape, bound), bound, shape[0], pools_first)


def random_topology(seed: int) -> Topology:
    """A small chain: odd channels, both orders, both paddings, strides 1 and 2, pools 1, 2 and 4."""
    rng = np.random.default_rng(seed)
    side, rows = int(rng.integers(9, 15)), []
    size = side
    for number in range(int(rng.integers(1, 4))):
        kernel = int(rng.integers(1, min(5, size) + 1))
        stride, padding = int(rng.integers(1, 3)), int(rng.integers(0, kernel))
        conv = (size + 2 * padding - kernel) // stride + 1
        pool = int(rng.choice([p for p in (1, 2, 4) if conv // p >= 1]))
        rows.append(Conv(int(rng.integers(1, 10)), kernel, stride, padding,
                         "one" if number and rng.random() < 0.4 else "zero", pool,
                         str(rng.choice(["sign-pool", "pool-sign"]))))
        size = conv // pool
        if size < 2:
            break
    rows += [Fc(int(rng.integers(1, 20)))] * int(rng.integers(0, 3))
    return Topology(f"random {seed}", "", side, side, int(rng.choice([1, 3])), int(rng.choice([1, 8])), tuple(rows))


def random_joins(seed: int) -> Topology:
    """A small table of convolutions with terms and shortcuts of earlier maps, and perhaps an Fc row at the end."""
    rng = np.random.default_rng(seed)
    rows = [Conv(int(rng.integers(2, 9)), 3, padding=1)]
    for block in range(int(rng.integers(1, 4))):
        before, shrinks = len(rows) - 1, block < 2 and rng.random() < 0.4
        has_shortcut = not shrinks and rng.random() < 0.7
        count = rows[-1].channels if has_shortcut else int(rng.integers(2, 9))
        term = TermRow(before, 2, 2) if shrinks else TermRow(before, *[(1,), (3, 1, 1)][int(rng.integers(2))])
        rows.append(Conv(count, 3, 2 if shrinks else 1, padding=1, pad_value=str(rng.choice(["zero", "one"]))))
        rows.append(Conv(count, 3, padding=1, shortcut=before if has_shortcut else None,
                         shortcut_scale=int(rng.choice([0, 1, 7])) if has_shortcut else 0,
                         terms=(term,) * int(rng.integers(0 if has_shortcut else 1, 3))))
    rows += [Fc(5)] * int(rng.integers(0, 2))
    return Topology(f"joins {seed}", "", 8, 8, 3, int(rng.choice([1, 8])), tuple(rows))
