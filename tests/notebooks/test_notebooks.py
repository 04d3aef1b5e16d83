"""Every notebook runs from its first cell to its last, unchanged, and is as the others: numbered, short, stripped."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from tools import needs_modules

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BOOKS = sorted(NOTEBOOKS.glob("*.ipynb"))
# Without a camera (CI has none), what each shows; a word for each cell that prints something worth it.
SAYS = {"1": ["7 photos, backend cpu"], "2": ["No camera: ", "takes its place"], "3": [r"cpu: the same, \["],
        "4": ["LANES=8", "cycles an image, batch of 32"], "5": ["make synth", "no bitstream yet|xc7z020"],
        "6": ["178 files", "the same integers"]}
PICTURES = {"1": 3, "2": 2, "3": 4, "4": 3, "5": 1, "6": 2}


def cells(path, kind):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def test_they_are_numbered_one_after_the_other():
    assert [path.name.split("-")[0] for path in BOOKS] == [str(number) for number in range(1, len(BOOKS) + 1)]
    assert len(BOOKS) == 6


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_they_are_stripped_short_and_define_no_functions(path):
    book = json.loads(path.read_text())
    for cell in book["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert len(book["cells"]) <= 16
    assert cells(path, "markdown")[0].startswith(f"# {path.name[0]}. ")
    assert cells(path, "markdown")[0].splitlines()[0].endswith("?"), "one question each"
    for source in cells(path, "code"):
        assert not re.search(r"^\s*(def|class) |lambda", source, re.MULTILINE)
        assert max(map(len, source.splitlines())) <= 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The notebooks as ``pynq get-notebooks`` delivers them."""
    folder = tmp_path_factory.mktemp("delivered") / "pynq-bnn"
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns("made", ".ipynb_checkpoints", "__pycache__"))
    return folder


@needs_modules("nbclient", "ipykernel", "matplotlib", "cv2", "torch", "pynq")
@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_they_run(path, folder):
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(folder / path.name, as_version=4)
    client = NotebookClient(book, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
                            extra_arguments=["--HistoryManager.hist_file=:memory:"])
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})  # threads that wait for each other starve beside others
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    for words in SAYS[path.name[0]]:
        assert re.search(words, text), text
    shown = [output for output in outputs if {"image/png", "image/jpeg"} & set(output.get("data", {}))]
    assert len(shown) >= PICTURES[path.name[0]]
    assert "OTHER" not in text
    assert "Traceback" not in text
    assert {path.name for path in folder.iterdir()} <= {path.name for path in NOTEBOOKS.iterdir()} | {"made"}


def test_git_does_not_look_where_they_write():
    assert "notebooks/made/" in (NOTEBOOKS.parent / ".gitignore").read_text().splitlines()
