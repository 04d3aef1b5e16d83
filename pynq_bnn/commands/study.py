"""``study``: a file of named trainings, trained and compared."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..data.datasets import Dataset, load_dataset
from ..errors import OutputError, TrainError
from ..network import InputSpec
from ..network.topology import Topology
from ..pictures.preparation import default_fit
from ..progress import progress
from ..train.study import Row, Study, load_study
from .train import make_config, needs_train_extra


def study(arguments: argparse.Namespace) -> int:
    """Train the rows, write table and curves; the exit status is 1 if a row failed."""
    if not arguments.out:  # Path("") is the current folder
        raise OutputError("--out is empty; give a directory for the study")
    content = load_study(arguments.file)
    running = needs_train_extra(".train.study_run")
    table = needs_train_extra(".train.study_table")
    needs_train_extra(".train.processes").check_alone("a study")
    if arguments.seconds is not None and arguments.epochs_scale is not None:
        raise TrainError("--seconds and --epochs-scale both set the epochs; give one of them")
    options = running.Options(1.0 if arguments.epochs_scale is None else arguments.epochs_scale, arguments.seconds,
                              needs_train_extra(".train.fit").choose_device(arguments.device), arguments.quiet)
    logging.getLogger("pynq_bnn").setLevel(logging.INFO)
    running.check_trainings(content, {})
    pictures = _pictures(content, arguments, running.check_trainings)
    fits = {row.name: _fit(row, pictures[row.name].classes) for row in content.rows}
    configs = {row.name: make_config(row.settings, row.topology, pictures[row.name].classes) for row in content.rows}
    out = Path(arguments.out)
    with needs_train_extra(".train.lock").training_folder(out):
        running.open_folder(content, out, options)
        outcomes = running.StudyRun(content, out, pictures, configs, fits, options).train()
        table.write_results(out, outcomes, str(content.source.get("title", Path(arguments.file).stem)))
    print(table.markdown(outcomes), end="")
    return 0 if all(outcome.trained for outcome in outcomes) else 1


def _fit(row: Row, classes: tuple[str, ...]) -> str:
    return row.fit or default_fit(row.topology.channels, classes)


def _pictures(content: Study, arguments: argparse.Namespace,
              check: Callable[[Study, dict[str, tuple[str, ...]]], None]) -> dict[str, Dataset]:
    """The data set of each row; rows with the same shape and fitting rule share one.

    ``check`` is called with the classes of a row's pictures before they are read.
    """
    input_spec = needs_train_extra(".train.checkpoint").input_spec
    sharing: dict[tuple[tuple[int, int, int], str | None], list[Row]] = {}
    for row in content.rows:
        sharing.setdefault((row.topology.input_shape, row.fit), []).append(row)
    pictures: dict[str, Dataset] = {}
    for rows in sharing.values():
        names = [row.name for row in rows]
        data = load_dataset(arguments.data, partial(_input_spec, rows[0], input_spec),
                            progress=lambda paths: progress(paths, "read", least=100),
                            check=partial(_check_rows, check, content, names))
        pictures |= dict.fromkeys(names, replace(data, test=None) if arguments.no_test else data)
    return pictures


def _input_spec(row: Row, input_spec: Callable[[Topology, str], InputSpec], classes: tuple[str, ...]) -> InputSpec:
    return input_spec(row.topology, _fit(row, classes))


def _check_rows(check: Callable[[Study, dict[str, tuple[str, ...]]], None], content: Study, names: list[str],
                classes: tuple[str, ...]) -> None:
    check(content, dict.fromkeys(names, classes))
