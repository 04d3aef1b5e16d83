"""Delays of the cells, as ``hw/device`` holds them: between a cell's pins, and what its inputs need about a clock edge.

``python -m flows.device.timings .../zynq7/timings`` packs the SDF files of Project X-Ray's database, which were read out
of Vivado's speed files for the -1 grade.
"""

from __future__ import annotations

import argparse
import io
import lzma
import re
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.files import write_atomically

from .database import DATA

CELLS = "cells.tar.xz"
FILES = ("BRAM_L.sdf", "CLK_BUFG_BOT_R.sdf", "CLK_HROW_BOT_R.sdf", "DSP_L.sdf", "PSS2.sdf", "slicel.sdf", "slicem.sdf")
# Nanoseconds: fast corner least and most, slow corner least and most.
Delay = tuple[float, float, float, float]
_NUMBERS = r"\(\s*([-\d.]+)::([-\d.]+)\)"
_ARC = re.compile(rf"\(IOPATH (\S+) (\S+) {_NUMBERS}{_NUMBERS}\)")
_CHECK = re.compile(rf"\((SETUP|HOLD|RECOVERY|REMOVAL) (\S+) \(posedge (\S+)\) {_NUMBERS}\)")


@dataclass
class CellTimings:
    """What one SDF file says.

    ``arcs``: (cell, instance, from, to) → delay. ``checks``: (cell, instance, kind, pin) → its clock, and the most
    that it needs at the slow corner; the files give no other corner.
    """

    arcs: dict[tuple[str, str, str, str], Delay] = field(default_factory=dict)
    checks: dict[tuple[str, str, str, str], tuple[str, float]] = field(default_factory=dict)

    def arc(self, cell: str, source: str, target: str, instance: str = "") -> Delay:
        """The delay between two pins.

        Raises
        ------
        PynqBnnError
            The database has none.
        """
        try:
            return self.arcs[cell, instance or cell, source, target]
        except KeyError:
            raise PynqBnnError(f"hw/device knows no delay from {source} to {target} of the cell {cell}") from None

    def check(self, cell: str, kind: str, pin: str, instance: str = "") -> float:
        """What ``pin`` needs before (SETUP, RECOVERY) or after (HOLD, REMOVAL) the clock's edge, at the slow corner.

        Raises
        ------
        PynqBnnError
            The database does not say.
        """
        try:
            return self.checks[cell, instance or cell, kind, pin][1]
        except KeyError:
            raise PynqBnnError(f"hw/device knows no {kind.lower()} time of {pin} of the cell {cell}") from None


def read_cells(lines: Iterable[str]) -> CellTimings:
    """The content of an SDF file of Project X-Ray's database."""
    result, cell, instance = CellTimings(), "", ""
    for line in lines:
        if match := _ARC.search(line):
            fast_least, fast_most, slow_least, slow_most = map(float, match.groups()[2:])
            result.arcs[cell, instance, match[1], match[2]] = fast_least, fast_most, slow_least, slow_most
        elif match := _CHECK.search(line):
            # For some the larger of the two numbers stands first.
            result.checks[cell, instance, match[1], match[2]] = match[3], max(float(match[4]), float(match[5]))
        elif match := re.search(r'\(CELLTYPE "(\S+)"\)', line):
            cell = match[1]
        elif match := re.search(r"\(INSTANCE (\S+)\)", line):
            instance = match[1]
    return result


@cache
def load_timings(folder: Path = DATA) -> dict[str, CellTimings]:
    """The cells' delays by file name without its ending.

    Raises
    ------
    PynqBnnError
        The file is missing or damaged.
    """
    try:
        data = lzma.decompress((folder / CELLS).read_bytes())
    except OSError as error:
        raise PynqBnnError(f"{folder / CELLS} cannot be read ({error.strerror}); it comes with the repository: "
                           f"git checkout {CELLS}") from None
    except lzma.LZMAError:
        raise PynqBnnError(f"{folder / CELLS} is damaged; git checkout restores it") from None
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {entry.name.removesuffix(".sdf"):
                read_cells(archive.extractfile(entry).read().decode().splitlines())  # type: ignore[union-attr]
                for entry in archive}


def pack(folder: Path) -> bytes:
    """The files of ``folder`` as ``hw/device`` keeps them; the same files give the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in FILES:
            try:
                data = (folder / name).read_bytes()
            except OSError as error:
                raise PynqBnnError(f"{folder / name} cannot be read ({error.strerror}); the folder is zynq7/timings of "
                                   f"Project X-Ray's database") from None
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return lzma.compress(packed.getvalue(), preset=lzma.PRESET_EXTREME | 9)


def main() -> int:
    parser = argparse.ArgumentParser(prog="timings", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="zynq7/timings of Project X-Ray's database")
    options = parser.parse_args()
    data = pack(options.folder)
    write_atomically(DATA / CELLS, lambda path: path.write_bytes(data))
    print(f"{DATA / CELLS}: {len(data):,} bytes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"timings: {error}")
