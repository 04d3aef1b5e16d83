"""Checkpoints of a training; reading one never executes code from it."""

from __future__ import annotations

import pickle
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.datasets import Dataset
from ..errors import NetworkError, TrainError, first_line
from ..files import is_dir, is_file, write_atomically
from ..model.binary import BinaryChain
from ..model.blocks import Parts
from ..model.chain import Chain
from ..model.full_precision import RealChain
from ..network.file import MAGIC
from ..network.spec import InputSpec
from ..network.topology import Topology, topology_from_dict

FORMAT = "pynq-bnn checkpoint 2"
# Written before warm starts and teachers existed: can be compiled and started from, but not resumed, since the training
# procedure has changed.
OLD_FORMAT = "pynq-bnn checkpoint 1"
LAST, BEST = "last.pt", "best.pt"
# In a fingerprint, separates the part that earlier checkpoints had from the checksums of the pictures.
CONTENT = ", content "
_WANTED = "give the --out directory of a training by pynq-bnn train, or a checkpoint in it"
_ELSEWHERE = f"a network trained elsewhere has to be trained again, by pynq-bnn train; else {_WANTED}"
_FOREIGN = {".onnx": "ONNX", ".h5": "Keras", ".keras": "Keras", ".tflite": "TensorFlow Lite", ".pb": "TensorFlow",
            ".caffemodel": "Caffe", ".npz": "NumPy", ".safetensors": "another trainer"}
# Columns of the history, one row an epoch.
COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
# Fields and their types, checked because files that users exchange may hold anything.
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "topology": dict, "classes": list, "config": dict, "fit": str, "dataset": str, "model": dict, "optimizer": dict,
    "history": list, "epoch": int, "best": (int, float), "temperature": (int, float),
    "validation_accuracy": (int, float), "test_accuracy": (int, float), "start": (dict, type(None)),
    "teacher": (dict, type(None)), "split": str, "pictures": str, "best_loss": (int, float)}


def input_spec(topology: Topology, fit: str) -> InputSpec:
    """The input of a network trained here: q = pixel − 128, or for 1 bit +1 from 128 up, else −1."""
    return InputSpec(*topology.input_shape, topology.encoding, fit, 0 if fit == "digit" else 128)


def fingerprint(data: Dataset) -> str:
    """A text that identifies the training and validation pictures, their order and labels, wherever they are stored.

    Without the part from :data:`CONTENT` on, it is the fingerprint of earlier checkpoints, which covered only labels.
    """
    labels, content = zlib.crc32(data.train.labels.tobytes()), data.content
    if not content:
        splits = [split for split in (data.train, data.validation) if split is not None]
        content = " ".join(f"{zlib.crc32(np.ascontiguousarray(split.images).data):08x}" for split in splits)
    if data.validation is not None:
        content += f" {zlib.crc32(data.validation.labels.tobytes()):08x}"
    return f"{len(data.train)} pictures, labels {labels:08x}{CONTENT}{content}"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Store ``state`` (tensors and plain values) at ``path``."""
    write_atomically(path, lambda partial: torch.save({"format": FORMAT, **state}, partial))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """The state in a checkpoint file, or in the best checkpoint of a training directory.

    Raises
    ------
    TrainError
        It is missing, damaged, or not a checkpoint of pynq-bnn.
    """
    if not isinstance(path, (str, Path)) or not str(path):  # Path("") is the current folder
        raise TrainError(f"{f'a {type(path).__name__}' if path != '' else 'an empty name'} is no checkpoint; {_WANTED}")
    path = Path(path)
    if is_dir(path):
        path = path / BEST
    if not is_file(path):
        raise TrainError(f"{path} does not exist; {_WANTED}")
    _check_kind(path)
    try:
        _check_sums(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about foreign files; the error below says more
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # torch's own message here recommends an unsafe way of loading.
        raise TrainError(f"{path} is damaged or not a checkpoint of pynq-bnn (it holds more than tensors and plain"
                         f" values, and nothing in it is run); {_ELSEWHERE}") from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError,
            AssertionError, OverflowError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
        raise TrainError(f"{path} is damaged or not a checkpoint{_reason(error)}; {_WANTED}") from None
    if not isinstance(state, dict) or state.get("format") not in (FORMAT, OLD_FORMAT):
        what = " but weights of another trainer" if _holds_tensors(state) else ""
        raise TrainError(f"{path} is not a checkpoint of pynq-bnn{what}; {_ELSEWHERE}")
    for key, kind in _FIELDS.items():
        if key in state and not isinstance(state[key], kind):
            raise TrainError(f"{path} is damaged: {key!r} is {state[key]!r:.60}")
    if any(set(COLUMNS) - set(row if isinstance(row, dict) else ()) for row in state.get("history", [])):
        raise TrainError(f"{path} is damaged: a row of 'history' lacks a column")
    return state


def _check_kind(path: Path) -> None:
    """Reject known files of other kinds with a specific message.

    Raises
    ------
    TrainError
        It is a ``.bnn`` file, or by its suffix a model of another tool.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise TrainError(f"cannot read {path}: {error.strerror}") from None
    if head == MAGIC:
        raise TrainError(f"{path} is a .bnn file, folded already; classify with it, or train on from it with --from")
    if path.suffix.lower() in _FOREIGN:
        raise TrainError(f"{path} is a model of {_FOREIGN[path.suffix.lower()]}, which cannot be folded; {_ELSEWHERE}")


def _check_sums(path: Path) -> None:
    """Check the checksums of the zip archive as which torch stores a checkpoint; torch itself ignores them."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        wrong = archive.testzip()
    if wrong is not None:
        raise zipfile.BadZipFile(f"the checksum of {wrong!r:.60} does not match, copy the file again")


def _reason(error: Exception) -> str:
    """Torch's reason why it cannot read a file, if useful to users and without its advice to load unsafely."""
    words = first_line(error)
    said = isinstance(error, (OSError, RuntimeError, zipfile.BadZipFile)) and "weights_only" not in words
    return f" ({words})" if said else ""


def _holds_tensors(state: Any) -> bool:
    return isinstance(state, dict) and any(isinstance(value, (torch.Tensor, dict)) for value in state.values())


def check_resumable(state: dict[str, Any], where: str) -> None:
    """Reject a checkpoint of an earlier trainer, which trained differently.

    Raises
    ------
    TrainError
        The checkpoint has the previous format.
    """
    if state["format"] == OLD_FORMAT:
        raise TrainError(f"{where} is of an earlier pynq-bnn, whose training cannot be resumed; start a new one from"
                         f" it with --from {where} and another --out")


def build_model(topology: Topology, classes: int, config: dict[str, Any]) -> Chain:
    """The model of a training with these settings; missing settings have their defaults."""
    if config.get("real"):
        return RealChain(topology, classes)
    parts = {key: config[key] for key in ("gradient", "stochastic", "shift_norm") if key in config}
    return BinaryChain(topology, classes, Parts(**parts))


def restore_model(state: dict[str, Any], where: str) -> tuple[Chain, Topology]:
    """The model of a checkpoint, in eval mode, and its topology.

    Raises
    ------
    TrainError
        Weights and topology do not match, or a value is not finite.
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
