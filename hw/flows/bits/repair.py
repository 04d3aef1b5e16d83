"""The step that repaired the overlay of seven lanes: two tables that place and route had written wrongly.

``python -m flows.bits.repair OLD.bit FOLDER``; ``git show db9c6c4:overlays/pynq-bnn.bit`` (and .json) has the old one.
 nextpnr-xilinx e22bcf69 merges inputs of a table that carry the same net
and notes them as "I2I4 " where "I2 I4" is meant; its writer then takes both for input 0. ``flows.bits.check`` found the
two tables where that mattered. A netlist without such tables (``flows.netlist``) does not meet the fault.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from flows.device import load_device
from flows.overlay import install
from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config

from .bitfile import make_bit, read_bit
from .features import Layouts, read_features, write_features

BROKEN = "e3c77675ba040ffca9bc328837827cd9ba2fef7a2b3099826a30717308e250b0"
# The commit whose RTL it is made from, and the clock that its paths take (the old files said 125 MHz).
SOURCES = "db9c6c46fe86a8fad97a1e32bfb0e9053451a0c4"
CLOCK = 1000 / 9
# One net of data runs through this global buffer: right in function, and to be gone with the next build.
DATA_ON_CLOCKS = ["BUFGCTRL_X0Y20"]
# (A or B) ? C : D in both: A4 or A1 chooses A3, else A5.
TABLES = {("CLBLM_R_X63Y25", "SLICEL_X1.CLUT.INIT"): (0x0005000000050000, 0xF0F5F0A0F0F5F0A0),
          ("CLBLM_L_X60Y17", "SLICEM_X0.DLUT.INIT"): (0x0005000000050000, 0xF0F5F0A0F0F5F0A0)}


def repaired(place: Path) -> bytes:
    """The .bit file ``place`` with the right tables, error-correcting codes and checksums.

    Raises
    ------
    PynqBnnError
        It is not the file that has the fault.
    """
    device = load_device()
    frames = read_bit(place, device.part).frames
    if hashlib.sha256(place.read_bytes()).hexdigest() != BROKEN:
        raise PynqBnnError(f"{place} is not the bitstream that this repairs (sha256 {BROKEN[:16]}…); "
                           f"git log overlays/pynq-bnn.bit says where that one is")
    layouts = Layouts(device)
    features, _ = read_features(frames, layouts)
    for (tile, table), (wrong, right) in TABLES.items():
        if features[tile].values[table] != wrong:
            raise PynqBnnError(f"{tile}.{table} is {features[tile].values[table]:#018x}, not {wrong:#018x}")
        features[tile].values[table] = right
    return make_bit(write_features(features, layouts))


def repaired_overlay(place: Path, folder: Path) -> Path:
    """Put the repaired bitstream with its .hwh and .json into ``folder``; the .json of the old one lies beside it."""
    about = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    kept = ("flow", "seed", "lut", "ff", "bram36", "dsp", "tools")
    facts = {"rtl_sha256": about["rtl_sha256"], "sources": SOURCES, **{name: about[name] for name in kept},
             "repaired": "two tables, see hw/flows/bits/repair.py", "data_on_clocks": DATA_ON_CLOCKS}
    return install(repaired(place), Config(**about["config"]), CLOCK, facts, folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="repair", description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="the broken .bit, with its .json beside it")
    parser.add_argument("folder", type=Path, help="where the repaired overlay goes")
    options = parser.parse_args()
    print(f"{repaired_overlay(options.old, options.folder)}: {len(TABLES)} tables repaired; now make check-bits")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"repair: {error}")
