"""Verilator's -Wall over the core and the board's top, at the default size and at the ends of its parameters.

Any warning fails.
"""

from __future__ import annotations

import subprocess
import sys

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import core_sources
from pynq_bnn.simulation.build import find_verilator

from .netlist import HW, board_sources

CONFIGS = (Config(), Config(lanes=1, pe=8, simd=16, buffer_depth=64, ring_depth=8, acc_width=12),
           Config(lanes=7, pe=64, simd=32, buffer_depth=8192, ring_depth=4096, acc_width=24))
# The board's top stands in its bench, whose PS7 and BUFG have the ports of the device's.
BENCH = [HW / "sim" / name for name in ("bufg.sv", "ps7.sv", "bnn_board_bench.sv")]


def main() -> int:
    command = [*find_verilator().command, "--lint-only", "-Wall", "--assert", "--no-timing", "--quiet-stats",
               str(HW / "lint.vlt")]
    for top, files in (("bnn_core", core_sources()), ("bnn_board_bench", [*board_sources(), *BENCH])):
        for config in CONFIGS:
            parameters = [f"-G{name}={value}" for name, value in config.parameters.items()]
            sources = ["--top-module", top, *map(str, files)]
            if subprocess.run([*command, *sources, *parameters], check=False).returncode:
                print(f"lint: warnings in {top} at {config}", file=sys.stderr)
                return 1
    print(f"lint: no warning in {len(board_sources()) + len(BENCH)} files at {len(CONFIGS)} sizes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"lint: {error}")
