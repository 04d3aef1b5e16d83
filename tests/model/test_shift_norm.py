"""Shift-based batch norm against the paper's algorithm in NumPy; it folds like the other."""

import math

import numpy as np
import pytest
import torch
from models import fold_block

from pynq_bnn.compile.compiler import fold_head
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.model.blocks import Parts
from pynq_bnn.model.shift_norm import ShiftBatchNorm1d, ShiftBatchNorm2d, power_of_two
from pynq_bnn.zoo import Fc, Topology


def ap2(x):
    return 0.0 if x == 0 else math.copysign(2.0 ** round(math.log2(abs(x))), x)


def test_powers_of_two_are_the_nearest_in_the_exponent():
    values = [0.0, 1.0, -1.0, 1.4, 1.5, -5.9, 0.3, 1e-8, 3e7]
    x = torch.tensor(values, requires_grad=True)
    y = power_of_two(x)
    assert y.tolist() == [np.float32(ap2(v)) for v in values]
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * len(values)


@pytest.mark.parametrize("shape", [(50, 3), (10, 3, 4, 5)])
def test_training_and_evaluation_follow_algorithm_3(shape):
    rng = np.random.default_rng(1)
    x, gamma, beta = rng.normal(1, 20, shape), rng.normal(0, 2, 3), rng.normal(0, 1, 3)
    norm = (ShiftBatchNorm1d if len(shape) == 2 else ShiftBatchNorm2d)(3, eps=1e-4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(gamma))
        norm.bias.copy_(torch.tensor(beta))
    flat = np.moveaxis(x, 1, -1).reshape(-1, 3)
    mean = flat.mean(0)
    variance = np.array([[c * ap2(c) for c in row] for row in flat - mean]).mean(0)
    found = norm.train()(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    found = np.moveaxis(found, 1, -1).reshape(-1, 3)
    for c in range(3):
        factor = ap2(gamma[c]) * ap2(1 / math.sqrt(variance[c] + 1e-4))
        np.testing.assert_allclose(found[:, c], (flat[:, c] - mean[c]) * factor + beta[c], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(norm.running_mean, 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(norm.running_var, 0.9 + 0.1 * variance, rtol=1e-4)


def test_it_folds_to_the_sign_of_its_own_operations_and_to_an_affine_head():
    model = BinaryChain(Topology("t", "", 8, 8, 1, 1, (Fc(60),)), 4, Parts(shift_norm=True)).eval()
    rng = np.random.default_rng(2)
    for norm in (model.blocks[0].norm, model.head.norm):
        count = norm.num_features
        with torch.no_grad():
            norm.weight.copy_(torch.tensor(rng.normal(0, 1, count)))
            norm.bias.copy_(torch.tensor(rng.normal(0, 1, count)))
            norm.running_mean.copy_(torch.tensor(rng.integers(-10, 10, count)))
            norm.running_var.copy_(torch.tensor(rng.uniform(10, 100, count)))
    folded = fold_block(model.blocks[0], (60,), 45)
    sums = np.arange(-45, 46)[:, None].repeat(60, 1)
    with torch.no_grad():
        expected = model.blocks[0].activate(torch.tensor(sums, dtype=torch.float32)).numpy() > 0
        logits = model.head.norm(torch.tensor(sums[:, :4], dtype=torch.float32)).numpy()
    found = (sums * np.where(folded.flip, -1, 1) >= folded.thresholds) ^ folded.invert
    assert np.array_equal(found, expected)
    scale, offset = fold_head(model.head.norm)
    np.testing.assert_allclose(sums[:, :4] * scale + offset, logits, rtol=1e-4, atol=1e-5)
