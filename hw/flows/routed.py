"""A routed design turned back into the device's cells and simulated: what the chip would compute.

``python -m flows.routed build/openxc7/routed.json``. nextpnr's JSON file says of each cell and pin what it was before
packing; place and route has shared LUTs, put in feed-throughs and constants, and moved pins meanwhile.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.registers import read_config
from pynq_bnn.simulation import SimulatedCore

from .gates import simulator
from .netlist import TOP
from .runs import assert_equals_cpu

Bit = int | str
# Pins that changed their meaning without a note: addresses of shift registers, of which two are tied.
_SHIFT_REGISTER = {f"A{n + 2}": f"A{n}" for n in range(4)}
_BUFFER = {"I0": "I", "O": "O"}
_PREFIX = "X_ORIG_PORT_"


def unpack(routed: Mapping[str, Any]) -> dict[str, Any]:
    """The netlist of a routed design (the content of nextpnr's JSON file), as Yosys reads it.

    Raises
    ------
    PynqBnnError
        A cell that this knows nothing of.
    """
    (module,) = routed["modules"].values()
    constants = {bit: value for kind, value in (("PSEUDO_GND", "0"), ("PSEUDO_VCC", "1"))
                 for cell in module["cells"].values() if cell["type"] == kind for bit in cell["connections"]["Y"]}
    used = (bit for cell in module["cells"].values() for bits in cell["connections"].values() for bit in bits)
    fresh = _numbers(used)
    cells = {}
    for name, cell in module["cells"].items():
        if not cell["type"].startswith("PSEUDO_"):
            cells[name] = _cell(name, cell, constants, fresh)
    return {"creator": "pynq-bnn", "modules": {TOP: {"attributes": {"top": "1"}, "ports": {}, "cells": cells,
                                                     "netnames": {}}}}


def _numbers(used: Iterable[Bit]) -> Iterator[int]:
    number = max((bit for bit in used if isinstance(bit, int)), default=1)
    while True:
        number += 1
        yield number


def _cell(name: str, cell: Mapping[str, Any], constants: Mapping[Bit, str], fresh: Iterator[int]) -> dict[str, Any]:
    attributes = cell["attributes"]
    kind = "BUFG" if cell["type"] == "BUFGCTRL" else attributes.get("X_ORIG_TYPE", "").strip()
    if not kind:
        raise PynqBnnError(f"the cell {name} is a {cell['type']}, of which nextpnr does not say what it was")
    pins = {key[len(_PREFIX):]: value.strip() for key, value in attributes.items() if key.startswith(_PREFIX)}
    if kind == "BUFG":
        pins = dict(_BUFFER)
    elif kind == "SRL16E":
        pins = {pin: port for pin, port in pins.items() if not re.fullmatch(r"A\d", pin)} | _SHIFT_REGISTER
    high = attributes.get("DSP_VCC_PINS", "").split()  # constants made within the block, not by wires
    ports: dict[str, dict[int, Bit]] = {}
    directions = {}
    for pin, port in pins.items():
        if pin not in cell["connections"]:
            continue  # of what the cell was two steps before
        match = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", port)
        if match is None:
            raise PynqBnnError(f"the pin {pin} of {name} is {port}, which is no port of a cell")
        directions[match[1]] = cell["port_directions"].get(pin, "input")
        for bit in cell["connections"][pin] or ["1" if pin in high else "0"]:
            ports.setdefault(match[1], {})[int(match[2] or 0)] = constants.get(bit, bit)
    connections = {}
    for port, bits in ports.items():
        if directions[port] == "output":
            bits = {number: bit for number, bit in bits.items() if bit != "0"}
        connections[port] = [bits.get(n, "0" if directions[port] == "input" else next(fresh))
                             for n in range(max(bits, default=0) + 1)]
    parameters = {} if kind == "BUFG" else _without_inverters(name, cell["parameters"], connections)
    return {"hide_name": 0, "type": kind, "parameters": parameters, "attributes": {}, "port_directions": directions,
            "connections": connections}


def _without_inverters(name: str, parameters: Mapping[str, Any], connections: dict[str, list[Bit]]) -> dict[str, Any]:
    """Parameters without those that invert a pin; place and route uses them to get a 0 from a 1."""
    left = {}
    for key, value in parameters.items():
        match = re.fullmatch(r"IS_(\w+?)(?:\[(\d+)\])?_INVERTED", key)
        if match is None:
            left[key] = value
            continue
        inverted, bits = int(str(value), 2), connections.get(match[1], [])
        for number in [int(match[2])] if match[2] else range(len(bits)):
            if inverted >> (0 if match[2] else number) & 1 and number < len(bits):
                if bits[number] not in ("0", "1"):
                    raise PynqBnnError(f"the pin {match[1]} of {name} inverts a signal, which is not expected here")
                bits[number] = "10"[int(bits[number])]
    return left


def main() -> int:
    parser = argparse.ArgumentParser(prog="routed", description=__doc__.splitlines()[0])
    parser.add_argument("routed", type=Path, help="the JSON file that nextpnr wrote")
    place = parser.parse_args().routed
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
        netlist = place.with_name(f"{place.stem}_cells.json")
        netlist.write_text(json.dumps(unpack(content)), encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PynqBnnError(f"{place} is no routed design ({error}); make FLOW=openxc7 writes one") from None
    library = simulator(netlist, place.parent)
    for seed in range(1, 4):
        with SimulatedCore(library, seed) as core:
            config = read_config(core)
            assert_equals_cpu(core, config, seed, 3)
            print(f"{place}: {config}: a small network of seed {seed}, 3 images: equal to cpu, {core.cycles} cycles")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PynqBnnError, AssertionError) as error:
        sys.exit(f"routed: {error}")
