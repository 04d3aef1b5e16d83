"""The convolution with a weight gradient of its own is torch's in every value and gradient."""

import pytest
import torch
import torch.nn.functional as F

from pynq_bnn.model import convolution
from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.model.convolution import SMALL_MAP, small_map_conv
from pynq_bnn.zoo import Conv, Topology


@pytest.mark.parametrize(("kernel", "padding", "height", "width"),
                         [(3, 1, 4, 4), (3, 0, 5, 7), (1, 0, 3, 2), (2, 1, 3, 3)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_conv2d(kernel, padding, height, width, memory):
    torch.manual_seed(0)
    x = torch.randn(2, 3, height, width, dtype=torch.float64).contiguous(memory_format=memory).requires_grad_()
    weight = torch.randn(5, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    mine, torchs = small_map_conv(x, weight, padding), F.conv2d(x, weight, padding=padding)
    assert torch.equal(mine, torchs)
    grad = torch.randn_like(torchs)
    for a, b in zip(torch.autograd.grad(mine, (x, weight), grad), torch.autograd.grad(torchs, (x, weight), grad)):
        torch.testing.assert_close(a, b)


def test_only_small_maps_take_it(monkeypatch):
    seen = []
    monkeypatch.setattr("pynq_bnn.model.blocks.small_map_conv",
                        lambda x, *rest: seen.append(x.shape[2]) or convolution.small_map_conv(x, *rest))
    rows = (Conv(4, padding=1, pool=2), Conv(4, padding=1, pool=2), Conv(4, padding=1, stride=2))
    BinaryChain(Topology("t", "", 16, 16, 3, 8, rows), 2)(torch.zeros(2, 3, 16, 16))
    assert seen == [8]
    assert 8 * 8 <= SMALL_MAP < 16 * 16


def test_a_step_in_bfloat16_gives_every_weight_a_gradient():
    model = BinaryChain(Topology("t", "", 8, 8, 3, 8, (Conv(8, padding=1, pool=2), Conv(8, padding=1))), 2)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(torch.randn(4, 3, 8, 8))
    logits.float().square().sum().backward()
    assert all(float(layer.weight.grad.abs().max()) > 0 for layer in model.binary_layers())
