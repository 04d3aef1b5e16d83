"""Readable results of a training: a CSV file with one row per epoch, and a PNG of the curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..files import write_atomically
from .checkpoint import COLUMNS


def write_csv(path: Path, history: list[dict[str, Any]]) -> None:
    """All epochs so far, one row each."""
    def write(partial: Path) -> None:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, COLUMNS)
            rows.writeheader()
            rows.writerows({key: f"{row[key]:.6g}" for key in COLUMNS} for row in history)

    write_atomically(path, write)


def plot_curves(path: Path, history: list[dict[str, Any]], title: str) -> None:
    """Loss on the left, accuracy on the right, training and validation over epochs."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title)
    epochs = [row["epoch"] for row in history]
    for axes, key, factor, label in zip(figure.subplots(1, 2), ("loss", "accuracy"), (1, 100),
                                        ("loss", "accuracy (%)")):
        for part in ("train", "validation"):
            axes.plot(epochs, [row[f"{part}_{key}"] * factor for row in history], label=part, marker=".")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    write_atomically(path, lambda partial: figure.savefig(partial, format="png", dpi=120))
