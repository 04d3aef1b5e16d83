"""Yosys' synth_xilinx over the core; cell counts go to ``hw/build/synth.json``, and must stay within the budget.

Modules are synthesized one by one and flattened behind that: five times faster, and each level of the popcount is
mapped on its own, one LUT6 an output, where a flat design costs a quarter more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.files import write_atomically
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import core_sources

HW = Path(__file__).resolve().parents[1]
# Of the 53,200 / 140 / 220 that an xc7z020 has.
BUDGET = {"lut": 45_000, "bram36": 120, "dsp": 220}
# LUTs that a cell of LUT memory takes.
LUT_MEMORY = {"RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM32M": 4, "RAM64M": 4, "RAM128X1S": 2,
              "RAM128X1D": 4, "RAM256X1S": 4, "SRL16E": 1, "SRLC32E": 1}


def synthesize(config: Config, top: str) -> dict[str, int]:
    """Cells by type."""
    build = HW / "build"
    build.mkdir(exist_ok=True)
    parameters = " ".join(f"-set {name} {value}" for name, value in config.parameters.items())
    report, script, log = build / "synth.stat.json", build / "synth.ys", build / "synth.log"
    script.write_text("\n".join((
        f"read_verilog -sv {' '.join(map(str, core_sources()))}",
        f"chparam {parameters} {top}" if top == "bnn_core" else "",
        f"synth_xilinx -family xc7 -noiopad -top {top}",
        "flatten", "opt_clean", f"tee -o {report} stat -json")) + "\n")
    run = f"from pyosys import libyosys; libyosys.run_pass('script {script}', libyosys.Design())"
    with log.open("w") as output:
        status = subprocess.run([sys.executable, "-c", run], stdout=output, stderr=output, check=False).returncode
    if status:
        text = log.read_text(errors="replace").splitlines()
        lines = [line for line in text if "ERROR" in line or "No module" in line]
        raise PynqBnnError(f"Yosys failed: {lines[-1] if lines else 'no message'} (see {log}; pip install pyosys)")
    return json.loads(report.read_text())["design"]["num_cells_by_type"]


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--top", default="bnn_core", help="module to synthesize (bnn_core)")
    top = parser.parse_args().top
    total = count(synthesize(Config(), top))
    print(json.dumps(total))
    if top != "bnn_core":
        return 0
    write_atomically(HW / "build" / "synth.json", lambda path: path.write_text(json.dumps(total) + "\n"))
    over = [f"{total[name]:,} {name}, {limit:,} fit" for name, limit in BUDGET.items() if total[name] > limit]
    if over:
        print(f"synth: over the budget: {'; '.join(over)}", file=sys.stderr)
    return int(bool(over))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"synth: {error}")
