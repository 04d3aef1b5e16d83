"""Warm start: initializes a model with the weights of a checkpoint or of a folded ``.bnn`` file."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import NetworkError, NetworkFileError, TrainError
from ..model.binary import INITIAL_WEIGHT, BinaryChain
from ..model.blocks import BinaryBlock, BinaryLayer
from ..model.chain import Chain
from ..model.shift_norm import Norm, ShiftBatchNorm1d, running
from ..network import Layer, Network
from ..network.attributes import attributes
from ..network.layers import Conv, Hidden, Scores
from ..network.spec import InputSpec
from ..network.topology import Topology
from ..zoo import TOPOLOGIES, find_network, shipped
from .batches import Batches
from .checkpoint import load_checkpoint, restore_model
from .config import TrainConfig
from .holdout import RANDOM

# Number of pictures from whose sums batch norm's statistics are computed.
PICTURES = 1000
# With fewer training pictures than this, weights of a shipped network are a better start than random ones.
FEW_PICTURES = 20_000


def default_start(topology: Topology, config: TrainConfig, pictures: int) -> str | None:
    """The shipped network with these layers, if there are few pictures; None for random weights."""
    if pictures >= FEW_PICTURES or config.real or config.shift_norm:
        return None
    known = [name for name in shipped() if name in TOPOLOGIES and TOPOLOGIES[name].is_chain]
    return next((name for name in known if _layers(TOPOLOGIES[name]) == _layers(topology)), None)


def _layers(topology: Topology) -> tuple[Any, ...]:
    return topology.input_shape, topology.input_bits, topology.rows


def warm_start(model: Chain, source: str | Path, spec: InputSpec, classes: tuple[str, ...],
               batches: Batches) -> dict[str, Any]:
    """Start ``model`` from a shipped network, a ``.bnn`` file, or a training (directory or checkpoint).

    If the classes differ, the last layer keeps its random weights.

    Returns
    -------
    dict
        The origin of the weights, for the provenance.

    Raises
    ------
    TrainError
        The source is missing or damaged, or its layers differ from the model's.
    """
    if str(source) in shipped() or Path(source).suffix == ".bnn":
        try:
            network = find_network(source)
        except (NetworkError, NetworkFileError) as error:
            raise TrainError(f"cannot start from {source}: {error}") from None
        start_from_network(model, network, spec, batches, classes)
        return {"name": network.name, "training": network.provenance}
    state = load_checkpoint(source)
    _start_from_checkpoint(model, state, classes, str(source))
    return {"name": state["topology"].get("name", ""), "training": _provenance(state)}


def _provenance(state: dict[str, Any]) -> dict[str, Any]:
    """A description of a training in plain values, as in the header of a ``.bnn`` file."""
    known = ("dataset", "pictures", "split", "epoch", "validation_accuracy", "start", "teacher")
    return {**{key: state[key] for key in known if state.get(key) is not None}, "training": state.get("config", {})}


def seen_here(training: dict[str, Any], mine: dict[str, Any]) -> bool:
    """Whether another training on the same pictures held out different ones, so that it saw some held out here.

    Parameters
    ----------
    training : dict
        The other training's description.
    mine : dict
        This training's ``dataset``, ``pictures``, ``split`` and ``config``, as in a checkpoint.
    """
    pictures = training.get("pictures")
    if training.get("dataset") != mine["dataset"] and pictures != mine["pictures"]:
        return False
    theirs = training.get("training", {})
    return (any(theirs.get(key) != mine["config"][key] for key in ("seed", "validation"))
            or training.get("split", RANDOM) != mine["split"] or pictures not in (None, mine["pictures"]))


def load_teacher(path: str, topology: Topology, classes: list[str]) -> tuple[Chain, dict[str, Any]]:
    """The model of a training that is to teach ``topology``, in eval mode, and a description of it.

    Raises
    ------
    TrainError
        It is missing or damaged, or its input or classes differ from those of the student.
    """
    state = load_checkpoint(path)
    model, theirs = restore_model(state, path)
    for what, mine, other in (("takes", (*topology.input_shape, topology.input_bits),
                               (*theirs.input_shape, theirs.input_bits)),
                              ("knows the classes", classes, list(state["classes"]))):
        if mine != other:
            raise TrainError(f"{path} cannot teach this network: it {what} {other}, not {mine}")
    weights = b"".join(t.numpy().tobytes() for t in model.state_dict().values())
    return model, {"name": theirs.name, "weights": f"{zlib.crc32(weights):08x}", "training": _provenance(state)}


def _start_from_checkpoint(model: Chain, state: dict[str, Any], classes: tuple[str, ...], where: str) -> None:
    weights = dict(state.get("model", {}))
    if tuple(state.get("classes", ())) != classes:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}
    try:
        missing, unknown = model.load_state_dict(weights, strict=False)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise TrainError(f"cannot start from {where}: its layers are not those of this network"
                         f" ({str(error).splitlines()[-1].strip()})") from None
    if unknown or any(not name.startswith("head.") for name in missing):
        raise TrainError(f"cannot start from {where}: its layers are not those of this network"
                         f" ({', '.join([*unknown, *missing][:3])})")


@torch.no_grad()
def start_from_network(model: Chain, network: Network, spec: InputSpec, batches: Batches,
                       classes: tuple[str, ...]) -> None:
    """Set latent weights and batch norms so that ``model`` folds back to ``network``, bit by bit.

    A bit becomes a latent weight of ±0.1. With μ and σ² of a channel's sums over training pictures,
    γ = ±1 and β = γ·(μ − T + ½)/√(σ² + ε) result in bit = (acc ≥ T), also in training mode, since batches have
    similar statistics.

    Raises
    ------
    TrainError
        The networks differ; the message names the layer.
    """
    layers = network.layers
    if not isinstance(model, BinaryChain):
        raise TrainError(f"a real-valued network cannot start from {network.name}; leave out --real or --from")
    if isinstance(model.head.norm, ShiftBatchNorm1d):
        raise TrainError(f"batch norm by powers of two cannot take the thresholds of {network.name}; leave out"
                         " --shift-norm or --from")
    if len(layers) != len(model.blocks) + 1:
        raise TrainError(f"cannot start from {network.name}: it has {len(layers)} layers, this network"
                         f" {len(model.blocks) + 1}")
    if network.input.shape != spec.shape or not np.array_equal(network.input.codes, spec.codes):
        raise TrainError(f"cannot start from {network.name}: it takes {network.input.shape} with codes"
                         f" {network.input.codes.min()} to {network.input.codes.max()}, this network {spec.shape}"
                         f" with {spec.codes.min()} to {spec.codes.max()}")
    if not network.is_chain:
        raise TrainError(f"cannot start from {network.name}: it joins maps; start from its training directory instead")
    model.eval()
    maps = [q for q, _ in batches.in_order(PICTURES)]
    hidden = [layer for layer in layers if not isinstance(layer, Scores)]
    for number, (block, layer) in enumerate(zip(model.blocks, hidden)):
        _check_layer(block, layer, f"cannot start from {network.name}: layer {number}")
        _set_weights(block.binary, layer)
        _set_norm(block.norm, layer, *_statistics(block.seen_by_norm, maps))
        maps = [block(x) for x in maps]
    if network.output.classes == classes:
        _set_weights(model.head.fc, layers[-1])
        mean, variance = _statistics(model.head.accumulate, maps)
        scale, offset = (torch.from_numpy(v.astype(np.float64)) for v in (network.output.scale, network.output.offset))
        _fill(model.head.norm, scale * (variance + model.head.norm.eps).sqrt(), offset + mean * scale, mean, variance)


def _check_layer(block: BinaryBlock, layer: Hidden, where: str) -> None:
    mine = tuple(block.binary.weight.shape)
    theirs = np.asarray(layer.weights).shape
    theirs = (theirs[0], theirs[3], theirs[1], theirs[2]) if len(theirs) == 4 else theirs
    if mine != theirs:
        raise TrainError(f"{where} has weights of {theirs}, here it has {mine} (out, in, ...)")
    row = block.row
    if not isinstance(row, Conv):
        return
    for name in [each.name for each in attributes(layer) if each.name != "pad_value" or row.padding]:
        if getattr(layer, name) != getattr(row, name):
            raise TrainError(f"{where} has {name} {getattr(layer, name)}, here it has {getattr(row, name)}")
    if row.order == "sign-pool" and row.pool > 1 and layer.invert.any():
        raise TrainError(f"{where} inverts what it pools, which only the order 'pool-sign' can")


def _set_weights(layer: BinaryLayer, folded: Layer) -> None:
    signs = torch.from_numpy(2.0 * folded.weights.astype(np.float32) - 1)
    layer.weight.copy_(INITIAL_WEIGHT * (signs.permute(0, 3, 1, 2) if signs.dim() == 4 else signs))


def _statistics(sums: Callable[[Tensor], Tensor], maps: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of the sums of all maps, (C,) float64 each, on the CPU."""
    count, first = 0, torch.zeros((), dtype=torch.float64)
    second = first
    for x in maps:
        flat = sums(x).transpose(0, 1).flatten(1).double()
        count, first, second = count + flat.shape[1], first + flat.sum(1), second + flat.square().sum(1)
    mean = first / count
    return mean.cpu(), (second / count - mean.square()).clamp(min=0).cpu()


def _set_norm(norm: Norm, layer: Hidden, mean: Tensor, variance: Tensor) -> None:
    thresholds = torch.from_numpy(layer.thresholds.astype(np.float64))
    gamma = 1 - 2 * torch.from_numpy(layer.invert.astype(np.float64))
    _fill(norm, gamma, gamma * (mean - thresholds + 0.5) / (variance + norm.eps).sqrt(), mean, variance)


def _fill(norm: Norm, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor) -> None:
    for tensor, values in ((norm.weight, gamma), (norm.bias, beta),
                           *zip(running(norm), (mean, variance))):
        tensor.copy_(values)
