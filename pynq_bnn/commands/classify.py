"""``classify`` and ``show``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..arrays import Array
from ..classify.classifier import Classifier
from ..classify.drawing import MAX_ROWS, result_picture
from ..classify.result import BLANK, UNDECIDED, Result
from ..data.folders import picture_paths, skipped_files, skipped_words
from ..errors import ImageError, OutputError
from ..files import is_dir, write_atomically
from ..network.checks import one_line
from ..progress import progress

_DOUBTS = {"": "", BLANK: "  (blank: there is nothing to see, so the answer means nothing)",
           UNDECIDED: "  (undecided: no class reached its threshold, so the answer means nothing)"}


def classify(arguments: argparse.Namespace) -> int:
    """Label every picture; unreadable ones are reported on stderr, and the exit status is then 2."""
    answers, failed = _classify_paths(arguments)
    if arguments.json:
        rows = [_plain(path, result, arguments.top) for path, result in answers]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        names = [one_line(str(path)) for path, _ in answers]
        width = max(map(len, names), default=0)
        for name, (_, result) in zip(names, answers):
            best = ", ".join(f"{label} {probability:.1%}" for label, probability in result.top(arguments.top))
            print(f"{name:<{width}}  {result.label:<12}  {best}{_DOUBTS[result.doubt]}")
    return 2 if failed else 0


def show(arguments: argparse.Namespace) -> int:
    """Draw one row per picture into a PNG, or into several if there are many."""
    output = Path(arguments.output)
    if output.suffix.lower() != ".png":
        raise OutputError(f"{arguments.output}: the picture is a PNG; name it {output.stem}.png")
    answers, failed = _classify_paths(arguments)
    for number, start in enumerate(range(0, len(answers), MAX_ROWS), 1):
        rows = answers[start:start + MAX_ROWS]
        picture = result_picture(rows, [path.name for path, _ in rows])
        place = output if number == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")
        write_atomically(place, partial(picture.save, format="PNG"))
        print(f"wrote {place}")
    return 2 if failed else 0


def _classify_paths(arguments: argparse.Namespace) -> tuple[list[tuple[Path, Result]], int]:
    paths, readable = _expand(arguments.paths), []
    with Classifier(arguments.network, arguments.backend, fit=arguments.fit, trace=arguments.trace) as classifier:

        def pictures() -> Iterator[Array]:
            for path in progress(paths, "classify", least=10):
                try:
                    pixels = classifier.prepare(path)
                except ImageError as error:
                    print(f"pynq-bnn: {one_line(str(error))}", file=sys.stderr)
                else:
                    readable.append(path)
                    yield pixels

        results = list(classifier.stream(pictures()))
    return list(zip(readable, results)), len(paths) - len(readable)


def _expand(names: list[str]) -> list[Path]:
    """Files unchanged, folders replaced by the pictures below them."""
    paths: list[Path] = []
    for name in names:
        if not name:
            raise ImageError("an empty name, perhaps from an unset shell variable; give the path of a picture"
                             " or a folder, or . for the current folder")
        path = Path(name)
        if not is_dir(path):
            paths.append(path)
            continue
        found, skipped = picture_paths(path), skipped_files(path)
        words = skipped_words(skipped) if skipped else ""
        if not found:
            raise ImageError(f"{path}: no picture in this folder or below it{words and f' ({words})'}")
        if words:
            print(f"pynq-bnn: {one_line(f'{path}: {words}')}", file=sys.stderr)
        paths += found
    return paths


def _plain(path: Path, result: Result, k: int) -> dict[str, Any]:
    return {"path": str(path), "label": result.label, "index": result.index, "confidence": result.confidence,
            "top": [{"label": name, "probability": probability} for name, probability in result.top(k)],
            "doubt": result.doubt, "scores": result.scores.tolist(), "probabilities": result.probabilities.tolist(),
            "sums": result.sums.tolist(), "native_scores": result.native_scores.tolist()}
