"""``make bitstream``: from the RTL, and a network where MODEL names one, to the files for the board in overlays/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pynq_bnn.board.hwh import clock_divisors
from pynq_bnn.errors import PynqBnnError
from pynq_bnn.network import Network, load_network, save_network
from pynq_bnn.program.config import Config
from pynq_bnn.program.schedule import schedule

from . import openxc7, pnr, tools, vivado
from .built import Built
from .netlist import HW
from .overlay import OVERLAYS, install

FLOWS = ("pnr", "openxc7", "vivado")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    config = Config(**_sizes(options.size))
    variables = _assignments(options.tool, "tool", {*openxc7.TOOLS, *openxc7.ADVICE, "VIVADO"})
    clock_divisors(options.clock)  # a rate that the board cannot make is refused before an hour of work
    flow = choose_flow(options.flow, variables)
    network = read_model(options.model, config) if options.model else None
    built = run_flow(flow, config, options, variables)
    place = install(built.bitstream, config, options.clock, built.facts, options.output)
    facts = built.facts
    print(f"{place}: {facts['lut']} LUT, {facts['ff']} FF, {facts['bram36']} BRAM36, {facts['dsp']} DSP, "
          f"{options.clock:g} MHz with {facts['worst_slack_ns']} ns to spare; not loaded into a device")
    if network:
        path = place.parent / f"{network.name}.bnn"
        save_network(network, path)
        print(f"{path}: {len(network.layers)} layers")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitstream", description=__doc__)
    parser.add_argument("--flow", default="", help=f"{' or '.join(FLOWS)} (pnr)")
    parser.add_argument("--clock", type=_megahertz, default=100.0, help="MHz (100)")
    parser.add_argument("--seed", type=int, default=1, help="of place and route (1)")
    parser.add_argument("--flat", action="store_true", help="openxc7 and pnr: dissolve modules first, for small sizes")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=N", help="size, for example LANES=4")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=COMMAND", help="a tool or database")
    parser.add_argument("--model", help="checkpoint or .bnn that goes beside the bitstream")
    parser.add_argument("--build", type=Path, default=HW / "build", help="for reports and logs (hw/build)")
    parser.add_argument("--output", type=Path, default=OVERLAYS, help="for the results (overlays)")
    return parser


def _megahertz(text: str) -> float:
    value = float(text)
    if not 10 <= value <= 250:
        raise argparse.ArgumentTypeError(f"{text} MHz; 10 to 250 fits")
    return value


def _assignments(pairs: Sequence[str], what: str, known: set[str]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise PynqBnnError(f"no {what} {pair}; {', '.join(sorted(known))} fit, as NAME=VALUE")
        values[name] = value
    return values


def _sizes(pairs: Sequence[str]) -> dict[str, int]:
    values = _assignments(pairs, "size", set(Config().parameters))
    try:
        return {name.lower(): int(value) for name, value in values.items()}
    except ValueError:
        raise PynqBnnError(f"a size is no whole number in {' '.join(pairs)}") from None


def choose_flow(asked: str, variables: dict[str, str]) -> str:
    """The flow that was asked for, else ``pnr``, which needs nothing that PyPI and a compiler do not give.

    Raises
    ------
    PynqBnnError
        There is no such flow, or its tools are missing; names them all.
    """
    flow = asked or "pnr"
    if flow not in FLOWS:
        raise PynqBnnError(f"no FLOW={asked}; {', '.join(FLOWS[:-1])} or {FLOWS[-1]} fits")
    program = variables.get("VIVADO") or "vivado"
    if flow == "vivado" and not tools.find(program):
        raise PynqBnnError(f"FLOW=vivado: {program} is not there; source Vivado's settings64.sh, or set VIVADO=")
    if flow == "openxc7":
        openxc7.find_tools(variables)
    if flow == "pnr":
        pnr.find_compiler()
    return flow


def read_model(name: str, config: Config) -> Network:
    """The network in a .bnn file, or folded from a checkpoint; it must fit the accelerator.

    Raises
    ------
    PynqBnnError
        It cannot be read, compiled or scheduled.
    """
    path = Path(name)
    if path.suffix == ".bnn":
        network = load_network(path)
    else:
        from pynq_bnn.commands.train import needs_train_extra
        network = needs_train_extra(".compile.compiler").compile_checkpoint(path)
    schedule(network, config, 1)
    return network


def run_flow(flow: str, config: Config, options: argparse.Namespace, variables: dict[str, str]) -> Built:
    """Build the bitstream; reports lie in a folder of the flow's name."""
    folder = options.build / flow
    print(f"{flow}: {config}, {options.clock:g} MHz; logs and reports in {folder}", flush=True)
    if flow == "vivado":
        return vivado.build(config, options.clock, folder, tools.find(variables.get("VIVADO") or "vivado") or [])
    if flow == "pnr":
        return pnr.build(config, options.clock, options.seed, folder, options.flat)
    return openxc7.build(config, options.clock, options.seed, folder, openxc7.find_tools(variables),
                         options.flat)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"make bitstream: {error}")
