"""The sign and its gradient as one CUDA kernel each, in Triton, which is included in torch's CUDA builds.

Torch's own operations need two kernels for the sign and four for its gradient, each over the whole map.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # torch without CUDA
    triton = None

_BLOCK = 2048

if triton is not None:
    @triton.jit
    def _sign_kernel(x_in: Any, y_out: Any, count: Any, block: tl.constexpr) -> None:
        place = tl.program_id(0) * block + tl.arange(0, block)
        x = tl.load(x_in + place, mask=place < count, other=0.0).to(tl.float32)
        tl.store(y_out + place, tl.where(x >= 0, 1.0, -1.0).to(y_out.dtype.element_ty), mask=place < count)

    @triton.jit
    def _approx_kernel(x_in: Any, grad_in: Any, grad_out: Any, count: Any, block: tl.constexpr) -> None:
        place = tl.program_id(0) * block + tl.arange(0, block)
        x = tl.load(x_in + place, mask=place < count, other=0.0).to(tl.float32)
        grad = tl.load(grad_in + place, mask=place < count, other=0.0).to(tl.float32)
        slope = tl.maximum(2.0 - 2.0 * tl.abs(x), 0.0)
        tl.store(grad_out + place, (grad * slope).to(grad_out.dtype.element_ty), mask=place < count)


def fits(x: Tensor) -> bool:
    """Whether the kernels can process ``x``: it must be on CUDA and dense in memory, in any layout."""
    return triton is not None and x.is_cuda and x.numel() > 0 and _dense(x)


def _dense(x: Tensor) -> bool:
    return x.is_contiguous() or x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)


def sign(x: Tensor) -> Tensor:
    """+1 where x ≥ 0 (including −0), else −1; in the type and layout of ``x``."""
    result, count = torch.empty_like(x), x.numel()
    with torch.cuda.device(x.device):
        _sign_kernel[(triton.cdiv(count, _BLOCK),)](x, result, count, block=_BLOCK)
    return result


def approx_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """grad · max(0, 2 − 2|x|), in the layout of ``x``; ``grad`` may have any layout."""
    result, count = torch.empty_like(x), x.numel()
    if grad.stride() != x.stride() or grad.dtype != x.dtype:
        grad = torch.empty_like(x).copy_(grad)
    with torch.cuda.device(x.device):
        _approx_kernel[(triton.cdiv(count, _BLOCK),)](x, grad, result, count, block=_BLOCK)
    return result
