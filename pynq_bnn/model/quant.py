"""Brevitas quantizers for 1-bit weights and activations, with a straight-through sign that takes few kernels.

Brevitas' own ``BINARY`` quantizer multiplies by a scale, adds a zero point and clamps, in several elementwise kernels
per tensor. With scale 1 this is just the sign, so here ``tensor_quant`` is a single autograd function; proxies, layers
and export keep Brevitas' interface.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from brevitas.inject import ExtendedInjector
from brevitas.quant.solver import ActQuantSolver, WeightQuantSolver
from torch import Tensor, nn

from . import sign_kernels


def _sign(x: Tensor) -> Tensor:
    """sign(x) with sign(0) = sign(−0) = +1: x + 0 turns −0 into +0, and copysign is by far the fastest kernel.

    For a CNV map in bfloat16 on two cores it takes 1.0 ms, compared with 7 ms by a comparison and 14 ms by ``where``.
    """
    if sign_kernels.fits(x):
        return sign_kernels.sign(x)
    return torch.copysign(x.new_ones(()), x + 0.0)


class _Sign(torch.autograd.Function):
    """sign(x); subclasses define the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _sign(x)


class _ClippedSign(_Sign):
    """Gradient 1 where |x| < 1, else 0 (Courbariaux 2016, equation 4)."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.hardtanh_backward(grad, x, -1.0, 1.0)
        return passed


class _ApproxSign(_Sign):
    """Gradient max(0, 2 − 2|x|), that of a piecewise parabola (Liu et al., Bi-Real Net, 2018, equation 6)."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if sign_kernels.fits(x):
            return sign_kernels.approx_gradient(x, grad)
        return torch.rsub(x.abs(), 2, alpha=2).clamp_(min=0).mul_(grad)  # takes 3/5 of the time of 2 - 2 * |x|


class _StochasticSign(_ClippedSign):
    """+1 with probability clip((x + 1)/2, 0, 1), else −1 (Courbariaux 2016, equations 2 and 3)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _sign(x - torch.empty_like(x).uniform_(-1, 1))


class _PlainSign(torch.autograd.Function):
    """sign(x); the gradient passes unchanged (latent weights are clipped after each step)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


GRADIENTS: dict[str, type[torch.autograd.Function]] = {"plain": _PlainSign, "clipped": _ClippedSign,
                                                       "approx": _ApproxSign}


class SignQuant(nn.Module):
    """A Brevitas ``tensor_quant``: x ↦ (sign(x), scale 1, zero point 0, bit width 1).

    ``gradient`` is a key of ``GRADIENTS``; with ``stochastic``, the sign is drawn at random in training.
    """

    _one: Tensor
    _zero: Tensor

    def __init__(self, gradient: str, stochastic: bool) -> None:
        super().__init__()
        self.sign: Callable[[Tensor], Tensor] = GRADIENTS[gradient].apply
        self.training_sign: Callable[[Tensor], Tensor] = _StochasticSign.apply if stochastic else self.sign
        self.register_buffer("_one", torch.tensor(1.0), persistent=False)
        self.register_buffer("_zero", torch.tensor(0.0), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        sign = self.training_sign if self.training else self.sign
        if torch.is_autocast_enabled(x.device.type):
            # bfloat16 has the exponent range of float32, so no sign is lost, and halves the memory traffic.
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return sign(x), self._one, self._zero, self._one


class _SignInjector(ExtendedInjector):
    """The attributes that Brevitas' proxies need from a 1-bit quantizer."""

    tensor_quant = SignQuant
    bit_width = 1
    signed = True
    narrow_range = True


class BinaryWeight(_SignInjector, WeightQuantSolver):
    """Weight quantizer: ±1; the gradient passes straight through to the latent weight."""

    gradient = "plain"
    stochastic = False


class BinaryActivation(_SignInjector, ActQuantSolver):
    """Activation quantizer: ±1; the gradient passes where |x| < 1 (or as set by ``.let(gradient=…)``)."""

    gradient = "clipped"
    stochastic = False
