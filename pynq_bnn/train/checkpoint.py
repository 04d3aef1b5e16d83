"""Checkpoints of a training; reading one executes nothing that is in it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import NetworkError, TrainError, first_line
from ..files import is_dir, is_file, write_atomically
from ..network.spec import InputSpec, one_bit_codes, signed_codes
from ..zoo.topology import Topology, topology_from_dict
from .model import BinaryChain, Parts
from .real import RealChain

FORMAT = "pynq-bnn checkpoint 2"
# Before warm starts and teachers: such a checkpoint compiles and can be started from, but its training went otherwise.
OLD_FORMAT = "pynq-bnn checkpoint 1"
LAST, BEST = "last.pt", "best.pt"
# Columns of the history, one row an epoch.
COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
# Plain fields and their types; files that users pass around may hold anything.
_FIELDS = {"topology": dict, "classes": list, "config": dict, "fit": str, "dataset": str, "model": dict,
           "optimizer": dict, "history": list, "epoch": int, "best": (int, float), "temperature": (int, float),
           "validation_accuracy": (int, float), "test_accuracy": (int, float), "start": (dict, type(None)),
           "teacher": (dict, type(None))}


def input_spec(topology: Topology, fit: str) -> InputSpec:
    """The input of a network trained here: q = pixel − 128, or ±1 split at 128."""
    codes = one_bit_codes() if topology.input_bits == 1 else signed_codes()
    background = 0 if fit == "digit" else 128
    return InputSpec(*topology.input_shape, codes, topology.input_bits, fit, background)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Store ``state`` (tensors and plain values) at ``path``."""
    write_atomically(path, lambda partial: torch.save({"format": FORMAT, **state}, partial))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """The state in a checkpoint file, or in the best checkpoint of a training directory.

    Raises
    ------
    TrainError
        When it is missing, damaged, or not a checkpoint of pynq-bnn.
    """
    path = Path(path)
    if is_dir(path):
        path = path / BEST
    if not is_file(path):
        raise TrainError(f"{path} does not exist; give the --out directory of a training or a checkpoint in it")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError,
            AttributeError, zipfile.BadZipFile) as error:
        raise TrainError(f"{path} is damaged or not a checkpoint: {first_line(error)}") from None
    if not isinstance(state, dict) or state.get("format") not in (FORMAT, OLD_FORMAT):
        raise TrainError(f"{path} is not a checkpoint of pynq-bnn ({FORMAT!r} is what it should say)")
    for key, kind in _FIELDS.items():
        if key in state and not isinstance(state[key], kind):
            raise TrainError(f"{path} is damaged: {key!r} is {state[key]!r:.60}")
    if any(set(COLUMNS) - set(row if isinstance(row, dict) else ()) for row in state.get("history", [])):
        raise TrainError(f"{path} is damaged: a row of 'history' lacks a column")
    return state


def check_resumable(state: dict[str, Any], where: str) -> None:
    """Refuse the checkpoint of an earlier trainer, whose epochs were not what they would be now.

    Raises
    ------
    TrainError
        The checkpoint is of the format before this one.
    """
    if state["format"] == OLD_FORMAT:
        raise TrainError(f"{where} is of an earlier pynq-bnn, whose training cannot be resumed; start a new one from"
                         f" it with --from {where} and another --out")


def build_model(topology: Topology, classes: int, config: dict[str, Any]) -> nn.Module:
    """The model that a training with these settings has; what they do not say has its default."""
    if config.get("real"):
        return RealChain(topology, classes)
    parts = {key: config[key] for key in ("gradient", "stochastic", "shift_norm") if key in config}
    return BinaryChain(topology, classes, Parts(**parts))


def restore_model(state: dict[str, Any], where: str) -> tuple[nn.Module, Topology]:
    """The model of a checkpoint, in eval mode, and its topology.

    Raises
    ------
    TrainError
        When weights and topology do not belong together or a value is not finite.
    """
    try:
        topology = topology_from_dict(state["topology"])
        model = build_model(topology, len(state["classes"]), state.get("config", {}))
        model.load_state_dict(state["model"])
    except (KeyError, TypeError, RuntimeError, NetworkError) as error:
        raise TrainError(f"{where}: weights and topology of the checkpoint do not fit: "
                         f"{first_line(error)}") from None
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not np.isfinite(tensor.numpy()).all():
            raise TrainError(f"{where}: {name} holds values that are not finite; the training diverged,"
                             " lower --lr and train again")
    return model.eval(), topology
