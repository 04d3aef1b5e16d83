"""Synthesis of the board's top: cell counts go to ``hw/build/synth.json``, and must stay within the budget."""

from __future__ import annotations

import argparse
import json
import sys

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.files import write_atomically
from pynq_bnn.program.config import Config

from .netlist import HW, TOP, count, synthesize

# Of the 53,200 / 140 / 220 that an xc7z020 has.
BUDGET = {"lut": 45_000, "bram36": 120, "dsp": 220}


def main() -> int:
    parser = argparse.ArgumentParser(prog="synth", description=__doc__)
    parser.add_argument("--top", default=TOP, help=f"module to synthesize ({TOP})")
    top = parser.parse_args().top
    total = count(synthesize(Config(), HW / "build" / "synth", top).cells)
    print(json.dumps(total))
    if top != TOP:
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
