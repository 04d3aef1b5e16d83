"""Readable results of a study: a table as CSV and Markdown, and a picture with one curve per row."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..files import write_atomically
from .study import CURVES, TABLE, TEXT

_COLUMNS = ("row", "network", "epochs", "best epoch", "validation", "test", "seconds", "device", "state")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a row.

    state : "trained", or why it is not.
    epochs, epoch : number of epochs trained, and the best one.
    validation, test : accuracies of the best epoch, 0…1.
    seconds : of training; includes the time of other trainings on the same device.
    history : one dict per epoch, as in a checkpoint.
    """

    name: str
    state: str = "trained"
    network: str = ""
    epochs: int | None = None
    epoch: int | None = None
    validation: float | None = None
    test: float | None = None
    seconds: float | None = None
    device: str = ""
    history: Sequence[dict[str, Any]] = field(default=(), repr=False)

    @staticmethod
    def of(name: str, state: dict[str, Any]) -> Outcome:
        """The outcome stored in a finished checkpoint."""
        network = state["topology"].get("name", "") + (", real-valued" if state["config"].get("real") else "")
        return Outcome(name, "trained", network, state["history"][-1]["epoch"], state["epoch"],
                       state["validation_accuracy"], state.get("test_accuracy"), state.get("training_seconds"),
                       state.get("device", ""), state["history"])

    @property
    def trained(self) -> bool:
        return self.state == "trained"

    def cells(self) -> list[str]:
        """The table's cells, one per column."""
        percent = ["" if value is None else f"{value:.2%}" for value in (self.validation, self.test)]
        return [self.name, self.network, *("" if n is None else str(n) for n in (self.epochs, self.epoch)), *percent,
                "" if self.seconds is None else f"{self.seconds:.0f}", self.device, self.state]

    def words(self) -> str:
        """The outcome as one line."""
        if not self.trained:
            return self.state
        test = "" if self.test is None else f", test {self.test:.2%}"
        return f"validation {self.validation:.2%} in epoch {self.epoch} of {self.epochs}{test}"


def write_results(out: Path, outcomes: Sequence[Outcome], title: str) -> None:
    """Write the table (CSV, Markdown) and the curves into the study's folder."""
    def write(partial: Path) -> None:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(_COLUMNS)
            table.writerows(outcome.cells() for outcome in outcomes)

    write_atomically(out / TABLE, write)
    write_atomically(out / TEXT, lambda partial: partial.write_text(markdown(outcomes), encoding="utf-8"))
    figure = _curves(outcomes, title)
    write_atomically(out / CURVES, lambda partial: figure.savefig(partial, format="png", dpi=120))


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table in Markdown."""
    rows = [_COLUMNS, ["---"] * len(_COLUMNS),
            *([cell.replace("|", "\\|") for cell in outcome.cells()] for outcome in outcomes)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _curves(outcomes: Sequence[Outcome], title: str) -> Figure:
    """Validation accuracy over epochs, one curve per row; a star marks the test accuracy at the best epoch."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    drawn = [outcome for outcome in outcomes if outcome.history]
    for number, outcome in enumerate(drawn):
        colour, line = f"C{number % 10}", ("-", "--", ":")[number // 10 % 3]
        axes.plot([row["epoch"] for row in outcome.history],
                  [100 * row["validation_accuracy"] for row in outcome.history], color=colour, linestyle=line,
                  marker="." if len(outcome.history) < 30 else None, label=f"{outcome.name}: {outcome.words()}")
        if outcome.test is not None and outcome.epoch is not None:
            axes.plot(outcome.epoch, 100 * outcome.test, "*", color=colour, markersize=12, markeredgecolor="black")
    axes.set(xlabel="epoch", ylabel="accuracy (%): validation, test as a star", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend(fontsize=7)
    return figure
