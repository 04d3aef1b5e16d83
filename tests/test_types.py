"""What a type checker is promised: README's example, and what goes in says what comes out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULT, BATCH, LIVE = (f"pynq_bnn.classify.{name}" for name in ("result.Result", "result.BatchResult",
                                                                 "live.LiveResult"))
PREAMBLE = """\
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pynq_bnn import Classifier, classify

classifier, array, tensor = Classifier(), np.zeros((4, 4), np.uint8), torch.zeros(3, 4, 4, dtype=torch.uint8)


class Mine(Classifier):
    pass


"""
# An expression, and its type; of the first, {} is the function and the method.
PICTURES = {
    '{}("cat.jpg")': RESULT,
    '{}(Path("cat.jpg"))': RESULT,
    '{}(open("cat.jpg", "rb"))': RESULT,
    '{}(Image.open("cat.jpg"))': RESULT,
    '{}(["cat.jpg", "dog.jpg"])': f"list[{RESULT}]",
    '{}(("cat.jpg", Path("dog.jpg"), array, tensor))': f"list[{RESULT}]",
    '{}([Image.open("cat.jpg")])': f"list[{RESULT}]",
    "{}(array)": f"{RESULT} | {BATCH}",
    "{}(tensor)": f"{RESULT} | {BATCH}",
}
REVEALED = {
    **{call.format(name): kind for call, kind in PICTURES.items() for name in ("classify", "classifier.classify")},
    'classify("cat.jpg", "mine.bnn", "cpu")': RESULT,
    "classifier.stream(0)": f"typing.Generator[{LIVE}, None, None]",
    'classifier.stream("film.mp4", frames=9)': f"typing.Generator[{LIVE}, None, None]",
    'classifier.stream(["cat.jpg", array])': f"typing.Generator[{RESULT}, None, None]",
    "Mine().__enter__()": "types_revealed.Mine",
    "classifier.prepare(tensor).shape": "tuple[int, ...]",
}
REFUSED = ("classify(3)", 'classify(["cat.jpg", 3])', 'classify({"cat.jpg"})', 'classify("cat.jpg").labels',
           "classifier.stream(0.5)", 'classify(open("cat.jpg"))')


def example():
    """The first Python in the README."""
    return re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)[1]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What mypy says of each line of the README's example and of the other expressions, by file and line."""
    folder = tmp_path_factory.mktemp("types")
    files = {"readme_example": example(), "types_refused": PREAMBLE + "\n".join(REFUSED) + "\n",
             "types_revealed": PREAMBLE + "".join(f"reveal_type({expression})\n" for expression in REVEALED)}
    paths = [folder / f"{name}.py" for name in files]
    for path, text in zip(paths, files.values()):
        path.write_text(text, encoding="utf-8")
    # In the project's folder, whose settings it takes and whose cache "make lint" has filled.
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--hide-error-context", *paths],
                          cwd=ROOT, check=False, capture_output=True, text=True,
                          env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = re.findall(r"^(?:.*/)?(\w+)\.py:(\d+): (\w+: .*)$", done.stdout, re.M)
    assert lines, done.stdout + done.stderr
    found = {}
    for name, number, words in lines:
        found.setdefault(name, {}).setdefault(int(number), []).append(words)
    return found


def lines_of(said, name):
    first = PREAMBLE.count("\n") + 1
    return {number - first: words for number, words in said.get(name, {}).items()}


def test_the_readmes_example_is_right_to_a_strict_checker(said):
    assert "classify(" in example()
    assert said.get("readme_example", {}) == {}


def test_what_goes_in_says_what_comes_out(said):
    notes = lines_of(said, "types_revealed")
    assert {expression: notes.get(place) for place, expression in enumerate(REVEALED)} == {
        expression: [f'note: Revealed type is "{kind}"'] for expression, kind in REVEALED.items()}
    assert min(notes) == 0


def test_what_does_not_fit_is_an_error(said):
    notes = lines_of(said, "types_refused")
    assert min(notes) == 0
    for place, expression in enumerate(REFUSED):
        assert any(words.startswith("error: ") for words in notes.get(place, [])), expression


def test_what_the_package_imports_is_right_too(said):
    assert set(said) <= {"types_revealed", "types_refused"}
