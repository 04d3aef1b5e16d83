"""A netlist that was read from bits as a JSON file for Yosys, which the gate-level simulation takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.netlist import HW, TOP
from pynq_bnn.errors import PynqBnnError

from .netlist import Block, Net, Netlist, Table, vector_name

_FLIP_FLOPS = {(1, 0): ("FDRE", "R"), (1, 1): ("FDSE", "S"), (0, 0): ("FDCE", "CLR"), (0, 1): ("FDPE", "PRE")}
_SCALARS = {"CEA1", "CEA2", "CEB1", "CEB2", "DO", "CARRYIN"}


def yosys_netlist(netlist: Netlist) -> dict[str, Any]:
    """The netlist as the content of a JSON file for Yosys; the top is the board's."""
    cells = {}
    for number, table in enumerate(netlist.tables):
        cells[f"t{number}"] = _table(table)
    for number, block in enumerate(netlist.blocks):
        # The bench finds the processing system by its name in the RTL.
        cells["u_ps7" if block.kind == "PS7" else f"b{number}"] = _block(block)
    return {"creator": "pynq-bnn", "modules": {TOP: {"attributes": {"top": "1"}, "ports": {}, "cells": cells,
                                                     "netnames": {}}}}


def write_netlist(netlist: Netlist, place: Path) -> Path:
    place.write_text(json.dumps(yosys_netlist(netlist)), encoding="utf-8")
    return place


def _cell(kind: str, parameters: Mapping[str, int | str], inputs: Mapping[str, list[Net]],
          outputs: Mapping[str, list[Net]], place: str) -> dict[str, Any]:
    words = {name: value if isinstance(value, str) else f"{value:032b}" for name, value in parameters.items()}
    ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"hide_name": 0, "type": kind, "parameters": words, "attributes": {"place": place},
            "port_directions": ways, "connections": {**inputs, **outputs}}


def _table(table: Table) -> dict[str, Any]:
    # Yosys has no table without inputs; one of one input that ignores it is the same.
    inputs = table.inputs or ("0",)
    init = table.init if table.inputs else 3 * table.init
    ports: dict[str, list[Net]] = {f"I{number}": [net] for number, net in enumerate(inputs)}
    bits = f"{init:0{1 << len(inputs)}b}"
    return _cell(f"LUT{len(inputs)}", {"INIT": bits}, ports, {"O": [table.output]}, table.place)


def _block(block: Block) -> dict[str, Any]:
    if block.kind == "FF":
        kind, reset = _FLIP_FLOPS[int(block.settings["sync"]), int(block.settings["reset"])]
        inputs: dict[str, list[Net]] = {reset if pin == "R" else pin: [net] for pin, net in block.inputs.items()}
        return _cell(kind, {"INIT": f"{block.settings['init']:b}"}, inputs, {"Q": [block.outputs["Q"]]}, block.place)
    if block.kind in ("RAM32", "RAM64"):
        return _memory(block)
    if block.kind == "SRL16E":
        pins = {"CE" if pin == "WE" else pin: [net] for pin, net in block.inputs.items()}
        init = f"{block.settings['INIT']:016b}"
        return _cell("SRL16E", {"INIT": init}, pins, {"Q": [block.outputs["Q"]]}, block.place)
    if block.kind in ("BUFG", "BUFH"):
        return _cell("BUFG", {}, {"I": [block.inputs["I"]]}, {"O": [block.outputs["O"]]}, block.place)
    if block.kind == "PS7":
        return _processing_system(block)
    if block.kind in ("RAMB36E1", "DSP48E1"):
        return _vectors(block)
    raise PynqBnnError(f"{block.place} is a {block.kind}, of which there is no model")


def _memory(block: Block) -> dict[str, Any]:
    """LUT memory, in the pins of the models in ``hw/sim``."""
    pins = {pin.replace("RA", "RADR").replace("WA", "WADR"): [net] for pin, net in block.inputs.items()}
    pins["I"] = pins.pop("D")
    if block.kind == "RAM64":
        pins |= {"WADR6": ["0"], "WADR7": ["0"]}
    return _cell("RAMD32" if block.kind == "RAM32" else "RAMD64E", {}, pins, {"O": [block.outputs["O"]]}, block.place)


def _vectors(block: Block) -> dict[str, Any]:
    settings = {name: value for name, value in block.settings.items() if "." not in name}
    if block.kind == "DSP48E1":
        settings["USE_DPORT"] = "TRUE" if settings["USE_DPORT"] else "FALSE"
        settings["USE_SIMD"] = ("ONE48", "TWO24", "FOUR12")[int(settings["USE_SIMD"])]
    return _cell(block.kind, settings, _grouped(block.inputs, "0"),
                 {name: bits for name, bits in _grouped(block.outputs, "0").items() if _has_model(block.kind, name)},
                 block.place)


def _has_model(kind: str, port: str) -> bool:
    return kind != "RAMB36E1" or port in ("DOADO", "DOBDO", "DOPADOP", "DOPBDOP")


def _grouped(pins: Mapping[str, Net], missing: str) -> dict[str, list[Net]]:
    found: dict[str, dict[int, Net]] = {}
    for pin, net in pins.items():
        name, number = (pin, -1) if pin in _SCALARS else vector_name(pin)
        found.setdefault(name, {})[max(number, 0)] = net
    return {name: [bits.get(number, missing) for number in range(max(bits) + 1)] for name, bits in found.items()}


def _processing_system(block: Block) -> dict[str, Any]:
    text = (HW / "sim" / "ps7.sv").read_text(encoding="utf-8").partition(");")[0]
    known = set(re.findall(r"\b([A-Z][A-Z0-9]+)\b", re.sub(r"//.*", "", text))) - {"PS7"}
    inputs, outputs = _grouped(block.inputs, "0"), _grouped(block.outputs, "0")
    for name, bits in inputs.items():
        if name not in known and any(bit not in ("0", "1") for bit in bits):
            raise PynqBnnError(f"the processing system's {name} is driven, which the simulation has no model of")
    return _cell("PS7", {}, {name: bits for name, bits in inputs.items() if name in known},
                 {name: bits for name, bits in outputs.items() if name in known}, block.place)
