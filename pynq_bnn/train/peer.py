"""A folded network in torch's own floating-point layers: what it costs there, for ``bench --against torch``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..network import BinFc, Network
from ..network.layers import Layer


def scores_in(network: Network, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    """``scores(pixels)`` by eager convolutions and matrix products of ±1 on one core.

    Parameters
    ----------
    precision : str
        "float32", whose sums are exact, or "bfloat16", whose sums are rounded to 8 bits.

    Returns
    -------
    function of (N, H, W, C) uint8 to (N, K) int32
    """
    dtype = getattr(torch, precision)
    layers = [(layer, *_tensors(layer, shape, dtype)) for layer, shape in network.walk()]
    codes = torch.from_numpy(network.input.codes.astype(np.float32)).to(dtype)

    def scores(pixels: np.ndarray) -> np.ndarray:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                x = codes[torch.from_numpy(np.ascontiguousarray(pixels)).long()].permute(0, 3, 1, 2)
                for layer, *tensors in layers:
                    x = _run(layer, x, *tensors)
                return x.float().numpy().astype(np.int32)
        finally:
            torch.set_num_threads(threads)

    return scores


def _tensors(layer: Layer, shape: tuple[int, int, int], dtype: torch.dtype) -> list[Tensor | None]:
    """Weights of ±1, thresholds and signs of ``layer``; channels come first in torch."""
    weights = torch.from_numpy(layer.weights.astype(np.float32) * 2 - 1).to(dtype)
    if isinstance(layer, BinFc):
        weights = weights.reshape(-1, *shape).permute(0, 3, 1, 2).reshape(len(weights), -1)
    else:
        weights = weights.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    if layer.thresholds is None:
        return [weights, None, None]
    places = (-1,) if isinstance(layer, BinFc) else (-1, 1, 1)
    # acc ≥ T of integers is acc > T − ½.
    thresholds = torch.from_numpy(layer.thresholds.astype(np.float32) - 0.5).to(dtype).reshape(places)
    return [weights, thresholds, torch.from_numpy(1 - 2 * layer.invert.astype(np.float32)).to(dtype).reshape(places)]


def _run(layer: Layer, x: Tensor, weights: Tensor, thresholds: Tensor | None, signs: Tensor | None) -> Tensor:
    if isinstance(layer, BinFc):
        acc = F.linear(x.flatten(1), weights)
    elif layer.pad_value == "one":
        acc = F.conv2d(F.pad(x, [layer.padding] * 4, value=1.0), weights, stride=layer.stride)
    else:
        acc = F.conv2d(x, weights, stride=layer.stride, padding=layer.padding)
    if thresholds is None:
        return acc
    bits = (acc - thresholds).sign()
    return (F.max_pool2d(bits, layer.pool) if layer.pool > 1 else bits) * signs


def products_of_signs(left: np.ndarray, right: np.ndarray) -> dict[str, Callable[[np.ndarray], object]]:
    """Products of (M, K) and (N, K) bits as ±1 on one core: float32, bfloat16, and int8 where this torch has them."""
    x, w = (torch.from_numpy(2 * bits.astype(np.int8) - 1) for bits in (left, right))
    products: dict[str, Callable[[], Tensor]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        products[str(dtype)] = partial(torch.matmul, x.to(dtype), w.to(dtype).T.contiguous())
    if hasattr(torch, "_int_mm"):
        products["torch.int8"] = partial(torch._int_mm, x, w.T.contiguous())
    return {name.replace(".", "_"): partial(_on_one_core, product) for name, product in products.items()}


def _on_one_core(product: Callable[[], Tensor], _left: np.ndarray) -> Tensor:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return product()
    finally:
        torch.set_num_threads(threads)
