"""``make check-bits``: whether the circuit in a bitstream's own bits is the accelerator.

The circuit is read back from the .bit file. It must be the same circuit as the netlist that Yosys makes of the
overlay's sources, register by register and table by table, and, simulated at its full size, give the scores of the cpu
backend. No account of the tools that placed and routed it is used.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.gates import verilog_simulator
from flows.netlist import HW, synthesize
from flows.overlay import NAME, OVERLAYS, check
from flows.runs import assert_equals_cpu
from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config
from pynq_bnn.program.registers import read_config
from pynq_bnn.simulation import SimulatedCore

from .compare import compare
from .netlist import Netlist
from .reading import read_circuit
from .simulate import write_netlist
from .sources import sources_of
from .synthesized import read_synthesized

BUILD = HW / "build" / "bits"
NETWORKS, IMAGES = 3, 3


def main() -> int:
    options = _parser().parse_args()
    place = options.folder / f"{NAME}.bit"
    about = check(place)
    config = Config(**about["config"])
    with _step(f"reading {place}"):
        reading = read_circuit(place)
        print(f"  {_counted(reading.netlist)}; no unknown bit, no floating input, one driver a node")
    if not reading.bitstream.checked:
        raise PynqBnnError(f"{place} carries no checksum, so the device would not notice a damaged download")
    if options.compare:
        netlist = options.netlist or _synthesized(about, config)
        with _step(f"comparing with {netlist}"):
            difference = compare(reading.netlist, read_synthesized(netlist))
        if difference:
            raise PynqBnnError("\n  ".join((f"{place} is another circuit than its sources:", *difference.lines)))
        print("  the same circuit, register by register and table by table")
    if options.simulate:
        _simulate(reading.netlist, config)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="check-bits", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=OVERLAYS, help="where the overlay lies (overlays/)")
    parser.add_argument("--netlist", type=Path, help="Yosys's JSON file of its sources; made where none is given")
    parser.add_argument("--no-compare", dest="compare", action="store_false", help="do not compare with the netlist")
    parser.add_argument("--no-simulate", dest="simulate", action="store_false", help="do not simulate the bits")
    return parser


@contextmanager
def _step(what: str) -> Iterator[None]:
    start = time.monotonic()
    print(f"{what} …", flush=True)
    yield
    print(f"  {time.monotonic() - start:.0f} s", flush=True)


def _counted(netlist: Netlist) -> str:
    kinds = Counter(block.kind for block in netlist.blocks)
    return f"{len(netlist.tables):,} tables, " + ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())


def _synthesized(about: dict[str, object], config: Config) -> Path:
    with tempfile.TemporaryDirectory() as scratch, _step("synthesizing the overlay's sources (minutes)"):
        return synthesize(config, BUILD, sources=sources_of(about, Path(scratch))).json


def _simulate(netlist: Netlist, config: Config) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    with _step("building the simulation of the bits (minutes)"):
        library = verilog_simulator(write_netlist(netlist, BUILD / "bits.v"))
    for seed in range(1, NETWORKS + 1):
        with _step(f"a small network of seed {seed}, {IMAGES} images"), SimulatedCore(library, seed) as core:
            if read_config(core) != config:
                raise PynqBnnError(f"the circuit's registers say {read_config(core)}, the .json says {config}")
            try:
                assert_equals_cpu(core, config, seed, IMAGES)
            except AssertionError as error:
                raise PynqBnnError(f"the simulated bits do not compute as the cpu backend: {error}") from None
            print(f"  equal to cpu, {core.cycles:,} cycles")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"check-bits: {error}")
