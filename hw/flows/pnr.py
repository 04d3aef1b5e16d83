"""From the board's top to a bitstream with nothing but Yosys and a C++ compiler: place and route of our own.

``hw/pnr`` places and routes; ``flows.bits`` writes the bitstream. Both know the device from ``hw/device``.
"""

from __future__ import annotations

import contextlib
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
from .bits.timing import analyse_bit, judge
from .built import Built
from .cells import write_cells
from .device import load_device
from .device.export import export
from .netlist import HW, count, synthesize
from .openxc7 import yosys_version
from .sta.analysis import Analysis
from .sta.hold import short_connections

SOURCES = HW / "pnr"
# How often place and route is asked for longer connections.
HOLD_ROUNDS = 6


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
        A step fails, the design does not fit or route, the clock is not met, or an input changes too early.
    """
    program = compile_program(folder / "program")
    netlist = synthesize(config, folder, flat=flat)
    cells, device = folder / "cells.txt", folder / "device.bin"
    write_cells(netlist.json, cells)
    export(device)
    options = {"device": device, "cells": cells, "features": folder / "routed.features", "report": folder / "pnr.txt",
               "clock": f"{mhz:g}", "seed": seed}
    with PlaceAndRoute(program, options, folder / "pnr.log") as routing:
        bitstream, analysis = meet_hold(routing, folder)
    return Built(bitstream, {"flow": "pnr", "seed": seed, **judge(analysis, mhz, folder / "timing.txt"),
                             **_used(netlist.cells), "tools": {"yosys": yosys_version()}})


def meet_hold(routing: PlaceAndRoute, folder: Path) -> tuple[bytes, Analysis]:
    """Have connections made longer until no input changes too early, by the timing of the bits; the last bits.

    Raises
    ------
    PynqBnnError
        Place and route fails.
    """
    asked: Mapping[str, float] = {}
    for left in reversed(range(HOLD_ROUNDS + 1)):
        bitstream = write_bitstream(routing.features)
        place = folder / "routed.bit"
        place.write_bytes(bitstream)
        analysis = analyse_bit(place)
        short = short_connections(analysis)
        print(f"hold: least margin {analysis.hold.min():+.3f} ns, {(analysis.hold < 0).sum()} ends below 0, "
              f"{len(short)} connections to be longer", file=sys.stderr, flush=True)
        if not left or short.keys() == asked.keys():  # none, or those that cannot be had
            break
        routing.lengthen(short)
        asked = short
    return bitstream, analysis


def _used(cells: Mapping[str, int]) -> dict[str, int]:
    """Cells as the .json of an overlay counts them."""
    used = count(cells)
    return {name: used[name] for name in ("lut", "ff", "bram36", "dsp")}


class PlaceAndRoute:
    """The program at work. It has written its features when this is made, and writes them again for each request.

    What it says goes to ``log`` and, a line at a time, to the screen.

    Raises
    ------
    PynqBnnError
        It fails: its own message.
    """

    def __init__(self, program: Path, options: Mapping[str, object], log: Path) -> None:
        self.features, self._log_place = Path(str(options["features"])), log
        words = [str(program), *(str(word) for name, value in (options | {"demands": "-"}).items()
                                 for word in (f"--{name}", value))]
        self._log = log.open("w", encoding="utf-8")
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise

    def lengthen(self, short: Mapping[str, float]) -> None:
        """Ask for connections that are longer by so many ns at the fast corner, by the wires that they end with.

        Raises
        ------
        PynqBnnError
            It fails: its own message.
        """
        with contextlib.suppress(BrokenPipeError):  # it has ended, and has said why
            self._process.stdin.write("".join(f"{wire} {missing:.6f}\n" for wire, missing in sorted(short.items()))
                                      + "route\n")
            self._process.stdin.flush()
        self._wait()

    def _wait(self) -> None:
        last = ""
        for line in self._process.stdout:
            self._log.write(line)
            self._log.flush()
            print(line, end="", file=sys.stderr, flush=True)
            if line.startswith("done "):
                return
            last = line.strip() or last
        raise PynqBnnError(f"place and route failed: {last.removeprefix('pnr: ')} (the whole log is {self._log_place})")

    def __enter__(self) -> PlaceAndRoute:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()


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
