"""From the board's top to a bitstream with Vivado; what it is told stands in ``vivado.tcl``. Untried."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config

from . import tools
from .built import Built
from .netlist import HW, board_sources

_BITSTREAM, _FACTS = "pynq-bnn.bit", "facts.txt"


def build(config: Config, mhz: float, folder: Path, vivado: list[str]) -> Built:
    """Run Vivado; reports go to ``folder``.

    Raises
    ------
    PynqBnnError
        Vivado fails, or the clock is not met.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_BITSTREAM, _FACTS):
        (folder / name).unlink(missing_ok=True)
    values = [f"{name}={value}" for name, value in config.parameters.items()]
    tools.run([*vivado, "-mode", "batch", "-nojournal", "-nolog", "-notrace", "-source", HW / "flows" / "vivado.tcl",
               "-tclargs", folder, f"{1000 / mhz:.3f}", *board_sources(), "--", *values], folder / "vivado.log")
    try:
        return Built((folder / _BITSTREAM).read_bytes(), _facts((folder / _FACTS).read_text(encoding="utf-8"), mhz))
    except (OSError, KeyError, ValueError) as error:
        raise PynqBnnError(f"Vivado ended without {_BITSTREAM} and {_FACTS} ({error}); "
                           f"the whole log is {folder / 'vivado.log'}") from None


def _facts(text: str, mhz: float) -> dict[str, object]:
    said = dict(line.split(maxsplit=1) for line in text.splitlines())
    slack = float(said["worst_slack_ns"])
    with contextlib.suppress(KeyError):  # in halves of a block RAM of 36 Kbit
        said["bram36"] = str(int(said["bram36"]) + (int(said.pop("bram18")) + 1) // 2)
    return {"flow": "vivado", "worst_slack_ns": slack, "fmax_mhz": round(1000 / (1000 / mhz - slack), 1),
            **{name: int(said[name]) for name in ("lut", "ff", "bram36", "dsp")}, "tools": {"vivado": said["vivado"]}}
