"""``train``, ``compile`` and ``import``; torch and brevitas are imported when a command runs, not before."""

from __future__ import annotations

import argparse
import logging
from dataclasses import fields
from pathlib import Path
from types import ModuleType

from ..data.datasets import load_dataset
from ..errors import OutputError, TrainError, first_line
from ..interop import import_folder
from ..network import save_network
from ..progress import progress
from ..train.config import LOSSES, OPTIMIZERS, SCHEDULES, TrainConfig
from ..zoo import find_topology
from ..zoo.tables import DIGITS

# Flag (a field of TrainConfig), its type, what it is.
CONFIG_OPTIONS = (
    ("epochs", int, "passes over the training pictures"),
    ("batch", int, "pictures a step"),
    ("optimizer", OPTIMIZERS, "optimizer"),
    ("lr", float, "highest learning rate"),
    ("schedule", SCHEDULES, "how the rate falls"),
    ("warmup", float, "epochs of rising rate"),
    ("step-every", int, "epochs between the steps of --schedule step"),
    ("step-gamma", float, "factor of each such step"),
    ("loss", LOSSES, "loss"),
    ("label-smoothing", float, "label smoothing"),
    ("crop", int, "random crop out of a frame padded by so many pixels"),
    ("flip", bool, "mirror half of the pictures (default: for colour pictures that are no digits)"),
    ("cutout", int, "side of a square of grey at a random place"),
    ("validation", float, "part held out for choosing the best epoch"),
    ("seed", int, "seed of weights, order and augmentation"),
)
# What a command line gets when it does not say: digits must not be mirrored, photographs may.
_COLOUR_DEFAULTS = {"crop": 4, "flip": True}


def config_default(flag: str) -> object:
    """The default of a flag, for the help text."""
    name = flag.replace("-", "_")
    default = next(f.default for f in fields(TrainConfig) if f.name == name)
    return f"{default}, {_COLOUR_DEFAULTS[name]} for colour" if name in _COLOUR_DEFAULTS else default


def needs_train_extra(module: str) -> ModuleType:
    """A module of this package that needs torch, or one clear error."""
    from importlib import import_module

    try:
        return import_module(module, "pynq_bnn")
    except ModuleNotFoundError as error:
        raise TrainError(f"this command needs {error.name}; install it with: pip install 'pynq-bnn[train]'") from None
    except ImportError as error:
        raise TrainError(f"cannot import what this command needs: {first_line(error)}") from None


def train(arguments: argparse.Namespace) -> int:
    """Train and say what to do with the result."""
    fit_module = needs_train_extra(".train.fit")
    fit_module.choose_device(arguments.device)  # a missing device is told before the data are read
    input_spec = needs_train_extra(".train.checkpoint").input_spec
    logging.getLogger("pynq_bnn").setLevel(logging.INFO)
    topology = find_topology(arguments.network)
    colour = topology.channels == 3
    given = {f.name: getattr(arguments, f.name) for f in fields(TrainConfig)
             if getattr(arguments, f.name, None) is not None}
    defaults = {**_COLOUR_DEFAULTS, "flip": topology.classes != DIGITS} if colour else {}
    config = TrainConfig(**{**defaults, **given})
    fit = arguments.fit or ("extend" if colour else "digit")
    data = load_dataset(arguments.data, input_spec(topology, fit),
                        progress=lambda paths: progress(paths, "read", least=100))
    outcome = fit_module.train(topology, data, arguments.out, config, fit=fit, resume=arguments.resume,
                               device=arguments.device, quiet=arguments.quiet)
    for key, value in outcome.items():
        print(f"{key}: {value:.4f}" if isinstance(value, float) else f"{key}: {value}")
    print(f"fold it into a file with: pynq-bnn compile {arguments.out} -o {topology.name}.bnn")
    return 0


def compile(arguments: argparse.Namespace) -> int:
    """Fold a checkpoint and write the .bnn file."""
    compiler = needs_train_extra(".compile.compiler")
    output = _bnn_path(arguments.output)
    network = compiler.compile_checkpoint(arguments.checkpoint, output.stem, arguments.fit)
    save_network(network, output)
    print(f"wrote {output}: {output.stat().st_size:,} bytes, {len(network.layers)} layers, checked against torch")
    if "temperature" not in network.provenance:
        print("the training was not run to its end: probabilities are not calibrated, no test accuracy is noted")
    return 0


def import_bnn_pynq(arguments: argparse.Namespace) -> int:
    """Convert a BNN-PYNQ parameter folder and write the .bnn file."""
    output = _bnn_path(arguments.output)
    network = import_folder(arguments.folder, output.stem)
    save_network(network, output)
    print(f"wrote {output}: {output.stat().st_size:,} bytes, {network.provenance['kind']},"
          f" {len(network.output.classes)} classes")
    return 0


def _bnn_path(name: str) -> Path:
    path = Path(name)
    if path.suffix != ".bnn":
        raise OutputError(f"{path}: the output is a .bnn file, for example {path.stem or 'network'}.bnn")
    return path
