"""A convolution for small maps, whose weight gradient on the CPU is computed as one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

# Pixels of the input map up to which the matrix product is faster. With 100 pictures on one core with AMX, a layer of
# 512 to 512 channels takes 14 ms (oneDNN: 61) for 4×4 pixels and 76 (90) for 8×8; one of 256 to 256 takes 100 (45) for
# 16×16.
SMALL_MAP = 64


def small_map_conv(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """The convolution of (N, C, H, W) with (K, C, R, S), stride 1, zero padding; the same values as ``F.conv2d``."""
    apply: Callable[[Tensor, Tensor, int], Tensor] = _SmallMapConv.apply
    return apply(x.to(weight.dtype), weight, padding)  # under autocast the quantized weight has the lower precision


class _SmallMapConv(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return F.conv2d(x, weight, padding=padding)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, _ = ctx.needs_input_grad
        return (conv2d_input(x.shape, weight, grad, padding=ctx.padding) if to_x else None,
                _weight_gradient(x, weight, grad, ctx.padding) if to_weight else None, None)


def _weight_gradient(x: Tensor, weight: Tensor, grad: Tensor, padding: int) -> Tensor:
    outputs, channels, *kernel = weight.shape
    product = grad.permute(0, 2, 3, 1).reshape(-1, outputs).t() @ _windows(x, kernel, padding)
    return product.reshape(outputs, *kernel, channels).permute(0, 3, 1, 2)


def _windows(x: Tensor, kernel: list[int], padding: int) -> Tensor:
    """Every window as a row: (N·OH·OW, R·S·C), in channels_last order."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    views = padded.unfold(1, kernel[0], 1).unfold(2, kernel[1], 1).permute(0, 1, 2, 4, 5, 3)
    return views.reshape(-1, kernel[0] * kernel[1] * x.shape[1])
