"""From the board's top to a bitstream with nothing but Yosys and a C++ compiler: place and route of our own.

``hw/pnr`` places and routes; ``flows.bits`` writes the bitstream. Both know the device from ``hw/device``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config

from . import tools
from .bits.timing import timing_of
from .built import Built
from .cells import write_cells
from .device import load_device
from .device.export import export
from .netlist import HW, count, synthesize
from .openxc7 import yosys_version

SOURCES = HW / "pnr"


def find_compiler() -> str:
    """The C++ compiler, once all is there that this flow needs.

    Raises
    ------
    PynqBnnError
        There is no Yosys, make or C++ compiler.
    """
    compiler = os.environ.get("CXX") or "g++"
    missing = [name for name in ("make", compiler) if not shutil.which(name)]
    if missing:
        raise PynqBnnError(f"FLOW=pnr needs {' and '.join(missing)}: a C++17 compiler (g++ or clang++, CXX= names "
                           f"another) and make; on Debian and Ubuntu, apt install build-essential")
    if importlib.util.find_spec("pyosys") is None:
        raise PynqBnnError("FLOW=pnr needs Yosys, which is a Python package: pip install pyosys")
    return compiler


def compile_program(folder: Path) -> Path:
    """The program, compiled into ``folder`` where it is not yet.

    Raises
    ------
    PynqBnnError
        There is no make or C++ compiler, or it fails.
    """
    compiler = find_compiler()
    tools.run(["make", "-C", SOURCES, f"CXX={compiler}", f"BUILD={folder.resolve()}"], folder.parent / "compile.log")
    return folder / "pnr"


def build(config: Config, mhz: float, seed: int, folder: Path, flat: bool = False) -> Built:
    """Synthesize, place and route, and write the bitstream; reports go to ``folder``.

    ``flat`` is what :func:`~flows.netlist.synthesize` makes of it.

    Raises
    ------
    PynqBnnError
        A step fails, the design does not fit or route, or the clock is not met.
    """
    program = compile_program(folder / "program")
    netlist = synthesize(config, folder, flat=flat)
    cells, device = folder / "cells.txt", folder / "device.bin"
    write_cells(netlist.json, cells)
    export(device)
    features, report = folder / "routed.features", folder / "pnr.txt"
    place_and_route(program, {"device": device, "cells": cells, "features": features, "report": report,
                              "clock": f"{mhz:g}", "seed": seed}, folder / "pnr.log")
    bitstream = write_bitstream(features)
    return Built(bitstream, {"flow": "pnr", "seed": seed, **judge(bitstream, mhz, folder), **_used(netlist.cells),
                             "tools": {"yosys": yosys_version()}})


def judge(bitstream: bytes, mhz: float, folder: Path) -> dict[str, object]:
    """What the timing analysis of the bits says, for the overlay's .json; the program's own report is not believed.

    Raises
    ------
    PynqBnnError
        The clock is missed.
    """
    place, text = folder / "routed.bit", folder / "timing.txt"
    place.write_bytes(bitstream)
    report, found = timing_of(place, mhz)
    text.write_text(report, encoding="utf-8")
    if found["worst_slack_ns"] < 0:
        raise PynqBnnError(f"the clock of {mhz:g} MHz is missed by {-found['worst_slack_ns']:.3f} ns ({text}); take a "
                           f"slower CLOCK= ({found['fmax_mhz']:.0f} fits), another SEED=, or a smaller size")
    return {name: found[name] for name in ("worst_slack_ns", "fmax_mhz", "worst_hold_ns", "hold_below_0")}


def _used(cells: Mapping[str, int]) -> dict[str, int]:
    """Cells as the .json of an overlay counts them."""
    used = count(cells)
    return {name: used[name] for name in ("lut", "ff", "bram36", "dsp")}


def place_and_route(program: Path, options: dict[str, object], log: Path) -> None:
    """Run the program; what it says goes to ``log`` and, a line at a time, to the screen.

    Raises
    ------
    PynqBnnError
        It fails: its own message.
    """
    words = [str(program), *(str(word) for name, value in options.items() for word in (f"--{name}", value))]
    last = ""
    with log.open("w", encoding="utf-8") as file, \
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            file.write(line)
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    if process.returncode:
        raise PynqBnnError(f"place and route failed: {last.removeprefix('pnr: ')} (the whole log is {log})")


def write_bitstream(features: Path) -> bytes:
    """The .bit file of the features in a file, one a line.

    Raises
    ------
    PynqBnnError
        A feature does not exist, or two contradict each other.
    """
    from .bits.bitfile import make_bit
    from .bits.features import Layouts, TileFeatures, write_features

    tiles: dict[str, TileFeatures] = defaultdict(TileFeatures)
    with features.open(encoding="utf-8") as lines:
        for line in lines:
            tile, _, feature = line.strip().partition(".")
            name, equals, value = feature.partition("=")
            if equals:
                tiles[tile].values[name] = int(value, 0)
            else:
                tiles[tile].names.append(name)
    return make_bit(write_features(tiles, Layouts(load_device())))
