"""The training loop: QAT of a topology on a data set, resumable after any epoch."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ..data.datasets import Dataset
from ..errors import OutputError, TrainError, first_line
from ..model.chain import Chain
from ..network.topology import Topology
from .batches import Batches
from .captured import CapturedStep, captures
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
from .pace import Pace
from .pool import PooledBatches
from .processes import Processes
from .schedule import learning_rate, norm_momentum
from .step import Step, batch_loss, load_optimizer_state, make_optimizer, on_device, optimizer_state
from .warm import load_teacher, seen_here, warm_start

log = logging.getLogger(__name__)

HISTORY, CURVES = "history.csv", "curves.png"
_ALREADY = "{} already holds a training; continue it with --resume or give another --out"


def train(topology: Topology, data: Dataset, out: str | Path, config: TrainConfig, *, fit: str = "extend",
          start: str | None = None, teacher: str | None = None, resume: bool = False, device: str | None = None,
          capture: bool | None = None, quiet: bool = False) -> dict[str, Any]:
    """Train ``topology`` on ``data`` and write checkpoints, CSV and curves to ``out``.

    Latent weights in [−1, 1] and the straight-through estimator: Courbariaux et al. 2016, algorithm 1.
    The checkpoint with the best validation accuracy is kept; ties are broken by the lower validation loss, then by the
    later epoch. The test split is read once, at the end.
    In a process group (``torchrun``) each process trains on its part of every batch, and the first one writes.

    Parameters
    ----------
    start : str, optional
        Shipped network, ``.bnn`` file or training to start from, see :func:`~pynq_bnn.train.warm.warm_start`.
    teacher : str, optional
        Training (directory or checkpoint) of the teacher, usually a full-precision network.
    capture : bool, optional
        Replay each step as one CUDA graph; default: on CUDA with one process.

    Returns
    -------
    dict
        ``epoch``, ``validation_accuracy`` and, with a test split, ``test_accuracy`` (0…1) of the best
        checkpoint; empty in all processes except the first.

    Raises
    ------
    TrainError
        ``out`` holds another training or is in use by another process, the loss is not finite, there are too few
        pictures, or ``start`` or ``teacher`` do not match the network.
    """
    with memory_errors(), training_folder(Path(out), Processes.here().first):
        run = Run.opened(topology, data, Path(out), config, fit, choose_device(device), resume=resume, start=start,
                         teacher=teacher, quiet=quiet, capture=capture)
        for _ in run.steps():
            pass
        return run.finish() if run.processes.first else {}


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn torch's out-of-memory errors into one that says what to do."""
    try:
        yield
    except RuntimeError as error:  # torch has no specific exception for CPU memory
        if not any(words in str(error) for words in ("out of memory", "can't allocate memory")):
            raise
        raise TrainError(f"out of memory ({first_line(error)}); start again with a smaller --batch, or a smaller --pool"
                         " if you use one") from None


def choose_device(name: str | None) -> torch.device:
    """The device called ``name``; default: CUDA if available, else the CPU.

    Raises
    ------
    TrainError
        CUDA is requested but not available.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("torch finds no CUDA device here; leave --device out to train on the CPU")
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def check_folder(out: str | Path, resume: bool) -> None:
    """Check early that :func:`train` would accept the folder; leaves nothing behind.

    Raises
    ------
    OutputError, TrainError
        As :func:`train`.
    """
    if not str(out):  # Path("") is the current folder
        raise OutputError("--out is empty; give a directory for the training")
    with training_folder(Path(out), Processes.here().first):
        if Path(out, LAST).exists() and not resume:
            raise TrainError(_ALREADY.format(out))


def _state_to_resume(out: Path, resume: bool) -> dict[str, Any] | None:
    """The state of the training in ``out`` that is to be resumed; None if there is none."""
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


class Run:
    """State of one training: model, optimizer, epoch, history."""

    def __init__(self, topology: Topology, data: Dataset, out: Path, config: TrainConfig, fit: str,
                 device: torch.device, quiet: bool = False, split: str = STRATIFIED,
                 capture: bool | None = None) -> None:
        self.topology, self.data, self.out, self.config = topology, data, out, config
        self.spec, self.fit, self.device, self.quiet = input_spec(topology, fit), fit, device, quiet
        self.split, self.pictures, self.processes = split, fingerprint(data), Processes.here()
        self.captured, self.pace = captures(capture, device, self.processes), Pace(device)
        torch.manual_seed(config.seed)
        training, self.validation_split = split_validation(data, config.validation, config.seed, split)
        self.training = (PooledBatches(training, self.spec, config, device, self.processes) if config.pool
                         else Batches(training, self.spec, config.batch, device, self.processes))
        self.validation = Batches(self.validation_split, self.spec, 500, device)
        self.model = on_device(build_model(topology, len(data.classes), config.to_dict()), device)
        self.teacher: Chain | None = None
        self.origin: dict[str, dict[str, Any] | None] = {"start": None, "teacher": None}
        rate = torch.tensor(config.lr, device=device) if self.captured else config.lr
        self.optimizer = make_optimizer(self.model, config, rate)
        self.epoch, self.best, self.best_loss = 0, -1.0, math.inf
        self.history: list[dict[str, Any]] = []
        self.label = ""  # prefix of each line of the log, for several trainings that share it
        self.unsaved: dict[str, Any] | None = None  # the best checkpoint, if not written yet (see Pace)

    @classmethod
    def opened(cls, topology: Topology, data: Dataset, out: Path, config: TrainConfig, fit: str, device: torch.device,
               *, resume: bool, start: str | None = None, teacher: str | None = None, quiet: bool = False,
               capture: bool | None = None) -> Run:
        """The training to be resumed in ``out``, or a new one, ready for its next step; see :func:`train`.

        The folder must exist and be held by ``training_folder``.
        """
        state = _state_to_resume(out, resume)
        rule = state.get("split", RANDOM) if state else STRATIFIED
        run = cls(topology, data, out, config, fit, device, quiet, rule, capture)
        run.take_teacher(teacher)
        run.start(state, start)
        return run

    def take_teacher(self, path: str | None) -> None:
        """Load the teacher, which answers to the same batches in eval mode."""
        if path is None:
            return
        model, origin = load_teacher(path, self.topology, list(self.data.classes))
        self.origin["teacher"], teacher = origin, on_device(model, self.device)
        if isinstance(self.training, PooledBatches):
            self.training.teach(teacher, origin["weights"])  # a step then needs only its answers
        else:
            self.teacher = teacher

    # --- state on disk -----------------------------------------------------------------------------

    def start(self, state: dict[str, Any] | None, source: str | None) -> None:
        """Resume from ``state``, or begin a training, from ``source`` if given."""
        if state:
            self._resume(state)
        elif source is not None:
            self.origin["start"] = warm_start(self.model, source, self.spec, tuple(self.data.classes), self.training)
        if self.processes.first:
            for name in (LAST, BEST, HISTORY, CURVES):  # left by a process that was killed while writing
                for partial in self.out.glob(f".{name}.*.partial"):
                    partial.unlink(missing_ok=True)
        for role, origin in self.origin.items():
            if origin and seen_here(origin["training"], self._description()):
                log.warning("the %s was trained on pictures that are held out here, so validation is too optimistic;"
                            " give the same --seed and --validation as there (this does not help with a training by an"
                            " earlier pynq-bnn, which held out other pictures)", role)
        if self.captured:
            self.step: Step = CapturedStep(self.model, self.optimizer, self.config, self.device, self.teacher)
        else:
            parallel = self.processes.parallel(self.model, self.device)
            self.step = Step(self.model, self.optimizer, self.config, self.device, parallel, self.teacher)

    def _resume(self, state: dict[str, Any]) -> None:
        last = self.out / LAST
        self._check_same(state)
        try:
            self.model.load_state_dict(state["model"])
            load_optimizer_state(self.optimizer, state["optimizer"])
            self.epoch, self.best, self.history = state["epoch"], float(state["best"]), state["history"]
            # Earlier trainers kept the first of equal epochs and did not store its loss.
            losses = [row["validation_loss"] for row in self.history if row["validation_accuracy"] == self.best]
            self.best_loss = float(state.get("best_loss", losses[0] if losses else math.inf))
            self.origin["start"] = state["start"]
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise TrainError(f"{last} cannot be resumed: {first_line(error)}") from None

    def _check_same(self, state: dict[str, Any]) -> None:
        """Raise TrainError if anything except ``epochs`` and the pictures' location differs from the checkpoint."""
        mine, theirs = self._description(), {key: state.get(key) for key in self._description()}
        theirs["split"] = self.split  # opened() took it from the checkpoint
        if CONTENT in (state.get("pictures") or ""):
            mine["dataset"] = theirs["dataset"]  # the name of a folder, which may have moved
        else:  # a checkpoint of an earlier trainer
            mine["pictures"] = mine["pictures"].split(CONTENT)[0]
        for part in (mine, theirs):
            # Checkpoints of earlier versions lack later settings.
            settings = {**TrainConfig().to_dict(), **(part["config"] or {})}
            part["config"] = {k: v for k, v in settings.items() if k != "epochs"}
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
        state = {**self._description(), "start": self.origin["start"], "epoch": self.epoch,
                 "history": list(self.history)}
        loss = loss if math.isfinite(loss) else math.inf
        if (accuracy, -loss) >= (self.best, -self.best_loss):
            self.best, self.best_loss = accuracy, loss
            self.unsaved = {**state, "model": _plain(self.model.state_dict()), "validation_accuracy": accuracy}
        if not self.pace.may_write(last=self.epoch >= self.config.epochs):
            return
        with self.pace.writing():
            if self.unsaved:
                save_checkpoint(self.out / BEST, self.unsaved)
                self.unsaved = None
            save_checkpoint(self.out / LAST, {
                **state, "model": _plain(self.model.state_dict()), "optimizer": optimizer_state(self.optimizer),
                "best": self.best, "best_loss": self.best_loss})
            write_csv(self.out / HISTORY, self.history)
            plot_curves(self.out / CURVES, self.history, f"{self.topology.name} on {self.data.name}")

    # --- one epoch ---------------------------------------------------------------------------------

    def steps(self) -> Iterator[None]:
        """Train to the last epoch; yields after each step, so that trainings can take turns on one device."""
        while self.epoch < self.config.epochs:
            yield from self._one_epoch()

    def _one_epoch(self) -> Iterator[None]:
        began = time.perf_counter()
        loss, accuracy = yield from self._train_epoch()
        validation_loss, validation_accuracy = self.evaluate(self.model, self.validation)
        self.epoch += 1
        self.history.append({
            "epoch": self.epoch, "lr": float(self.optimizer.param_groups[0]["lr"]), "train_loss": loss,
            "train_accuracy": accuracy, "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy, "seconds": time.perf_counter() - began})
        if not self.processes.first:
            return
        self._save(validation_accuracy, validation_loss)
        if not self.pace.may_print(last=self.epoch >= self.config.epochs):
            return
        log.info("%sepoch %d/%d: loss %.4f, training %.2f %%, validation %.2f %% (best %.2f %%), %.0f img/s, %s left",
                 self.label, self.epoch, self.config.epochs, loss, 100 * accuracy, 100 * validation_accuracy,
                 100 * self.best, len(self.training.images) / self.history[-1]["seconds"], self._time_left())

    def _time_left(self) -> str:
        """Estimated hours and minutes to the end, from the latest epochs."""
        recent = [row["seconds"] for row in self.history[-5:]]
        minutes = round((self.config.epochs - self.epoch) * sum(recent) / len(recent) / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min"

    def _train_epoch(self) -> Generator[None, None, tuple[float, float]]:
        """Yields after each step; returns mean loss and accuracy (0…1) on the training pictures."""
        self.model.train()
        # The seed depends on the epoch, so that a resumed training draws the same random numbers.
        torch.manual_seed(self.config.seed * 1_000_003 + self.epoch + (self.processes.rank << 40))
        self.step.totals.zero_()
        bar = tqdm(total=len(self.training.images), unit="img", leave=False,
                   disable=self.quiet or not self.processes.first or None,
                   desc=f"epoch {self.epoch + 1}/{self.config.epochs}")
        for number, batch in enumerate(self.training.shuffled(self.config, self.epoch)):
            self._set_rate(self.epoch, number)
            self.step(*batch)
            bar.update(len(batch[0]) * self.processes.count)
            yield
        bar.close()
        total = self.processes.total(self.step.totals)
        if not torch.isfinite(total[0]):
            if self.unsaved:
                save_checkpoint(self.out / BEST, self.unsaved)
            raise TrainError(f"the loss is not finite in epoch {self.epoch + 1}; lower --lr and train again"
                             f" ({self.out / LAST} keeps an epoch before)")
        return float(total[0] / total[2]), float(total[1] / total[2])

    def _set_rate(self, epoch: int, step: int) -> None:
        rate = learning_rate(self.config, epoch + step / len(self.training))
        momentum = norm_momentum(rate / self.config.lr, epoch * len(self.training) + step)
        self.step.set_rate(rate, momentum)

    # --- evaluation --------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self, model: Chain, batches: Batches) -> tuple[float, float]:
        """Mean loss and accuracy (0…1) in float32."""
        model.eval()
        loss, correct = 0.0, 0
        for q, labels in batches.in_order():
            logits = model(q)
            loss += float(batch_loss(self.config, logits, labels)) * len(labels)
            correct += int((logits.argmax(1) == labels).sum())
        return loss / len(batches.images), correct / len(batches.images)

    def finish(self) -> dict[str, Any]:
        """Calibrate the best checkpoint, evaluate the test split once, and store both results in it."""
        state = load_checkpoint(self.out / BEST)
        model, _ = restore_model(state, str(self.out / BEST))
        # On the CPU, whose float32 operations define the folded network.
        cpu = torch.device("cpu")
        state["temperature"] = _temperature(model, Batches(self.validation_split, self.spec, 500, cpu))
        result = {"epoch": state["epoch"], "validation_accuracy": state["validation_accuracy"]}
        if self.data.test is not None:
            result["test_accuracy"] = self.evaluate(model, Batches(self.data.test, self.spec, 500, cpu))[1]
        state.update(result, training_seconds=sum(row["seconds"] for row in self.history),
                     device=device_name(self.device))
        save_checkpoint(self.out / BEST, {key: value for key, value in state.items() if key != "format"})
        return result

    def release(self) -> None:
        """Free what training needed on the device; :meth:`finish` can still be called."""
        self.teacher = None
        del self.model, self.optimizer, self.step, self.training, self.validation


@torch.no_grad()
def _temperature(model: Chain, validation: Batches) -> float:
    """The temperature with the lowest validation cross-entropy (Guo et al. 2017), on a grid with steps of 2 %."""
    model.eval()
    outputs = [(model(q), labels) for q, labels in validation.in_order()]
    logits, labels = (torch.cat(part) for part in zip(*outputs))
    grid = [1.02**k for k in range(-150, 151)]
    losses = [float(F.cross_entropy(logits / t, labels)) for t in grid]
    return grid[int(np.argmin(losses))]


def _differing(mine: Any, theirs: Any) -> tuple[Any, Any]:
    """Two dicts reduced to the entries that differ; other values unchanged."""
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return mine, theirs
    keys = [key for key in {**theirs, **mine} if mine.get(key) != theirs.get(key)]
    first, second = ({key: part[key] for key in keys if key in part} for part in (mine, theirs))
    return first, second


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, unaffected by the next step."""
    return {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def device_name(device: torch.device) -> str:
    """The device's name, for provenance."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
