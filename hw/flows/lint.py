"""Verilator's -Wall over the core, at the default size and at the ends of its parameters; any warning fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import core_sources
from pynq_bnn.simulation.build import find_verilator

HW = Path(__file__).resolve().parents[1]
CONFIGS = (Config(), Config(lanes=1, pe=8, simd=16, buffer_depth=64, ring_depth=8, acc_width=12),
           Config(lanes=7, pe=64, simd=32, buffer_depth=8192, ring_depth=4096, acc_width=24))


def main() -> int:
    command = [*find_verilator().command, "--lint-only", "-Wall", "--assert", "--quiet-stats",
               "--top-module", "bnn_core", str(HW / "lint.vlt"), *map(str, core_sources())]
    for config in CONFIGS:
        parameters = [f"-G{name}={value}" for name, value in config.parameters.items()]
        if subprocess.run([*command, *parameters], check=False).returncode:
            print(f"lint: warnings at {config}", file=sys.stderr)
            return 1
    print(f"lint: no warning in {len(core_sources())} files at {len(CONFIGS)} sizes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"lint: {error}")
