"""A study: a comparison of trainings, described by a JSON file of named rows.

Example of a file::

    {"settings": {"epochs": 20, "gradient": "approx"},
     "rows": [{"name": "teacher", "network": "binarynet-cifar10", "settings": {"real": true}},
              {"name": "plain", "network": "cnv-cifar10"},
              {"name": "taught", "network": "cnv-cifar10", "teacher": "teacher"},
              {"name": "longer", "network": "cnv-cifar10", "from": "taught", "settings": {"lr": 0.003}}]}

``settings`` are fields of :class:`TrainConfig`; at the top level they apply to all rows. ``network`` is a published
topology, the path of a table, or a table itself; ``width`` and ``fit`` are as for ``pynq-bnn train``. ``teacher`` and
``from`` name another row, or have the values of the options of that name. Paths are relative to the file's folder.
Nothing here needs torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import NetworkError, NetworkFileError, TrainError
from ..files import is_dir, is_file
from ..network.spec import FITS
from ..network.topology import Topology, topology_from_dict, widened
from ..zoo import find_network, find_topology, shipped
from .config import TrainConfig

STUDIES = Path(__file__).resolve().parents[1] / "zoo" / "studies"
# The files that a study writes beside the folders of its rows.
STATE, TABLE, TEXT, CURVES = "study.json", "table.csv", "table.md", "curves.png"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_ROW_KEYS = ("name", "network", "width", "fit", "settings", "teacher", "from")
_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


@dataclass(frozen=True)
class Row:
    """One training of a study.

    settings : fields of :class:`TrainConfig` set in the file; the others have the defaults of ``pynq-bnn train``.
    fit : how pictures are fitted, None for the default of the kind of pictures.
    teacher, start : name of another row, or a path or shipped network; see :meth:`Study.needs`.
    """

    name: str
    topology: Topology
    settings: dict[str, Any]
    fit: str | None = None
    teacher: str | None = None
    start: str | None = None


@dataclass(frozen=True)
class Study:
    """Rows, ordered so that each comes after those it needs; ``source`` is the file's content."""

    rows: tuple[Row, ...]
    source: dict[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.rows)

    def needs(self, row: Row) -> tuple[str, ...]:
        """Names of the rows that must be trained before ``row``."""
        return tuple(name for name in (row.teacher, row.start) if name in self.names)

    def outside(self, row: Row, role: str) -> str | None:
        """The ``teacher`` or ``start`` of a row if it is not a row of the study, else None."""
        given = getattr(row, role)
        return None if given in self.names else given


def load_study(path: str | Path) -> Study:
    """The study in a JSON file, or the shipped one of that name.

    Raises
    ------
    TrainError
        The file cannot be read, or a row is inconsistent or names something missing; the message names the row.
    """
    path = Path(path)
    if not is_file(path) and path.name == str(path) and is_file(STUDIES / f"{path}.json"):
        path = STUDIES / f"{path}.json"
    try:
        source = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repetition)
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in STUDIES.glob("*.json")))
        raise TrainError(f"cannot read the study {path}: {error.strerror}; give a .json file or one that ships:"
                         f" {known}") from None
    except (ValueError, RecursionError) as error:
        raise TrainError(f"{path} is not a study in JSON: {error}") from None
    return study_from_dict(source, path.parent)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} appears twice in one object")
    return dict(pairs)


def study_from_dict(source: Any, folder: Path) -> Study:
    """The study described by plain JSON values; paths in it are relative to ``folder``.

    Raises
    ------
    TrainError
        See :func:`load_study`.
    """
    if not isinstance(source, dict) or not isinstance(source.get("rows"), list) or not source["rows"]:
        raise TrainError("a study is a JSON object with 'rows', a list of one row or more")
    _known(source, ("title", "settings", "rows"), "the study")
    common = source.get("settings", {})
    _check_settings(common, "the study's settings")
    names = _names(source["rows"])
    rows = [_row(values, common, names, folder) for values in source["rows"]]
    study = Study(tuple(_ordered(rows)), source)
    by_name = {row.name: row for row in rows}
    for row in rows:
        _check_sources(study, row, by_name)
    return study


def _names(rows: Sequence[Any]) -> list[str]:
    names: list[str] = []
    for number, row in enumerate(rows):
        where = f"row {number + 1}"
        if not isinstance(row, dict):
            raise TrainError(f"{where} of the study is {row!r:.60}; a row is an object with 'name' and 'network'")
        name = row.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in (STATE, TABLE, TEXT, CURVES):
            raise TrainError(f"{where} of the study has the name {name!r:.80}; a name becomes a folder: up to 64"
                             " letters, digits and . _ + - fit")
        same = next((other for other in names if other.casefold() == name.casefold()), None)
        if same is not None:
            raise TrainError(f"two rows of the study have the name {same!r}{'' if same == name else f' and {name!r}'};"
                             " each becomes a folder, so rename one")
        names.append(name)
    return names


def _row(values: dict[str, Any], common: dict[str, Any], names: list[str], folder: Path) -> Row:
    where = f"row {values['name']!r}"
    _known(values, _ROW_KEYS, where)
    settings = values.get("settings", {})
    _check_settings(settings, where)
    settings = {**common, **settings}
    try:
        TrainConfig(**settings)
    except TrainError as error:
        raise TrainError(f"{where}: {error}") from None
    fit = values.get("fit")
    if fit is not None and fit not in FITS:
        raise TrainError(f"{where}: fit is {fit!r}; one of {', '.join(FITS)} fits")
    sources = {}
    for key in ("teacher", "from"):
        given = values.get(key)
        if given is not None and (not isinstance(given, str) or not given):
            raise TrainError(f"{where}: {key!r} is {given!r:.60}; the name of a row or a path fits")
        sources[key] = given if given is None or given in names else _place(given, key, names, folder, where)
    return Row(values["name"], _topology(values, folder, where), settings, fit, sources["teacher"], sources["from"])


def _place(given: str, key: str, names: list[str], folder: Path, where: str) -> str:
    """The name of a shipped network unchanged, a path resolved from the study's folder."""
    if key == "from" and given in shipped():
        return given
    path = folder / given
    if not (is_file(path) or is_dir(path)):
        raise TrainError(f"{where}: {key!r} is {given!r}, which is no row of the study ({', '.join(names)}), and"
                         f" nothing lies at {path}")
    return str(path.resolve())


def _topology(values: dict[str, Any], folder: Path, where: str) -> Topology:
    network, width = values.get("network"), values.get("width", 1)
    if type(width) is not int or width < 1:
        raise TrainError(f"{where}: width is {width!r}; a whole number from 1 up fits")
    try:
        if isinstance(network, dict):
            topology = topology_from_dict(network)
        elif isinstance(network, str):
            topology = find_topology(folder / network if network.endswith(".json") else network)
        else:
            raise TrainError(f"{where}: network is {network!r:.60}; the name of a topology, the path of a .json table,"
                             " or a table fits")
        return widened(topology, width)
    except NetworkError as error:
        raise TrainError(f"{where}: {error}") from None


def _known(values: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise TrainError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")


def _check_settings(settings: Any, where: str) -> None:
    """Check names and types; :class:`TrainConfig` checks ranges."""
    if not isinstance(settings, dict):
        raise TrainError(f"{where}: settings are {settings!r:.60}; an object of names and values fits")
    kinds = {field.name: str(field.type) for field in fields(TrainConfig)}
    _known(settings, tuple(kinds), where)
    for name, value in settings.items():
        kind = kinds[name]
        found = type(value).__name__
        if found != kind and not (kind == "float" and found == "int"):
            raise TrainError(f"{where}: {name} is {value!r:.60}; {_KINDS[kind]} fits")


def _ordered(rows: list[Row]) -> list[Row]:
    """The rows in the file's order, but each after those that it needs."""
    by_name = {row.name: row for row in rows}
    needs = {row.name: [name for name in (row.teacher, row.start) if name in by_name] for row in rows}
    for row in rows:
        if row.name in needs[row.name]:
            raise TrainError(f"row {row.name!r} names itself as {'teacher' if row.teacher == row.name else 'from'};"
                             " name another row, or rename this one if a network of the same name is meant")
    ordered: list[Row] = []
    while len(ordered) < len(rows):
        done = {row.name for row in ordered}
        ready = [row for row in rows if row.name not in done and done.issuperset(needs[row.name])]
        if not ready:
            raise TrainError("rows wait for each other: " + _circle(needs, done) + "; one of them must do without")
        ordered += ready
    return ordered


def _circle(needs: dict[str, list[str]], done: set[str]) -> str:
    """A cycle among rows that wait for each other, for a message; every row not in ``done`` waits for another."""
    path = [next(name for name in needs if name not in done)]
    while path.count(path[-1]) < 2:
        path.append(next(name for name in needs[path[-1]] if name not in done))
    return " needs ".join(path[path.index(path[-1]):])


def _check_sources(study: Study, row: Row, rows: dict[str, Row]) -> None:
    """Check teacher and start as far as possible without reading a training."""
    where, mine = f"row {row.name!r}", row.topology
    real = row.settings.get("real", False)
    teacher = None if row.teacher is None else rows.get(row.teacher)
    if teacher is not None and _input(teacher.topology) != _input(mine):
        raise TrainError(f"{where}: {teacher.name!r} cannot teach it: it takes {_input(teacher.topology)}, not"
                         f" {_input(mine)} (height, width, channels, bits)")
    start = None if row.start is None else rows.get(row.start)
    if start is not None:
        if (_input(start.topology), start.topology.rows) != (_input(mine), mine.rows):
            raise TrainError(f"{where}: cannot start from {start.name!r}: its layers are not those of this network")
        if start.settings.get("real", False) != real:
            raise TrainError(f"{where}: cannot start from {start.name!r}: one of the two is real-valued, the other not")
    outside = study.outside(row, "start")
    if outside is not None and (outside in shipped() or outside.endswith(".bnn")):
        _check_file(outside, row, where)


def _check_file(source: str, row: Row, where: str) -> None:
    for setting in ("real", "shift_norm"):
        if row.settings.get(setting):
            raise TrainError(f"{where}: a training with {setting!r} cannot start from {source}; leave one of them out")
    try:
        shape = find_network(source).input.shape
    except (NetworkError, NetworkFileError) as error:
        raise TrainError(f"{where}: cannot start from {source}: {error}") from None
    if shape != row.topology.input_shape:
        raise TrainError(f"{where}: cannot start from {source}: it takes {shape}, not {row.topology.input_shape}")


def _input(topology: Topology) -> tuple[int, ...]:
    return (*topology.input_shape, topology.input_bits)


def scaled(settings: TrainConfig, scale: float) -> dict[str, Any]:
    """The settings that are counted in epochs, multiplied by ``scale``."""
    return {"epochs": max(1, round(settings.epochs * scale)), "warmup": settings.warmup * scale,
            "step_every": max(1, round(settings.step_every * scale))}
