"""From a checkpoint to a :class:`~pynq_bnn.network.Network`: extract, fold, pack, check against torch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import brevitas
import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..backends.cpu import CpuBackend
from ..errors import NetworkError, TrainError
from ..model.binary import BinaryChain
from ..model.blocks import BinaryBlock, BinaryLayer
from ..model.shift_norm import Norm, affine
from ..network import Golden, InputSpec, Network, OutputSpec
from ..network.folding import Positive, Unfolded, fold_network
from ..network.layers import RowNode
from ..train.checkpoint import input_spec, load_checkpoint, restore_model
from ..version import __version__

CHECK_IMAGES = 16


def compile_checkpoint(path: str | Path, name: str | None = None, fit: str | None = None) -> Network:
    """Fold the checkpoint at ``path`` (a file, or a training directory) into integers.

    The result is compared with the torch model on generated pictures; any difference is an error. ``fit`` replaces the
    network's rule for fitting pictures.

    Raises
    ------
    TrainError
        The checkpoint is missing, damaged or inconsistent, or the torch model and the folded network differ.
    """
    state = load_checkpoint(path)
    model, topology = restore_model(state, str(path))
    if not isinstance(model, BinaryChain):
        raise TrainError(f"{path} is a real-valued network, which has no bits to fold; give it to"
                         " pynq-bnn train as --teacher")
    try:
        spec = input_spec(topology, fit or state.get("fit", ""))
        network = pack_model(model, spec, tuple(state["classes"]), name=name or topology.name,
                             temperature=float(state.get("temperature", 1.0)), provenance=_provenance(state))
    except NetworkError as error:
        raise TrainError(f"{path}: {error}") from None
    return with_golden(network, model)


def pack_model(model: BinaryChain, spec: InputSpec, classes: tuple[str, ...], *, name: str,
               temperature: float = 1.0, provenance: dict[str, Any] | None = None) -> Network:
    """The folded network of a model in eval mode, without a golden image."""
    hidden = [Unfolded(block.row, _bits(block.binary), partial(_positive, block), tuple(map(_bits, block.binary_terms)))
              for block in model.blocks]
    scale, offset = fold_head(model.head.norm)
    return fold_network(name, spec, hidden, _bits(model.head.binary), OutputSpec(classes, scale, offset, temperature),
                        provenance)


def _positive(block: BinaryBlock, node: RowNode) -> tuple[Positive, ...]:
    height, width, channels = node.output.shape if node.layer.pools_first else node.sums
    shape = (channels,) if node.layer.dense else (channels, height, width)
    shortcuts = (None,) if node.shortcut is None else (-1, 1)
    return tuple(positive(block, shape, node.bound, shortcut) for shortcut in shortcuts)


def positive(block: BinaryBlock, shape: tuple[int, ...], bound: int, shortcut: int | None = None) -> Positive:
    """A function that returns whether the activation of ``block`` in eval mode is +1, given one sum per channel.

    It applies the block's own float32 operations to a sample of their usual shape, contiguous on the CPU.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) or (C,), of one sample.
    bound : int
        The largest sum.
    shortcut : int, optional
        The bit of the shortcut, −1 or +1.

    Raises
    ------
    TrainError
        Batch norm produces values that are not finite.
    """
    def joined(acc: Array) -> Tensor:
        sample = _sample(acc, shape)
        return sample if shortcut is None else block.join(sample, torch.full_like(sample, shortcut))

    def of_sums(acc: Array) -> Array:
        bits: Array = (block.activate(joined(acc)) > 0).reshape(shape[0], -1).all(1).numpy()
        return bits

    with torch.no_grad():
        for end in (-bound, 0, bound):
            if not torch.isfinite(block.norm(joined(np.full(shape[0], end)))).all():
                raise TrainError("batch norm gives values that are not finite; the training diverged, lower --lr")
    return torch.no_grad()(of_sums)


def _sample(acc: Array, shape: tuple[int, ...]) -> Tensor:
    column = torch.from_numpy(acc.astype(np.float32)).reshape(1, shape[0], *(1 for _ in shape[1:]))
    return column.expand(1, *shape).contiguous()


def fold_head(norm: Norm) -> tuple[Array, Array]:
    """Scale and offset, (K,) float32 each, of the last layer's batch norm as an affine map of the scores."""
    scale, offset = affine(norm)
    return scale.numpy().astype(np.float32), offset.numpy().astype(np.float32)


def _bits(layer: BinaryLayer) -> Array:
    """Weight bits as (out, ky, kx, cin) or (out, in), from Brevitas' own quantized weight."""
    with torch.no_grad():
        weights: Tensor = layer.quant_weight().value
    if not bool((weights.abs() == 1).all()):
        raise TrainError("a quantized weight is not ±1; the layer's weight quantizer is not binary")
    bits = (weights > 0).to(torch.uint8)
    packed: Array = (bits.permute(0, 2, 3, 1) if bits.dim() == 4 else bits).contiguous().numpy()
    return packed


def with_golden(network: Network, model: BinaryChain) -> Network:
    """Add the golden image, after checking that the folded network has the same scores as the torch model.

    Raises
    ------
    TrainError
        The folded network and the torch model differ on any of the check pictures.
    """
    pixels = check_pictures(network.input.shape, CHECK_IMAGES)
    expected = torch_scores(model, network.input, pixels)
    found = CpuBackend(network).scores(pixels)
    wrong = np.flatnonzero((expected != found).any(axis=1))
    if len(wrong):
        raise TrainError(f"torch and the folded network differ on {len(wrong)} of {CHECK_IMAGES} check pictures;"
                         " please report this with the checkpoint")
    return replace(network, golden=Golden(pixels[0], found[0]))


@torch.no_grad()
def torch_scores(model: BinaryChain, spec: InputSpec, pixels: Array) -> Array:
    """(N, K) int32 scores of the torch model in float32, contiguous on the CPU."""
    q = torch.from_numpy(spec.encode(pixels).astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    model = model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # unknown to torch's types
    scores: Array = model.head.accumulate(model.last_map(q)).numpy().astype(np.int32)
    return scores


def check_pictures(shape: tuple[int, int, int], count: int) -> Array:
    """Pictures of coloured waves and noise, (count, H, W, C) uint8, always the same on every machine."""
    h, w, c = shape
    rng = np.random.Generator(np.random.PCG64(2016))
    y, x = np.mgrid[0:h, 0:w][..., None]
    pictures: list[Array] = []
    for _ in range(count):
        # Triangle waves in integers: no libm, so no last-digit differences between machines.
        step_y, step_x = rng.integers(-24, 25, (2, c))
        wave = np.abs((y * step_y + x * step_x + rng.integers(0, 512, c)) % 512 - 256)
        pictures.append(np.clip(wave + rng.integers(-64, 64, shape), 0, 255))
    return np.stack(pictures).astype(np.uint8)


def _provenance(state: dict[str, Any]) -> dict[str, Any]:
    """How the network was made, in plain values for the file's header."""
    known = ("dataset", "pictures", "split", "epoch", "temperature", "validation_accuracy", "test_accuracy",
             "training_seconds", "device", "start", "teacher")
    return {"made_by": f"pynq-bnn {__version__}", "topology": state["topology"].get("title", ""),
            "torch": torch.__version__, "brevitas": brevitas.__version__,
            **{key: state[key] for key in known if state.get(key) is not None}, "training": state.get("config", {})}
