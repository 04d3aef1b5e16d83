"""What the texts promise is there: links lead somewhere, commands are ones that the command line knows."""

import re
import shlex
from pathlib import Path

import pytest

from pynq_bnn.cli import build_parser

ROOT = Path(__file__).parents[1]
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md",
         *sorted(path for folder in ("hw", "notebooks", "pynq_bnn") for path in (ROOT / folder).rglob("*.md")
                 if not {"made", "build"} & set(path.relative_to(ROOT).parts))]


def name(path):
    return path.relative_to(ROOT).as_posix()


def anchors(path):
    """The anchors that GitHub gives a text's headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_links_lead_to_files_and_headings_that_are_there(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("http"):
            continue
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def parses(words):
    try:
        build_parser().parse_args(words)
    except SystemExit as stop:
        return stop.code == 0
    return True


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_commands_are_known_with_all_their_options(path, capsys):
    text = re.sub(r"(`[^`\n]*)\n\s*([^`\n]*`)", r"\1 \2", path.read_text())  # commands broken at a line's end
    commands = re.findall(r"^    (pynq-bnn .+)$", text, re.MULTILINE) + re.findall(r"`(pynq-bnn [^`…]+)`", text)
    for command in commands:
        words = shlex.split(command.split(" && ")[0], comments=True)[1:]
        if len(words) == 1 and words[0] != "networks":
            words = [*words, "--help"]  # named in passing
        assert parses(words), f"{command}: {capsys.readouterr().err}"


def test_the_readme_is_a_page_or_two():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
