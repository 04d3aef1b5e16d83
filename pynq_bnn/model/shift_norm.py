"""Shift-based batch normalization: multiplications only by powers of two (Courbariaux 2016, algorithm 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def power_of_two(x: Tensor) -> Tensor:
    """AP2(x) = sign(x)·2^round(log₂|x|), 0 for 0; the gradient passes unchanged."""
    with torch.no_grad():
        exact = torch.where(x == 0, torch.zeros_like(x), torch.sign(x) * torch.exp2(torch.log2(x.abs()).round()))
    return x + (exact - x).detach()


class _ShiftNorm(_BatchNorm):
    """ŷ = AP2(γ)·(x − μ)·AP2(1/√(v + ε)) + β with v = mean of C·AP2(C), C = x − μ.

    The product of two powers of two is exact, so the map stays monotone and folds into a threshold.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float | Tensor  # type: ignore[assignment]  # that of torch's batch norm is a number

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            shape = (1, -1, *(1 for _ in x.shape[2:]))
            mean, variance = self.running_mean, self.running_var
            if self.training:
                dims = [0, *range(2, x.dim())]
                mean = x.mean(dims)
                centred = x - mean.reshape(shape)
                variance = (centred * power_of_two(centred)).mean(dims)
                self._remember(mean.detach(), variance.detach())
            factor = (power_of_two(self.weight) * power_of_two((variance + self.eps).rsqrt())).reshape(shape)
            return (x - mean.reshape(shape)) * factor + self.bias.reshape(shape)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class ShiftBatchNorm1d(_ShiftNorm, nn.BatchNorm1d):
    """(N, C) in and out."""


class ShiftBatchNorm2d(_ShiftNorm, nn.BatchNorm2d):
    """(N, C, H, W) in and out."""


def running(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Running mean and variance of a batch norm, (C,) each.

    Raises
    ------
    ValueError
        It keeps no running statistics.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("this batch norm keeps no running statistics")
    return norm.running_mean, norm.running_var


def affine(norm: Norm) -> tuple[Tensor, Tensor]:
    """Scale and offset, (C,) float64 each, of the affine map that a batch norm of either kind is in eval mode."""
    gamma, beta, mean, variance = (t.detach().double() for t in (norm.weight, norm.bias, *running(norm)))
    if isinstance(norm, _ShiftNorm):
        scale = power_of_two(gamma) * power_of_two((variance + norm.eps).rsqrt())
    else:
        scale = gamma / (variance + norm.eps).sqrt()
    return scale, beta - mean * scale
