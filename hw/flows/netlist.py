"""The board's top as a netlist of the device's cells, by Yosys.

Modules are synthesized one by one and flattened after that: five times faster, and each level of the popcount is
mapped on its own, one LUT6 an output, where a flat design costs a quarter more. What flattening leaves of equal and
constant inputs of LUTs is reduced here, see :mod:`flows.luts`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import core_sources

from .luts import reduce_luts

HW = Path(__file__).resolve().parents[1]
TOP = "bnn_board"
# LUTs that a cell of LUT memory takes.
LUT_MEMORY = {"RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM32M": 4, "RAM64M": 4, "RAM128X1S": 2,
              "RAM128X1D": 4, "RAM256X1S": 4, "SRL16E": 1, "SRLC32E": 1}
# Flip-flops of a slice share enable and reset: sets of fewer than this many go into the logic before D.
LEAST_CONTROL_SET = 4
# What the mapper takes for a wire, in ps. With its default of 300, a carry chain looks as long as three LUTs more than
# it is beside them, and paths through LUTs are let grow to its length.
WIRE_DELAY = 900
# Cells of slices.
IN_SLICES = re.compile(r"LUT[1-6]|INV|CARRY4|FD[RSCP]E|SRL\w+|RAM\d+[XM]?\w*")
# Inputs that only a neighbour of the same kind can drive: a constant there has no wire, nor does it need one.
CASCADES = {"RAMB36E1": ("CASCADEINA", "CASCADEINB"), "DSP48E1": ("ACIN", "BCIN", "PCIN", "CARRYCASCIN", "MULTSIGNIN")}


@dataclass(frozen=True)
class Netlist:
    """The file that place and route reads, and the number of cells by type."""

    json: Path
    cells: Mapping[str, int]


def board_sources() -> list[Path]:
    """The core's files and those of the board's top, packages before their users."""
    return [*core_sources(), *sorted((HW / "board").glob("*.sv"))]


def synthesize(config: Config, folder: Path, top: str = TOP, flat: bool = False,
               sources: Sequence[Path] | None = None) -> Netlist:
    """Synthesize ``top`` for xc7z020; ``config`` is for the board's top and the core.

    ``sources`` are SystemVerilog files, packages first; those of the tree where none are given.

    With ``flat`` modules are dissolved first: small designs are done sooner, large ones turn out larger.

    Raises
    ------
    PynqBnnError
        Yosys is missing or fails; names its log. A cell is one that place and route gets wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result, mapped = folder / f"{top}.json", folder / f"{top}.mapped.json"
    passes = _passes(config, top, flat, sources or board_sources())
    run_yosys(f"PASSES = {passes!r}\nRESULT = {str(mapped)!r}\n{_SCRIPT}", folder / "synth")
    design = json.loads(mapped.read_text(encoding="utf-8"))
    reduce_luts(design["modules"][top])
    check_cells(design["modules"][top])
    result.write_text(json.dumps(design), encoding="utf-8")
    mapped.unlink()
    return Netlist(result, Counter(cell["type"] for cell in design["modules"][top]["cells"].values()))


def check_cells(module: Mapping[str, Any]) -> None:
    """Refuse what nextpnr-xilinx passes over in slices without a word: inverted pins, and inputs that nothing drives.

    Raises
    ------
    PynqBnnError
        Names the cell and the pin.
    """
    cells: Mapping[str, Mapping[str, Any]] = module["cells"]
    driven: set[int | str] = {"0", "1"}
    driven |= {bit for port in module["ports"].values() for bit in port["bits"] if port["direction"] != "output"}
    driven |= {bit for cell in cells.values() for pin, bits in cell["connections"].items()
               if cell["port_directions"][pin] != "input" for bit in bits}
    for name, cell in cells.items():
        if not IN_SLICES.fullmatch(cell["type"]):
            continue
        inverted = [pin for pin, value in cell["parameters"].items()
                    if re.fullmatch(r"IS_\w+_INVERTED", pin) and "1" in str(value)]
        if inverted:
            raise PynqBnnError(f"{name}: {inverted[0]} of a {cell['type']} is set, which place and route ignores")
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input" and not driven.issuperset(bits):
                raise PynqBnnError(f"{name}: nothing drives the pin {pin} of this {cell['type']}")


def run_yosys(script: str, name: Path) -> None:
    """Run Python with Yosys in a process of its own, since a fault ends it; ``name`` is for script and log.

    Raises
    ------
    PynqBnnError
        Yosys is missing or fails; names the log.
    """
    file, log = name.with_suffix(".py"), name.with_suffix(".log")
    file.write_text(script, encoding="utf-8")
    with log.open("w") as output:
        status = subprocess.run([sys.executable, str(file)], stdout=output, stderr=output, check=False).returncode
    if status:
        lines = log.read_text(errors="replace").splitlines()
        said = [line for line in lines if "ERROR" in line or "Error" in line or "No module" in line]
        raise PynqBnnError(f"Yosys failed: {said[-1].strip() if said else 'no message'} (see {log}; "
                           f"Yosys is a Python package: pip install pyosys)")


def _passes(config: Config, top: str, flat: bool, sources: Sequence[Path]) -> list[str]:
    # Multiplexers F7 and F8 tie LUTs to each other and leave the placer too little freedom.
    target = f"synth_xilinx -family xc7 -noiopad -nowidelut{' -flatten' if flat else ''} -top {top}"
    values = " ".join(f"-set {name} {value}" for name, value in config.parameters.items())
    return [
        f"read_verilog -sv {' '.join(map(str, sources))}",
        *([f"chparam {values} {top}"] if top in (TOP, "bnn_core") else []),
        f"scratchpad -set synth_xilinx.abc9.W {WIRE_DELAY}",
        f"{target} -run begin:map_ffs",
        # As the command itself does, but for the last two options.
        "dfflegalize -cell $_DFFE_?P?P_ 01 -cell $_SDFFE_?P?P_ 01 -cell $_DLATCH_?P?_ 01 "
        f"-mince {LEAST_CONTROL_SET} -minsrst {LEAST_CONTROL_SET}",
        f"{target} -run map_ffs:",
        "flatten", "opt_clean", "delete t:$scopeinfo", "setundef -zero"]


_SCRIPT = f"""
from pyosys import libyosys
design = libyosys.Design()
for command in PASSES:
    libyosys.run_pass(command, design)
cascades = {CASCADES!r}
for cell in list(design.top_module().cells_.values()):
    kind = cell.type.str()[1:]
    for port in cascades.get(kind, ()):
        name = libyosys.IdString("\\\\" + port)
        if cell.hasPort(name) and cell.getPort(name).is_fully_const():
            cell.unsetPort(name)
libyosys.run_pass("write_json " + RESULT, design)
"""


def count(cells: Mapping[str, int]) -> dict[str, int]:
    """What the cells take of the device."""
    total = {"lut": 0, "ff": 0, "bram36": 0, "dsp": 0}
    for kind, number in cells.items():
        if kind in LUT_MEMORY:
            total["lut"] += LUT_MEMORY[kind] * number
        elif kind.startswith("LUT"):
            total["lut"] += number
        elif kind.startswith("FD"):
            total["ff"] += number
        elif kind.startswith("RAMB36"):
            total["bram36"] += number
        elif kind.startswith("RAMB18"):
            total["bram36"] += (number + 1) // 2
        elif kind.startswith("DSP48"):
            total["dsp"] += number
    return total
