"""Foreign programs: found or missed with one line, run with their output in a log."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pynq_bnn.errors import PynqBnnError, first_line


def find(command: str) -> list[str] | None:
    """The words of ``command`` when its program is there; it may carry arguments of its own."""
    words = shlex.split(command)
    return words if words and shutil.which(words[0]) else None


def run(command: Sequence[object], log: Path, advice: str = "", output: Path | None = None) -> None:
    """Run a program to its end; what it prints goes to ``log``, its standard output to ``output`` where that is given.

    Raises
    ------
    PynqBnnError
        It does not start or fails: its most telling line, and where the rest stands.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    try:
        with log.open("wb") as said, contextlib.ExitStack() as stack:
            printed = stack.enter_context(output.open("wb")) if output else said
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=printed, stderr=said,
                                    check=False).returncode
    except OSError as error:
        raise PynqBnnError(f"{words[0]} does not run: {error.strerror or first_line(error)}{advice}") from None
    if status:
        how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
        raise PynqBnnError(f"{Path(words[0]).name} {how}: {telling_line(log)}; "
                           f"the whole log is {log}{advice}")


def telling_line(log: Path) -> str:
    """The first line that says error, else the last one."""
    last: deque[str] = deque(maxlen=1)
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in map(str.strip, lines):
            if line.upper().startswith("ERROR"):
                return line[:300]
            if line:
                last.append(line)
    return last[0][:300] if last else "it said nothing"


def version(command: Sequence[str], option: str = "--version") -> str:
    """What a program says of its version, in one line; "unknown" when it says nothing."""
    try:
        said = subprocess.run([*command, option], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = (said.stdout + said.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"
