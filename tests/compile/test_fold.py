"""One threshold and one invert bit say the same as pool, batch norm and sign, for every possible sum."""

import numpy as np
import pytest
import torch
from golden import batch_norm
from models import fold_block, randomize

from pynq_bnn.compile.compiler import fold_head
from pynq_bnn.errors import TrainError
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.zoo import Conv, Fc, Topology

CHANNELS, BOUND = 200, 45


def one_block(row, seed):
    topology = Topology("one", "", 8, 8, 1, 1, (row,))
    return randomize(BinaryChain(topology, 2), seed).blocks[0]


def sums_of_every_size(shape):
    """(2·BOUND + 1, *shape): the same sum everywhere in a sample."""
    sums = torch.arange(-BOUND, BOUND + 1, dtype=torch.float32)
    return sums.reshape(-1, *(1 for _ in shape)).expand(-1, *shape).contiguous()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("row", [Conv(CHANNELS, 5, padding=2, pool=2, order="pool-sign"),
                                 Conv(CHANNELS, 5, padding=2, pool=2), Conv(CHANNELS, 5, padding=2), Fc(CHANNELS)])
def test_threshold_equals_torch_for_every_sum(row, seed):
    block = one_block(row, seed)
    shape = (CHANNELS,) if isinstance(row, Fc) else (CHANNELS, 4, 4)
    folded = fold_block(block, shape, BOUND)
    with torch.no_grad():
        expected = (block.activate(sums_of_every_size(shape)) > 0).reshape(2 * BOUND + 1, CHANNELS, -1)[:, :, 0]
    acc = np.arange(-BOUND, BOUND + 1)[:, None] * np.where(folded.flip, -1, 1)
    found = (acc >= folded.thresholds) ^ folded.invert
    assert np.array_equal(found, expected.numpy()), f"seed {seed}"
    assert folded.thresholds.min() >= -BOUND
    assert folded.thresholds.max() <= BOUND + 1


@pytest.mark.parametrize("seed", range(5))
def test_threshold_equals_real_arithmetic_except_in_its_last_digits(seed):
    block = one_block(Fc(CHANNELS), seed)
    folded = fold_block(block, (CHANNELS,), BOUND)
    norm = block.norm
    sums = np.repeat(np.arange(-BOUND, BOUND + 1)[:, None], CHANNELS, 1)
    real = batch_norm(sums, *(t.detach().double().numpy() for t in
                              (norm.weight, norm.bias, norm.running_mean, norm.running_var)), norm.eps)
    found = (sums * np.where(folded.flip, -1, 1) >= folded.thresholds) ^ folded.invert
    clear = np.abs(real) > 1e-5
    assert clear.mean() > 0.9
    assert np.array_equal(found[clear], real[clear] >= 0), f"seed {seed}"


@pytest.mark.parametrize("seed", range(3))
def test_pool_before_batch_norm_takes_the_largest_sum_for_either_sign_of_gamma(seed):
    block = one_block(Conv(CHANNELS, 5, padding=2, pool=2, order="pool-sign"), seed)
    folded = fold_block(block, (CHANNELS, 4, 4), BOUND)
    assert folded.invert.any()
    assert not folded.flip.any()
    sums = np.random.default_rng(seed).integers(-BOUND, BOUND + 1, (1, CHANNELS, 8, 8))
    with torch.no_grad():
        pooled = torch.nn.functional.max_pool2d(torch.from_numpy(sums.astype(np.float32)), 2)
        expected = (block.activate(pooled) > 0).numpy()
    reached = sums >= folded.thresholds[:, None, None]
    found = reached.reshape(1, CHANNELS, 4, 2, 4, 2).any(axis=(3, 5)) ^ folded.invert[:, None, None]
    assert np.array_equal(found, expected), f"seed {seed}"


def test_gamma_zero_is_the_constant_sign_of_beta():
    block = one_block(Fc(3), 0)
    with torch.no_grad():
        block.norm.weight.zero_()
        block.norm.bias.copy_(torch.tensor([0.5, 0.0, -0.5]))
    folded = fold_block(block, (3,), BOUND)
    assert folded.thresholds.tolist() == [-BOUND, -BOUND, BOUND + 1]


def test_batch_norm_beyond_the_finite_numbers_is_refused():
    block = one_block(Fc(3), 0)
    with torch.no_grad():
        block.norm.weight.fill_(3e38)
        block.norm.running_var.zero_()
    with pytest.raises(TrainError, match="not finite"):
        fold_block(block, (3,), BOUND)


@pytest.mark.parametrize("channel", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_one_channel_that_overflows_at_one_end_of_the_sums_is_refused(channel, sign):
    block = one_block(Fc(3), 0)
    with torch.no_grad():
        for values, plain in ((block.norm.weight, 1), (block.norm.bias, 0), (block.norm.running_mean, 0),
                              (block.norm.running_var, 1)):
            values.fill_(plain)
        fold_block(block, (3,), BOUND)
        block.norm.bias[channel] = 2e38
        fold_block(block, (3,), BOUND)
        block.norm.weight[channel] = sign * 2e38 / BOUND  # nought at one end, 4e38 at the other
    with pytest.raises(TrainError, match="not finite"):
        fold_block(block, (3,), BOUND)


def test_head_folds_to_the_affine_map_of_batch_norm():
    norm = randomize(BinaryChain(Topology("t", "", 8, 8, 1, 1, ()), 7), 3).head.norm
    scale, offset = fold_head(norm)
    scores = np.arange(-64, 65)[:, None].repeat(7, 1)
    with torch.no_grad():
        expected = norm.double()(torch.from_numpy(scores).double()).numpy()
    np.testing.assert_allclose(scores * scale.astype(float) + offset, expected, rtol=1e-5, atol=1e-6)
