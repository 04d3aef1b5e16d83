"""A folded network in torch's own floating-point layers: what it costs there, for ``bench --against torch``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import Array
from ..network import LayerNode, Network, Scores
from ..network.graph import Part


def scores_in(network: Network, precision: str) -> Callable[[Array], Array]:
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
    layers = [_Layer(node, dtype) for node in network.nodes]
    codes = torch.from_numpy(network.input.codes.astype(np.float32)).to(dtype)

    def scores(pixels: Array) -> Array:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                maps = [codes[torch.from_numpy(np.ascontiguousarray(pixels)).long()].permute(0, 3, 1, 2)]
                for layer in layers:
                    maps.append(layer(maps))
                found: Array = maps[-1].float().numpy().astype(np.int32)
                return found
        finally:
            torch.set_num_threads(threads)

    return scores


class _Layer:
    """A node with its weights of ±1, thresholds and signs as tensors; channels come first in torch."""

    def __init__(self, node: LayerNode, dtype: torch.dtype) -> None:
        self.node = node
        self.parts = [(part, _weights(part, dtype)) for part in node.parts]
        layer = node.layer
        self.rule: tuple[Tensor, Tensor] | None = None
        if not isinstance(layer, Scores):
            places = (-1,) if layer.dense else (-1, 1, 1)
            # acc ≥ T of integers is acc > T − ½.
            thresholds = torch.from_numpy(layer.thresholds.astype(np.float32) - 0.5).to(dtype)
            signs = torch.from_numpy(1 - 2 * layer.invert.astype(np.float32)).to(dtype)
            self.rule = thresholds.reshape(*thresholds.shape[:-1], *places), signs.reshape(places)

    def __call__(self, maps: list[Tensor]) -> Tensor:
        sums = [_accumulate(part, weights, maps[part.source + 1]) for part, weights in self.parts]
        acc = sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)
        if self.rule is None:
            return acc
        thresholds, signs = self.rule
        if self.node.shortcut is not None:
            thresholds = torch.where(maps[self.node.shortcut + 1] > 0, thresholds[1], thresholds[0])
        bits = (acc - thresholds).sign()
        pool = self.node.layer.pool
        return (F.max_pool2d(bits, pool) if pool > 1 else bits) * signs


def _weights(part: Part, dtype: torch.dtype) -> Tensor:
    weights = torch.from_numpy(part.layer.weights.astype(np.float32) * 2 - 1).to(dtype)
    if part.layer.dense:
        return weights.reshape(-1, *part.input.shape).permute(0, 3, 1, 2).reshape(len(weights), -1)
    return weights.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _accumulate(part: Part, weights: Tensor, x: Tensor) -> Tensor:
    layer = part.layer
    if layer.dense:
        return F.linear(x.flatten(1), weights)
    if layer.pad_value == "one":
        return F.conv2d(F.pad(x, [layer.padding] * 4, value=1.0), weights, stride=layer.stride)
    return F.conv2d(x, weights, stride=layer.stride, padding=layer.padding)


def products_of_signs(left: Array, right: Array) -> dict[str, Callable[[Array], object]]:
    """Products of (M, K) and (N, K) bits as ±1 on one core: float32, bfloat16, and int8 where this torch has them."""
    x, w = (torch.from_numpy(2 * bits.astype(np.int8) - 1) for bits in (left, right))
    products: dict[str, Callable[[], Tensor]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        products[str(dtype)] = partial(torch.matmul, x.to(dtype), w.to(dtype).T.contiguous())
    if hasattr(torch, "_int_mm"):
        products["torch.int8"] = partial(torch._int_mm, x, w.T.contiguous())
    return {name.replace(".", "_"): partial(_on_one_core, product) for name, product in products.items()}


def _on_one_core(product: Callable[[], Tensor], _left: Array) -> Tensor:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return product()
    finally:
        torch.set_num_threads(threads)
