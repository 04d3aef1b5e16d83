"""Timing of a bitstream, from its bits alone: setup, hold, pulses.

``python -m flows.bits.timing FILE.bit --clock MHZ [--against OTHER.bit …]`` prints the report. ``--against`` names
bitstreams that are known to work, from Vivado for the same chip; they are analysed alike, and a margin is compared with
the least that they have in the same class. ``--json`` writes the facts. It ends with 1 when an end is late.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.device import load_device
from flows.sta.analysis import Analysis, analyse
from flows.sta.report import facts, least_hold, report
from pynq_bnn.errors import PynqBnnError
from pynq_bnn.files import write_atomically

from .bitfile import read_bit
from .circuit import Circuit
from .features import Layouts, read_features


def analyse_bit(place: Path) -> Analysis:
    """The timing of the bitstream in ``place``.

    Raises
    ------
    PynqBnnError
        It cannot be read, or holds something whose timing is not known.
    """
    device = load_device()
    layouts = Layouts(device)
    features, _ = read_features(read_bit(place, device.part).frames, layouts)
    try:
        return analyse(Circuit(device, layouts, features))
    except PynqBnnError as error:
        raise PynqBnnError(f"{place}: {error}") from None


def timing_of(place: Path, mhz: float, against: Sequence[Path] = ()) -> tuple[str, dict[str, Any]]:
    """The report of a bitstream and its facts."""
    references = [least_hold(analyse_bit(other)) for other in against]
    analysis = analyse_bit(place)
    return report(place.name, analysis, mhz, references), facts(analysis, mhz, references)


def judge(analysis: Analysis, mhz: float, text: Path, mends_hold: bool = True) -> dict[str, object]:
    """What the timing analysis of a flow's bits says, for the overlay's .json; a tool's own report is not believed.

    Parameters
    ----------
    analysis
        Of the bits.
    mhz
        The clock asked for.
    text
        Where the report goes.
    mends_hold
        Whether inputs that change too early are an error; of a flow that can do nothing about them it is said.

    Raises
    ------
    PynqBnnError
        The clock is missed, or an input changes too early.
    """
    text.write_text(report("the bitstream", analysis, mhz), encoding="utf-8")
    found = facts(analysis, mhz)
    if found["worst_slack_ns"] < 0:
        raise PynqBnnError(f"the clock of {mhz:g} MHz is missed by {-found['worst_slack_ns']:.3f} ns ({text}); take a "
                           f"slower CLOCK= ({math.floor(found['fmax_mhz'])} fits), another SEED=, or a smaller size")
    if found["hold_below_0"]:
        early = (f"{found['hold_below_0']} inputs change too early, by up to {-found['worst_hold_ns']:.3f} ns "
                 f"({text}); no clock is slow enough for that")
        if mends_hold:
            raise PynqBnnError(f"{early}, take another SEED= or a smaller size")
        print(f"WARNING: {early}. FLOW=pnr makes such connections longer.", file=sys.stderr)
    return {name: found[name] for name in ("worst_slack_ns", "fmax_mhz", "worst_hold_ns", "hold_below_0")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="timing", description=__doc__.splitlines()[0])
    parser.add_argument("bit", type=Path, help="the bitstream")
    parser.add_argument("--clock", type=float, required=True, metavar="MHZ", help="FCLK0")
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="BIT", help="bitstreams known to work")
    parser.add_argument("--json", type=Path, help="where to write the facts")
    options = parser.parse_args()
    if not options.clock > 0:
        raise PynqBnnError(f"--clock {options.clock:g} is no frequency; give MHz, such as 100")
    text, found = timing_of(options.bit, options.clock, options.against)
    print(text, end="")
    if options.json:
        data = json.dumps(found, indent=2).encode() + b"\n"
        write_atomically(options.json, lambda path: path.write_bytes(data))
    return int(found["late_ends"] > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"timing: {error}")
