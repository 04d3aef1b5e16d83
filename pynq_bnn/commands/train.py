"""``train``, ``compile`` and ``import``; torch and brevitas are imported only when a command runs."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ..data.classes import DIGITS, GTSRB_CLASSES
from ..data.datasets import load_dataset
from ..errors import OutputError, TrainError, first_line
from ..files import is_file
from ..interop import import_folder
from ..network import Network, save_network, write_network
from ..network.topology import Topology, widened
from ..pictures.preparation import default_fit
from ..program.fits import accelerator_refusal
from ..progress import progress
from ..train.config import GRADIENTS, LOSSES, OPTIMIZERS, SCHEDULES, TrainConfig
from ..zoo import find_topology
from ..zoo.untrained import untrained_network

log = logging.getLogger(__name__)

# The value of --from that asks for random weights where the default would be a shipped network.
SCRATCH = "scratch"
# Flag (a field of TrainConfig), its type, its help text.
CONFIG_OPTIONS = (
    ("epochs", int, "passes over the training pictures"),
    ("batch", int, "pictures per step"),
    ("optimizer", OPTIMIZERS, "optimizer"),
    ("lr", float, "highest learning rate"),
    ("schedule", SCHEDULES, "how the rate falls"),
    ("warmup", float, "epochs of rising rate"),
    ("step-every", int, "epochs between the steps of --schedule step"),
    ("step-gamma", float, "factor of each such step"),
    ("loss", LOSSES, "loss"),
    ("label-smoothing", float, "label smoothing"),
    ("crop", int, "random crop from the picture padded by N pixels"),
    ("flip", bool, "mirror half of the pictures (default: for colour pictures, except digits and GTSRB's signs)"),
    ("cutout", int, "side of a grey square at a random position"),
    ("pool", int, "number of augmented copies of the pictures, made once and used in turn; 0: new ones each epoch"),
    ("distort", float, "strength of rotation, size, shear, shift and elastic distortion, for digits"),
    ("gradient", GRADIENTS, "gradient of the sign"),
    ("stochastic", bool, "draw the signs of activations at random while training"),
    ("shift-norm", bool, "batch norm by powers of two"),
    ("distill", float, "weight of --teacher in the loss"),
    ("temperature", float, "temperature of the teacher's and the network's answers"),
    ("weight-decay", float, "decoupled weight decay"),
    ("real", bool, "train the real-valued twin, a teacher for --teacher"),
    ("validation", float, "part held out for choosing the best epoch"),
    ("seed", int, "seed of weights, order and augmentation"),
)
# Defaults of the command line by kind of picture: digits and arrows must not be mirrored, photographs may.
_COLOUR_DEFAULTS = {"crop": 4, "flip": True}
_DIGIT_DEFAULTS = {"distort": 0.7}
# A real-valued network needs smaller steps and weight decay.
_REAL_DEFAULTS = {"lr": 0.002, "weight_decay": 0.1}


def config_default(flag: str) -> object:
    """The defaults of a flag, for the help text."""
    name = flag.replace("-", "_")
    default = next(f.default for f in fields(TrainConfig) if f.name == name)
    for kind, values in (("colour", _COLOUR_DEFAULTS), ("digits", _DIGIT_DEFAULTS), ("--real", _REAL_DEFAULTS)):
        if name in values:
            default = f"{default}, {values[name]} for {kind}"
    return default


def needs_train_extra(module: str) -> ModuleType:
    """Import a module of this package that needs torch; raises TrainError with advice if that fails."""
    from importlib import import_module

    try:
        return import_module(module, "pynq_bnn")
    except ModuleNotFoundError as error:
        raise TrainError(f"this command needs {error.name}; install it with: pip install 'pynq-bnn[train]'") from None
    except ImportError as error:
        raise TrainError(f"cannot import what this command needs: {first_line(error)}") from None


def train(arguments: argparse.Namespace) -> int:
    """Train, and print what to do with the result."""
    fit_module = needs_train_extra(".train.fit")
    with needs_train_extra(".train.processes").process_group(arguments.device):
        return _train(arguments, fit_module)


def _train(arguments: argparse.Namespace, fit_module: ModuleType) -> int:
    fit_module.choose_device(arguments.device)  # report a missing device before the data are read
    input_spec = needs_train_extra(".train.checkpoint").input_spec
    logging.getLogger("pynq_bnn").setLevel(logging.INFO)
    topology = widened(find_topology(arguments.network), arguments.width)
    _config(arguments, topology, topology.classes)  # likewise a setting out of range
    fit_module.check_folder(arguments.out, arguments.resume)  # and a folder that is in use

    def fit(classes: Sequence[str]) -> str:
        return arguments.fit or default_fit(topology.channels, classes)

    data = load_dataset(arguments.data, lambda classes: input_spec(topology, fit(classes)),
                        check=partial(_check_foldable, topology, arguments),
                        progress=lambda paths: progress(paths, "read", least=100))
    if arguments.no_test:
        data = replace(data, test=None)
    config = _config(arguments, topology, data.classes)
    if topology.channels == 1 and not arguments.fit:
        log.info("grey pictures with these classes are fitted by %r; --fit chooses another rule", fit(data.classes))
    outcome = fit_module.train(topology, data, arguments.out, config, fit=fit(data.classes),
                               start=_start(arguments, topology, config, len(data.train)), teacher=arguments.teacher,
                               resume=arguments.resume, device=arguments.device, capture=arguments.capture,
                               quiet=arguments.quiet)
    if not outcome:  # not the first of several processes
        return 0
    for key, value in outcome.items():
        print(f"{key}: {value:.4f}" if isinstance(value, float) else f"{key}: {value}")
    if config.real:
        print(f"use it as a teacher with: pynq-bnn train … --teacher {arguments.out}")
    else:
        print(f"fold it into a file with: pynq-bnn compile {arguments.out} -o {topology.name}.bnn")
    return 0


def _check_foldable(topology: Topology, arguments: argparse.Namespace, classes: tuple[str, ...]) -> None:
    """Raise now what ``compile`` would raise after hours of training, and log whether it fits the accelerator."""
    network = untrained_network(replace(topology, classes=classes))
    write_network(network)
    if not arguments.real:
        log.log(*_accelerator_message(network))


def _accelerator_message(network: Network) -> tuple[int, str]:
    """Log level and message about whether the network fits the accelerator."""
    refusal = accelerator_refusal(network)
    if refusal:
        return logging.WARNING, f"{refusal}; the processor (backend cpu) runs it"
    return logging.INFO, f"{network.name} fits the accelerator"


def _start(arguments: argparse.Namespace, topology: Topology, config: TrainConfig, pictures: int) -> str | None:
    """The network to start from: the requested one, else with few pictures a shipped network; None for random."""
    warm = needs_train_extra(".train.warm")
    if arguments.start is not None:
        return None if arguments.start == SCRATCH else arguments.start
    if pictures >= warm.FEW_PICTURES or config.real or config.shift_norm or is_file(Path(arguments.out, "last.pt")):
        return None
    start: str | None = warm.default_start(topology, config, pictures)
    if start:
        log.info("few pictures (%d): started from %s, a shipped network; --from %s starts with random weights",
                 pictures, start, SCRATCH)
    else:
        log.warning("few pictures (%d) for random weights, and no shipped network has these layers; cnv-cifar10 for"
                    " colour and lfc-mnist for digits start from shipped weights", pictures)
    return start


def _config(arguments: argparse.Namespace, topology: Topology, classes: Sequence[str]) -> TrainConfig:
    given = {f.name: getattr(arguments, f.name) for f in fields(TrainConfig)
             if getattr(arguments, f.name, None) is not None}
    return make_config(given, topology, classes)


def make_config(given: dict[str, Any], topology: Topology, classes: Sequence[str]) -> TrainConfig:
    """The given settings, with defaults by the kind of network and by the kind of pictures with these classes."""
    defaults: dict[str, Any] = {}
    if topology.channels == 3:
        defaults |= {**_COLOUR_DEFAULTS, "flip": tuple(classes) not in (DIGITS, GTSRB_CLASSES)}
    elif tuple(classes) == DIGITS:
        defaults |= _DIGIT_DEFAULTS
    if given.get("real"):
        defaults |= _REAL_DEFAULTS
    return TrainConfig(**{**defaults, **given})


def compile(arguments: argparse.Namespace) -> int:
    """Fold a checkpoint and write the .bnn file."""
    compiler = needs_train_extra(".compile.compiler")
    output = _bnn_path(arguments.output)
    network = compiler.compile_checkpoint(arguments.checkpoint, output.stem, arguments.fit)
    print(_accelerator_message(network)[1])
    save_network(network, output)
    print(f"wrote {output}: {output.stat().st_size:,} bytes, {len(network.layers)} layers, checked against torch")
    if "temperature" not in network.provenance:
        print("the training has not finished: probabilities are not calibrated, no test accuracy is recorded")
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
        example = "network" if name.startswith(".") or not path.stem else path.stem
        raise OutputError(f"{name!r}: the output is a .bnn file, for example {example}.bnn")
    return path
