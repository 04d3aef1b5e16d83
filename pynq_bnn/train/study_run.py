"""Training the rows of a study: side by side on CUDA, one after the other on a CPU."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..data.datasets import Dataset
from ..errors import OutputError, PynqBnnError, TrainError, first_line
from ..files import is_dir, is_file, write_atomically
from ..network.topology import Topology, topology_from_dict
from .checkpoint import BEST, LAST, fingerprint, load_checkpoint
from .config import TrainConfig
from .fit import Run, memory_errors
from .lock import training_folder
from .plan import Cost, fitting_scale, measure
from .study import STATE, Row, Study, scaled
from .study_table import Outcome
from .turns import NAP, Turns

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How a study is run.

    scale : factor for all epochs. seconds : instead, the total time for the study.
    together : whether rows that do not wait for others train side by side; default: on CUDA.
    """

    scale: float = 1.0
    seconds: float | None = None
    device: torch.device = torch.device("cpu")
    quiet: bool = False
    together: bool | None = None

    def __post_init__(self) -> None:
        for option, value, low, high in (("--epochs-scale", self.scale, 1e-6, 1e4),
                                         ("--seconds", self.seconds, 1, 1e8)):
            if value is not None and not low <= value <= high:
                raise TrainError(f"{option} is {value!r}; {low:g} to {high:g} fit")

    @property
    def side_by_side(self) -> bool:
        return self.device.type == "cuda" if self.together is None else self.together


def check_trainings(study: Study, classes: dict[str, tuple[str, ...]]) -> None:
    """Check that trainings outside the study match the rows that name them.

    Parameters
    ----------
    classes : dict
        Name of a row → classes of its pictures.

    Raises
    ------
    TrainError
        A training is missing or damaged, or has another input or, as a teacher, other classes.
    """
    for row in study.rows:
        for role in ("teacher", "start"):
            source = study.outside(row, role)
            if source is None or role == "start" and not _is_training(source):
                continue
            state = load_checkpoint(source)
            theirs = tuple(state.get("topology", {}).get(key) for key in ("height", "width", "channels", "input_bits"))
            mine = (*row.topology.input_shape, row.topology.input_bits)
            if theirs != mine:
                raise TrainError(f"row {row.name!r}: {source} takes {theirs}, not {mine} (height, width, channels,"
                                 " bits)")
            if role == "teacher" and row.name in classes and list(classes[row.name]) != state.get("classes"):
                raise TrainError(f"row {row.name!r}: {source} knows the classes {state.get('classes')}, not"
                                 f" {list(classes[row.name])}")


def _is_training(source: str) -> bool:
    return Path(source).suffix != ".bnn" and (is_file(Path(source)) or is_dir(Path(source)))


def open_folder(study: Study, out: Path, options: Options) -> None:
    """Create the folder, or check that it holds the same study, begun before.

    Raises
    ------
    TrainError
        It holds another study, or this one with other epochs.
    OutputError
        It cannot be created or written.
    """
    state = {"study": study.source, "epochs_scale": options.scale, "seconds": options.seconds}
    file = out / STATE
    if is_file(file):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainError(f"{file} is damaged ({first_line(error)}); give another --out") from None
        if found != state:
            what = next((key for key in state if not isinstance(found, dict) or found.get(key) != state[key]), "study")
            words = {"study": "another study", "epochs_scale": "this study with another --epochs-scale",
                     "seconds": "this study with other --seconds"}
            raise TrainError(f"{out} holds {words[what]}; continue with the same command, or give another --out")
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the directory {out}: {error.strerror}") from None
    write_atomically(file, lambda partial: partial.write_text(json.dumps(state, indent=1), encoding="utf-8"))


class StudyRun:
    """Trains the rows of a study.

    Parameters
    ----------
    pictures : dict
        Name of a row → its data set.
    configs : dict
        Name of a row → its settings, with epochs not scaled yet.
    fits : dict
        Name of a row → how its pictures are fitted.
    """

    def __init__(self, study: Study, out: Path, pictures: dict[str, Dataset], configs: dict[str, TrainConfig],
                 fits: dict[str, str], options: Options) -> None:
        self.study, self.out, self.pictures, self.configs, self.fits = study, out, pictures, configs, fits
        self.options, self.device = options, options.device
        self.outcomes: dict[str, Outcome] = {}
        self.running: dict[Turns, Row] = {}
        self.runs: dict[str, Run] = {}
        self.trained: set[str] = set()
        self.costs: dict[str, Cost] = {}
        # For rows that were begun before: the settings counted in epochs, and the number of epochs done.
        self.begun: dict[str, tuple[dict[str, Any], int]] = {}
        self.began = time.monotonic()

    def train(self) -> list[Outcome]:
        """Train the rows that are not trained yet; returns all outcomes in the order of the file.

        A row that fails does not affect the others, except that rows which need it are not trained.
        """
        for row in self.study.rows:
            self._look(row)
        if self.options.seconds is not None:
            self._measure()
        while True:
            self._begin_ready()
            if not self.running:
                break
            self._round()
        for name in list(self.runs):
            self._finish(name)
        return [self.outcomes[row["name"]] for row in self.study.source["rows"]]

    # --- before training ---------------------------------------------------------------------------

    def _look(self, row: Row) -> None:
        """Record whether a row was begun, or trained and evaluated, before."""
        best, last = (self.out / row.name / name for name in (BEST, LAST))
        if not is_file(last):
            return
        latest, data = load_checkpoint(last), self.pictures[row.name]
        if latest.get("pictures") != fingerprint(data):
            raise TrainError(f"{self.out / row.name} was trained on {latest.get('pictures')}, not"
                             f" {fingerprint(data)}; give the same --data or another --out")
        settings = {**self.configs[row.name].to_dict(), **latest.get("config", {})}
        if is_file(best):
            state = load_checkpoint(best)
            unread = data.test is not None and "test_accuracy" not in state
            if "training_seconds" in state and not unread and latest.get("epoch", 0) >= settings["epochs"]:
                self.outcomes[row.name] = Outcome.of(row.name, {**state, "history": latest["history"]})
                self.trained.add(row.name)
        kept = {key: settings[key] for key in scaled(self.configs[row.name], 1.0)}
        self.begun[row.name] = kept, latest.get("epoch", 0)

    def _measure(self) -> None:
        for row in self.study.rows:
            if row.name in self.trained:
                continue
            data, config = self.pictures[row.name], self.configs[row.name]
            held = round(config.validation * len(data.train)) if data.validation is None else len(data.validation)
            counts = (len(data.train) - (held if data.validation is None else 0), held,
                      len(data.test) if data.test is not None else 0)
            with memory_errors():
                self.costs[row.name] = measure(row.topology, len(data.classes), config, counts, self.device,
                                               self._teacher_tables(row))
            log.info("%s: %.2f s an epoch, measured alone", row.name, self.costs[row.name].epoch)

    def _teacher_tables(self, row: Row) -> tuple[Topology, TrainConfig] | None:
        if row.teacher is None:
            return None
        inside = next((other for other in self.study.rows if other.name == row.teacher), None)
        if inside is not None:
            return inside.topology, self.configs[inside.name]
        state = load_checkpoint(row.teacher)
        return topology_from_dict(state["topology"]), TrainConfig(real=bool(state.get("config", {}).get("real")))

    def _config(self, row: Row) -> TrainConfig:
        """The settings with scaled epochs; a row that was begun before keeps its epochs."""
        begun = self.begun.get(row.name)
        if begun is not None:
            return replace(self.configs[row.name], **begun[0])
        return replace(self.configs[row.name], **scaled(self.configs[row.name], self._scale()))

    def _scale(self) -> float:
        """The factor for the epochs of rows that begin now, such that all rows not begun share the remaining time.

        Costs are measured for a training alone. Trainings side by side progress faster in total; the gain observed so
        far is taken into account.
        """
        if self.options.seconds is None:
            return self.options.scale
        spent = time.monotonic() - self.began
        done, left = 0.0, 0.0
        for name, run in self.runs.items():
            done += self.costs[name].epoch * (run.epoch - self.begun.get(name, ({}, 0))[1])
            left += self.costs[name].seconds(run.config.epochs, run.epoch)
        waiting = [row.name for row in self.study.rows if row.name not in self.runs and row.name not in self.outcomes]
        left += sum(self.costs[name].seconds(self.begun[name][0]["epochs"], self.begun[name][1])
                    for name in waiting if name in self.begun)
        gain = max(1.0, done / spent) if self.options.side_by_side else 1.0
        rows = [(self.costs[name], self.configs[name].epochs) for name in waiting if name not in self.begun]
        return fitting_scale((self.options.seconds - spent) * gain - left, rows)

    # --- training ----------------------------------------------------------------------------------

    def _begin_ready(self) -> None:
        """Begin the rows that do not wait for others: all of them if side by side, else the next one."""
        begun = self.outcomes.keys() | self.trained | {row.name for row in self.running.values()}
        ready = [row for row in self.study.rows if row.name not in begun and self._ready(row)]
        if not self.options.side_by_side:
            ready = [] if self.running else ready[:1]
        planned = [(row, self._config(row)) for row in ready]  # one scale for all that begin together
        for row, config in planned:
            self._begin(row, config)

    def _ready(self, row: Row) -> bool:
        needs = self.study.needs(row)
        lost = next((name for name in needs if name in self.outcomes and name not in self.trained), None)
        if lost is not None:
            self.outcomes[row.name] = Outcome(row.name, f"not trained: {lost} failed")
        return lost is None and all(name in self.trained for name in needs)

    def _begin(self, row: Row, config: TrainConfig) -> None:
        log.info("%s: %d epochs", row.name, config.epochs)
        teacher, start = self._place(row, "teacher"), self._place(row, "start")
        data, fit = self.pictures[row.name], self.fits[row.name]
        quiet = self.options.quiet or self.options.side_by_side  # progress bars would overwrite each other

        def steps() -> Iterator[None]:
            folder = self.out / row.name
            with memory_errors(), training_folder(folder):
                run = Run.opened(row.topology, data, folder, config, fit, self.device, resume=is_file(folder / LAST),
                                 quiet=quiet, teacher=teacher, start=start)
                run.label = f"{row.name}: "
                self.runs[row.name] = run
                yield from run.steps()

        self.running[Turns(steps(), self.device)] = row

    def _place(self, row: Row, role: str) -> str | None:
        given = getattr(row, role)
        return str(self.out / given) if given in self.study.names else given

    def _round(self) -> None:
        """Issue one step of every training that is not busy."""
        free = [turn for turn in self.running if not turn.busy()]
        for turn in free:
            try:
                goes_on = turn.advance()
            except PynqBnnError as error:
                row = self.running.pop(turn)
                self.runs.pop(row.name, None)
                self._fail(row.name, error)
                continue
            if not goes_on:
                self._end(self.running.pop(turn))
        if not free:
            time.sleep(NAP)

    def _end(self, row: Row) -> None:
        self.trained.add(row.name)
        self.runs[row.name].release()
        if not self.options.side_by_side:
            self._finish(row.name)  # side by side, this comes at the end, so that the others do not wait

    def _finish(self, name: str) -> None:
        """Evaluate a row's best checkpoint."""
        run = self.runs.pop(name)
        try:
            with memory_errors():
                run.finish()
            self.outcomes[name] = Outcome.of(name, {**load_checkpoint(self.out / name), "history": run.history})
            log.info("%s: %s", name, self.outcomes[name].words())
        except PynqBnnError as error:
            self._fail(name, error)

    def _fail(self, name: str, error: PynqBnnError) -> None:
        self.outcomes[name] = Outcome(name, f"failed: {error}")
        log.warning("%s failed: %s", name, error)
