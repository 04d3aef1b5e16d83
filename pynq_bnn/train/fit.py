"""The training loop: QAT of a topology on a data set, resumable after any epoch."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from ..data.datasets import Dataset
from ..errors import OutputError, TrainError, first_line
from ..zoo.topology import Topology
from .batches import Batches
from .checkpoint import (
    BEST,
    CONTENT,
    LAST,
    build_model,
    check_resumable,
    fingerprint,
    input_spec,
    load_checkpoint,
    restore_model,
    save_checkpoint,
)
from .config import TrainConfig
from .history import plot_curves, write_csv
from .holdout import RANDOM, STRATIFIED, split_validation
from .lock import training_folder
from .processes import Processes
from .warm import load_teacher, seen_here, warm_start

log = logging.getLogger(__name__)

HISTORY, CURVES = "history.csv", "curves.png"
_ALREADY = "{} already holds a training; go on with --resume or give another --out"


def train(topology: Topology, data: Dataset, out: str | Path, config: TrainConfig, *, fit: str = "extend",
          start: str | None = None, teacher: str | None = None, resume: bool = False, device: str | None = None,
          quiet: bool = False) -> dict[str, Any]:
    """Train ``topology`` on ``data`` and leave checkpoints, CSV and curves in ``out``.

    Latent weights in [−1, 1] and the straight-through estimator: Courbariaux et al. 2016, algorithm 1.
    The checkpoint with the best validation accuracy is kept, of equal ones that with the least validation loss, then
    the latest; the test split is read once, at the end.
    In a process group (``torchrun``) each process trains on its part of every batch, and the first one writes.

    Parameters
    ----------
    start : str, optional
        Shipped network, ``.bnn`` file or training to start from, see :func:`~pynq_bnn.train.warm.warm_start`.
    teacher : str, optional
        Training (directory or checkpoint) of the network that teaches, real-valued as a rule.

    Returns
    -------
    dict
        ``epoch``, ``validation_accuracy`` and, with a test split, ``test_accuracy`` (0…1) of the best
        checkpoint; empty in all processes but the first.

    Raises
    ------
    TrainError
        ``out`` holds another training or another process trains into it, the loss is not finite, the data are too few,
        or ``start`` or ``teacher`` do not fit.
    """
    try:
        with training_folder(Path(out), Processes.here().first):
            state = _state_to_resume(Path(out), resume)
            rule = state.get("split", RANDOM) if state else STRATIFIED
            run = _Run(topology, data, Path(out), config, fit, choose_device(device), quiet, rule)
            run.take_teacher(teacher)
            run.start(state, start)
            while run.epoch < config.epochs:
                run.one_epoch()
            return run.finish() if run.processes.first else {}
    except RuntimeError as error:  # torch has no kind of its own for memory on the CPU
        if not any(words in str(error) for words in ("out of memory", "can't allocate memory")):
            raise
        raise TrainError(f"out of memory ({first_line(error)}); start again with a smaller --batch") from None


def choose_device(name: str | None) -> torch.device:
    """The device called ``name``; without a name CUDA when there is one, else the CPU.

    Raises
    ------
    TrainError
        CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("torch finds no CUDA device here; leave --device out to train on the CPU")
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def check_folder(out: str | Path, resume: bool) -> None:
    """Refuse a folder that :func:`train` would refuse, before anything else is done; nothing is left behind.

    Raises
    ------
    OutputError, TrainError
        As :func:`train`.
    """
    if not str(out):  # Path("") is the present folder
        raise OutputError("--out is empty; give a directory for the training")
    with training_folder(Path(out), Processes.here().first):
        if Path(out, LAST).exists() and not resume:
            raise TrainError(_ALREADY.format(out))


def _state_to_resume(out: Path, resume: bool) -> dict[str, Any] | None:
    """The state of the training in ``out`` that is to go on; None where there is none."""
    last = out / LAST
    if not last.exists():
        if resume:
            log.info("%s holds no training yet; starting one", out)
        return None
    if not resume:
        raise TrainError(_ALREADY.format(out))
    state = load_checkpoint(last)
    check_resumable(state, str(last))
    return state


class _Run:
    """State of one training: model, optimizer, epoch, history."""

    def __init__(self, topology: Topology, data: Dataset, out: Path, config: TrainConfig, fit: str,
                 device: torch.device, quiet: bool, split: str) -> None:
        self.topology, self.data, self.out, self.config = topology, data, out, config
        self.spec, self.fit, self.device, self.quiet = input_spec(topology, fit), fit, device, quiet
        self.split, self.pictures, self.processes = split, fingerprint(data), Processes.here()
        torch.manual_seed(config.seed)
        training, self.validation_split = split_validation(data, config.validation, config.seed, split)
        self.training = Batches(training, self.spec, config.batch, device, self.processes)
        self.validation = Batches(self.validation_split, self.spec, 500, device)
        model = build_model(topology, len(data.classes), config.to_dict())
        self.model = model.to(device, memory_format=torch.channels_last)
        self.teacher, self.origin = None, {"start": None, "teacher": None}
        self.optimizer = _optimizer(self.model, config)
        self.norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self.epoch, self.best, self.best_loss, self.history = 0, -1.0, math.inf, []

    def take_teacher(self, path: str | None) -> None:
        """Load the teacher, which sees the same batches in eval mode."""
        if path is None:
            return
        model, self.origin["teacher"] = load_teacher(path, self.topology, list(self.data.classes))
        self.teacher = model.to(self.device, memory_format=torch.channels_last)

    # --- state on disk -----------------------------------------------------------------------------

    def start(self, state: dict[str, Any] | None, source: str | None) -> None:
        """Go on from ``state``, or begin, from ``source`` where there is one."""
        if state:
            self._resume(state)
        elif source is not None:
            self.origin["start"] = warm_start(self.model, source, self.spec, tuple(self.data.classes), self.training)
        if self.processes.first:
            for name in (LAST, BEST, HISTORY, CURVES):  # what a kill while writing has left
                for partial in self.out.glob(f".{name}.*.partial"):
                    partial.unlink(missing_ok=True)
        for role, origin in self.origin.items():
            if origin and seen_here(origin["training"], self._description()):
                log.warning("the %s was trained on pictures that are held out here, so validation flatters; give the"
                            " same --seed and --validation as there (of a training by an earlier pynq-bnn that does not"
                            " help, it held out others)", role)
        self.parallel = self.processes.parallel(self.model, self.device)

    def _resume(self, state: dict[str, Any]) -> None:
        last = self.out / LAST
        self._check_same(state)
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch, self.best, self.history = state["epoch"], float(state["best"]), state["history"]
            # Earlier trainers kept the first of equal epochs and did not note its loss.
            losses = [row["validation_loss"] for row in self.history if row["validation_accuracy"] == self.best]
            self.best_loss = float(state.get("best_loss", losses[0] if losses else math.inf))
            self.origin["start"] = state["start"]
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise TrainError(f"{last} cannot be resumed: {first_line(error)}") from None

    def _check_same(self, state: dict[str, Any]) -> None:
        """Only ``epochs`` and the place of the pictures may differ."""
        mine, theirs = self._description(), {key: state.get(key) for key in self._description()}
        theirs["split"] = self.split  # taken from there
        if CONTENT in (state.get("pictures") or ""):
            mine["dataset"] = theirs["dataset"]  # the name of a folder, which may have moved
        else:  # of an earlier trainer
            mine["pictures"] = mine["pictures"].split(CONTENT)[0]
        for part in (mine, theirs):
            part["config"] = {k: v for k, v in (part["config"] or {}).items() if k != "epochs"}
        for key in mine:
            if mine[key] != theirs[key]:
                ours, others = _differing(mine[key], theirs[key])
                raise TrainError(f"{self.out / LAST} was trained with another {key}: {others},"
                                 f" not {ours}; resume with the same or give another --out")

    def _description(self) -> dict[str, Any]:
        return {"topology": self.topology.to_dict(), "classes": list(self.data.classes), "fit": self.fit,
                "dataset": self.data.name, "pictures": self.pictures, "split": self.split,
                "config": self.config.to_dict(), "teacher": self.origin["teacher"]}

    def _save(self, accuracy: float, loss: float) -> None:
        state = {**self._description(), "start": self.origin["start"], "model": _plain(self.model.state_dict()),
                 "epoch": self.epoch, "history": self.history}
        loss = loss if math.isfinite(loss) else math.inf
        if (accuracy, -loss) >= (self.best, -self.best_loss):
            self.best, self.best_loss = accuracy, loss
            save_checkpoint(self.out / BEST, {**state, "validation_accuracy": accuracy})
        save_checkpoint(self.out / LAST, {**state, "optimizer": self.optimizer.state_dict(), "best": self.best,
                                           "best_loss": self.best_loss})
        write_csv(self.out / HISTORY, self.history)
        plot_curves(self.out / CURVES, self.history, f"{self.topology.name} on {self.data.name}")

    # --- one epoch ---------------------------------------------------------------------------------

    def one_epoch(self) -> None:
        began = time.perf_counter()
        loss, accuracy = self._train_epoch()
        validation_loss, validation_accuracy = self.evaluate(self.model, self.validation)
        self.epoch += 1
        self.history.append({
            "epoch": self.epoch, "lr": self.optimizer.param_groups[0]["lr"], "train_loss": loss,
            "train_accuracy": accuracy, "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy, "seconds": time.perf_counter() - began})
        if not self.processes.first:
            return
        self._save(validation_accuracy, validation_loss)
        log.info("epoch %d/%d: loss %.4f, training %.2f %%, validation %.2f %% (best %.2f %%), %.0f img/s, %s left",
                 self.epoch, self.config.epochs, loss, 100 * accuracy, 100 * validation_accuracy, 100 * self.best,
                 len(self.training.images) / self.history[-1]["seconds"], self._time_left())

    def _time_left(self) -> str:
        """Hours and minutes to go, judged by the latest epochs."""
        recent = [row["seconds"] for row in self.history[-5:]]
        minutes = round((self.config.epochs - self.epoch) * sum(recent) / len(recent) / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min"

    def _train_epoch(self) -> tuple[float, float]:
        self.model.train()
        # Whatever layers draw at random follows from the epoch, so that a resumed training draws the same.
        torch.manual_seed(self.config.seed * 1_000_003 + self.epoch + (self.processes.rank << 40))
        total = torch.zeros(3, device=self.device)
        batches = self.training.shuffled(self.config, self.epoch)
        bar = tqdm(total=len(self.training.images), unit="img", leave=False,
                   disable=self.quiet or not self.processes.first or None,
                   desc=f"epoch {self.epoch + 1}/{self.config.epochs}")
        for step, (q, labels) in enumerate(batches):
            self._set_rate(self.epoch, step)
            loss, correct = self._step(q, labels)
            total += torch.stack([loss * len(labels), correct, torch.full_like(loss, len(labels))])
            bar.update(len(labels) * self.processes.count)
        bar.close()
        total = self.processes.total(total)
        if not torch.isfinite(total[0]):
            raise TrainError(f"the loss is not finite in epoch {self.epoch + 1}; lower --lr and train again"
                             f" ({self.out / LAST} keeps the epoch before)")
        return float(total[0] / total[2]), float(total[1] / total[2])

    def _step(self, q: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(self.device):
            logits = self.parallel(q)
        logits = logits.float()
        loss = self._loss(logits, labels)
        if self.teacher is not None:
            loss = (1 - self.config.distill) * loss + self.config.distill * self._distillation(logits, q)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.model.clip_weights()
        return loss.detach(), (logits.argmax(1) == labels).sum()

    def _distillation(self, logits: Tensor, q: Tensor) -> Tensor:
        with torch.no_grad(), autocast(self.device):
            target = self.teacher(q)
        return distillation_loss(logits, target.float(), self.config.temperature)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing, classes = self.config.label_smoothing, logits.shape[1]
        if self.config.loss == "cross-entropy":
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        # Courbariaux 2016 trains with max(0, 1 − t·y)² on targets ±1, summed over classes here.
        targets = (2 * F.one_hot(labels, classes) - 1) * (1 - smoothing)
        return F.relu(1 - targets * logits).square().sum(1).mean()

    def _set_rate(self, epoch: int, step: int) -> None:
        rate = learning_rate(self.config, epoch + step / len(self.training))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        momentum = norm_momentum(rate / self.config.lr, epoch * len(self.training) + step)
        for norm in self.norms:
            norm.momentum = momentum

    # --- evaluation --------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self, model: nn.Module, batches: Batches) -> tuple[float, float]:
        """Mean loss and accuracy (0…1) in float32."""
        model.eval()
        loss, correct = 0.0, 0
        for q, labels in batches.in_order():
            logits = model(q)
            loss += float(self._loss(logits, labels)) * len(labels)
            correct += int((logits.argmax(1) == labels).sum())
        return loss / len(batches.images), correct / len(batches.images)

    def finish(self) -> dict[str, Any]:
        """Calibrate the best checkpoint, read the test split once and note both in it."""
        state = load_checkpoint(self.out / BEST)
        model, _ = restore_model(state, str(self.out / BEST))
        # On the CPU, where the model's operations are by definition what the folded network computes.
        cpu = torch.device("cpu")
        state["temperature"] = _temperature(model, Batches(self.validation_split, self.spec, 500, cpu))
        result = {"epoch": state["epoch"], "validation_accuracy": state["validation_accuracy"]}
        if self.data.test is not None:
            result["test_accuracy"] = self.evaluate(model, Batches(self.data.test, self.spec, 500, cpu))[1]
        state.update(result, training_seconds=sum(row["seconds"] for row in self.history),
                     device=device_name(self.device))
        save_checkpoint(self.out / BEST, {key: value for key, value in state.items() if key != "format"})
        return result


def distillation_loss(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """T²·KL(softmax(target/T) ‖ softmax(logits/T)), mean over the batch (Hinton et al. 2015, section 2)."""
    wanted, found = (F.log_softmax(x / temperature, 1) for x in (target, logits))
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True) * temperature**2


def learning_rate(config: TrainConfig, epoch: float) -> float:
    """The rate at a (fractional) epoch: linear warm-up, then cosine to zero or steps."""
    if epoch < config.warmup:
        return config.lr * max(epoch / config.warmup, 0.01)
    if config.schedule == "step":
        return config.lr * config.step_gamma ** (epoch // config.step_every)
    progress = (epoch - config.warmup) / max(config.epochs - config.warmup, 1e-9)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))


def norm_momentum(relative_rate: float, steps: int) -> float:
    """The weight of a batch in batch norm's running statistics after so many steps.

    While weights move fast the statistics follow as torch's default does, about 10 batches back; when the rate has
    fallen, 50 batches, since thresholds rest on them. The first steps are averaged plainly, so that a training of
    few steps is not left with the values that statistics start from.
    """
    return max(0.1 * relative_rate, 0.02, 1 / (steps + 1))


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        # Fused: one pass over memory. With the 37 million weights of the MLP it takes 32 ms on a core, not 225.
        return torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
    return torch.optim.SGD(model.parameters(), lr=config.lr, momentum=0.9)


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """bfloat16 for the heavy operations of a training step, where the device has it."""
    supported = device.type == "cpu" or torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and supported)


@torch.no_grad()
def _temperature(model: nn.Module, validation: Batches) -> float:
    """The temperature of least validation cross-entropy (Guo et al. 2017), searched on a grid of 2 %."""
    model.eval()
    outputs = [(model(q), labels) for q, labels in validation.in_order()]
    logits, labels = (torch.cat(part) for part in zip(*outputs))
    grid = [1.02**k for k in range(-150, 151)]
    losses = [float(F.cross_entropy(logits / t, labels)) for t in grid]
    return grid[int(np.argmin(losses))]


def _differing(mine: Any, theirs: Any) -> tuple[Any, Any]:
    """Of two dicts only the entries that differ; anything else as it is."""
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return mine, theirs
    keys = [key for key in {**theirs, **mine} if mine.get(key) != theirs.get(key)]
    return tuple({key: part[key] for key in keys if key in part} for part in (mine, theirs))


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def device_name(device: torch.device) -> str:
    """The device in words, for provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
