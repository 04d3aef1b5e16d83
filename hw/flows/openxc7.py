"""From the board's top to a bitstream with open tools: Yosys, nextpnr-xilinx, Project X-Ray."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config

from . import tools
from .bits.timing import analyse_bit, judge
from .built import Built
from .netlist import count, synthesize
from .overlay import PART

# Variable of the Makefile: its program where nothing else is said.
TOOLS = {"NEXTPNR": "nextpnr-xilinx", "FASM2FRAMES": "fasm2frames", "FRAMES2BIT": "xc7frames2bit",
         "BIT2FASM": "bit2fasm"}
ADVICE = {"CHIPDB": "the chip database of nextpnr-xilinx for xc7z020clg400-1 (a .bin or .chipdb file)",
          "PRJXRAY_DB": f"the folder of Project X-Ray's database that holds {PART}/part.yaml (its zynq7)"}


@dataclass(frozen=True)
class OpenTools:
    """Commands of the tools, words and all, and the two databases."""

    nextpnr: list[str]
    fasm2frames: list[str]
    frames2bit: list[str]
    bit2fasm: list[str]
    chipdb: Path
    database: Path


def find_tools(values: dict[str, str]) -> OpenTools:
    """The tools that ``values`` (variables of the Makefile) name.

    Raises
    ------
    PynqBnnError
        Names everything that is missing.
    """
    commands = {name: tools.find(values.get(name) or default) for name, default in TOOLS.items()}
    wrong = [f"{values.get(name) or TOOLS[name]} is not there (set {name}=)" for name, found in commands.items()
             if not found]
    chipdb, database = (Path(values.get(name) or "") for name in ("CHIPDB", "PRJXRAY_DB"))
    for name, place, there in (("CHIPDB", chipdb, chipdb.is_file()),
                               ("PRJXRAY_DB", database, (database / PART / "part.yaml").is_file())):
        if not there:
            said = f"{name}={place} is not" if values.get(name) else f"{name}= is not set:"
            wrong.append(f"{said} {ADVICE[name]}")
    if wrong:
        raise PynqBnnError("FLOW=openxc7 cannot run: " + "; ".join(wrong))
    return OpenTools(*(commands[name] or [] for name in TOOLS), chipdb, database)


def build(config: Config, mhz: float, seed: int, folder: Path, used: OpenTools, flat: bool = False) -> Built:
    """Synthesize, place and route, write and decode the bitstream; reports go to ``folder``.

    ``flat`` is what :func:`~flows.netlist.synthesize` makes of it.

    Raises
    ------
    PynqBnnError
        A tool fails, the clock is not met, or the bitstream does not decode to what was written.
    """
    netlist = synthesize(config, folder, flat=flat)
    routed = {name: folder / f"routed.{name}" for name in ("fasm", "json")}
    tools.run([*used.nextpnr, "--chipdb", used.chipdb, "--json", netlist.json, "--freq", f"{mhz:g}", "--seed", seed,
               "--timing-allow-fail", "--fasm", routed["fasm"], "--write", routed["json"]],
              folder / "nextpnr.log", "; does CHIPDB belong to this nextpnr-xilinx?")
    cells = count(netlist.cells)
    used_sites = utilization(folder / "nextpnr.log")
    (folder / "utilization.txt").write_text("".join(f"{name}: {number}\n" for name, number in used_sites.items()),
                                            encoding="utf-8")
    bitstream = write_bitstream(routed["fasm"], folder, used)
    facts = {"flow": "openxc7", "seed": seed,
             **judge(analyse_bit(bitstream), mhz, folder / "timing.txt", mends_hold=False),
             "lut": used_sites.get("SLICE_LUTX", cells["lut"]), "ff": used_sites.get("SLICE_FFX", cells["ff"]),
             "bram36": cells["bram36"], "dsp": cells["dsp"],
             "tools": {"yosys": yosys_version(), "nextpnr-xilinx": tools.version(used.nextpnr)},
             "decoded": "0 unknown bits"}
    return Built(bitstream.read_bytes(), facts)


def write_bitstream(fasm: Path, folder: Path, used: OpenTools) -> Path:
    """FASM to frames to .bit, and back to FASM and frames: every bit must be known, and stand where it was written.

    Raises
    ------
    PynqBnnError
        A tool fails, or the bitstream says something else.
    """
    frames, bit, decoded = folder / "routed.frames", folder / "routed.bit", folder / "decoded.fasm"
    where = f"; does PRJXRAY_DB={used.database} hold all of {PART}?"
    database = ["--db-root", used.database, "--part", PART]
    tools.run([*used.fasm2frames, *database, fasm, frames], folder / "fasm2frames.log", where)
    tools.run([*used.frames2bit, "--part_file", used.database / PART / "part.yaml", "--part_name", PART,
               "--frm_file", frames, "--output_file", bit], folder / "frames2bit.log", where)
    tools.run([*used.bit2fasm, *database, "--verbose", bit], folder / "bit2fasm.log", where, decoded)
    with decoded.open(encoding="utf-8") as lines:
        unknown = sum("unknown_bit" in line for line in lines)
    if unknown:
        raise PynqBnnError(f"the bitstream decodes with {unknown} unknown bits ({decoded}){where}")
    again = folder / "decoded.frames"
    tools.run([*used.fasm2frames, *database, decoded, again], folder / "fasm2frames.log", where)
    if frames.read_bytes() != again.read_bytes():
        raise PynqBnnError(f"the bitstream does not decode to what was written: {frames} and {again} differ{where}")
    return bit


def utilization(log: Path) -> dict[str, int]:
    """Sites by kind, as nextpnr reports them."""
    found: Counter[str] = Counter()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if match := re.match(r"Info:\s+(\w+):\s+(\d+)/\s*\d+\s+\d+%", line):
                found[match[1]] = int(match[2])
    return {name: number for name, number in found.items() if number}


def yosys_version() -> str:
    """Of the Python package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as package_version

    try:
        return package_version("pyosys")
    except PackageNotFoundError:
        return "unknown"
