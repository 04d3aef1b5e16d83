"""The Brevitas quantizers: sign(0) = +1 forward, straight-through backward."""

import brevitas.nn as qnn
import pytest
import torch
from devices import DEVICES

from pynq_bnn.model.quant import BinaryActivation, BinaryWeight


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activation_is_plus_one_at_both_zeros_and_minus_one_below(dtype):
    x = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 7.0, -7.0], dtype=dtype)
    act = qnn.QuantIdentity(act_quant=BinaryActivation).to(dtype)
    assert act(x).tolist() == [1, 1, 1, -1, 1, -1]


def test_activation_passes_gradients_inside_the_window_only():
    x = torch.tensor([-1.5, -0.5, 0.0, 0.9, 1.1], requires_grad=True)
    (qnn.QuantIdentity(act_quant=BinaryActivation)(x) * torch.arange(1.0, 6.0)).sum().backward()
    assert x.grad.tolist() == [0, 2, 3, 4, 0]


@pytest.mark.parametrize("layer", [qnn.QuantLinear(6, 4, bias=False, weight_quant=BinaryWeight),
                                   qnn.QuantConv2d(6, 4, 1, bias=False, weight_quant=BinaryWeight)])
def test_weights_are_signs_for_brevitas_and_gradients_reach_the_latent_weight(layer):
    with torch.no_grad():
        layer.weight[0].fill_(-0.3)
        layer.weight[1].zero_()
    quantized = layer.quant_weight()
    assert set(quantized.value.unique().tolist()) <= {-1.0, 1.0}
    assert quantized.value[:2].flatten(1)[:, 0].tolist() == [-1, 1]
    assert float(quantized.bit_width) == 1
    layer(torch.ones(2, 6, *(1 for _ in layer.weight.shape[2:]))).sum().backward()
    assert torch.equal(layer.weight.grad, torch.full_like(layer.weight, 2.0))


def test_approximate_gradient_is_the_slope_of_bi_reals_parabola():
    x = torch.tensor([-1.5, -0.5, 0.0, 0.75, 1.1], requires_grad=True)
    act = qnn.QuantIdentity(act_quant=BinaryActivation.let(gradient="approx"))
    y = act(x)
    y.sum().backward()
    assert y.tolist() == [-1, -1, 1, 1, 1]
    parabola = lambda v: v * (2 - abs(v))  # noqa: E731 - Bi-Real Net, equation 5, between −1 and 1
    slopes = [0 if abs(v) > 1 else (parabola(v + 1e-4) - parabola(v - 1e-4)) / 2e-4 for v in x.tolist()]
    assert x.grad.tolist() == pytest.approx(slopes, abs=2e-4)


def test_stochastic_signs_have_the_papers_probability_and_only_in_training():
    act = qnn.QuantIdentity(act_quant=BinaryActivation.let(stochastic=True))
    torch.manual_seed(0)
    for value, probability in ((-2.0, 0), (-0.5, 0.25), (0.0, 0.5), (0.6, 0.8), (1.5, 1)):
        x = torch.full((40_000,), value)
        assert float((act.train()(x) == 1).float().mean()) == pytest.approx(probability, abs=0.01)
        assert set(act.train()(x).unique().tolist()) <= {-1.0, 1.0}
        assert act.eval()(x).unique().tolist() == [1 if value >= 0 else -1]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sign_and_approximate_gradient_are_the_same_in_every_layout(device, dtype):
    """On CUDA kernels of our own compute them; against the definition in float64."""
    generator = torch.Generator().manual_seed(0)
    values = (torch.randint(-48, 49, (3, 5, 7, 9), generator=generator) / 32).to(dtype)  # ±0, ±1 and beyond, exact
    upstream = torch.randint(-8, 9, values.shape, generator=generator).to(dtype)
    act = qnn.QuantIdentity(act_quant=BinaryActivation.let(gradient="approx")).to(device)
    wide = torch.zeros(3, 5, 7, 18, dtype=dtype)
    wide[..., ::2] = values
    for x in (values, values.contiguous(memory_format=torch.channels_last), wide[..., ::2], values.transpose(2, 3)):
        grad = upstream.transpose(2, 3) if x.shape != values.shape else upstream
        given = x.detach().to(device).requires_grad_()
        y = act(given)
        y.backward(grad.to(device))
        assert torch.equal(y.cpu().double(), torch.where(x.double() >= 0, 1.0, -1.0).double())
        assert torch.equal(given.grad.cpu().double(), grad.double() * (2 - 2 * x.double().abs()).clamp(min=0))
