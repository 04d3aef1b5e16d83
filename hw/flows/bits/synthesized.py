"""A synthesized netlist (Yosys's JSON) in the terms of ``netlist``, as what place and route was given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flows.netlist import TOP
from pynq_bnn.errors import PynqBnnError

from .netlist import MUX, MUXCY, XORCY, Block, Net, Netlist, Table, reduced, working_pins

_FLIP_FLOPS = {"FDRE": ("R", 1, 0), "FDSE": ("S", 1, 1), "FDCE": ("CLR", 0, 0), "FDPE": ("PRE", 0, 1)}
_ANY = -1  # an initial value that the netlist leaves open
_RAM_SETTINGS = ("READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A", "WRITE_WIDTH_B", "DOA_REG", "DOB_REG")
_DSP_SETTINGS = ("ADREG", "ALUMODEREG", "CARRYINREG", "CARRYINSELREG", "CREG", "DREG", "INMODEREG", "MREG",
                 "OPMODEREG", "PREG", "AREG", "BREG")


def read_synthesized(place: Path) -> Netlist:
    """The netlist in a JSON file that ``flows.netlist`` wrote.

    Raises
    ------
    PynqBnnError
        It cannot be read, or holds a cell that this knows nothing of.
    """
    try:
        module = json.loads(place.read_text(encoding="utf-8"))["modules"][TOP]
    except (OSError, ValueError, KeyError) as error:
        raise PynqBnnError(f"{place} is no netlist of Yosys ({error})") from None
    reader = _Reader(module["cells"])
    return reader.netlist


class _Reader:
    def __init__(self, cells: Mapping[str, Any]) -> None:
        self.netlist = Netlist()
        self._next = 1 + max((bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits
                              if isinstance(bit, int)), default=1)
        for name, cell in cells.items():
            self._add(name, cell)

    def _add(self, name: str, cell: Mapping[str, Any]) -> None:
        kind, ports = cell["type"], {port: [_bit(bit) for bit in bits] for port, bits in cell["connections"].items()}
        parameters = cell["parameters"]
        if kind.startswith("LUT") or kind == "INV":
            self._table(name, kind, ports, parameters)
        elif kind == "CARRY4":
            self._carry(name, ports)
        elif kind in _FLIP_FLOPS:
            self._flip_flop(name, kind, ports, parameters)
        elif kind in ("RAM32M", "RAM64M"):
            self._memory(name, kind, ports, parameters)
        elif kind in ("MUXF7", "MUXF8"):
            self._put(MUX, (ports["I0"][0], ports["I1"][0], ports["S"][0]), ports["O"][0], name)
        elif kind == "SRL16E":
            pins = {pin: bits[0] for pin, bits in ports.items() if pin != "Q"}
            pins["WE"] = pins.pop("CE")
            self._block(kind, {"INIT": _number(parameters.get("INIT", "0"))}, pins, {"Q": ports["Q"][0]}, name)
        elif kind in ("RAMB36E1", "DSP48E1", "PS7", "BUFG"):
            settings = {"RAMB36E1": _ram_settings, "DSP48E1": _dsp_settings}.get(kind, lambda _: {})(parameters)
            inputs = dict(_pins(ports, cell["port_directions"], "input"))
            outputs = {pin: net for pin, net in _pins(ports, cell["port_directions"], "output") if isinstance(net, int)}
            self._block(kind, settings, working_pins(kind, settings, inputs), outputs, name)
        else:
            raise PynqBnnError(f"the netlist's cell {name} is a {kind}, which the comparison knows nothing of")

    def _put(self, init: int, inputs: tuple[Net, ...], output: Net, name: str) -> None:
        if not isinstance(output, int):
            raise PynqBnnError(f"the cell {name} of the netlist drives a constant")
        init, nets, _ = reduced(init, inputs)
        self.netlist.tables.append(Table(init, nets, output, name))

    def _block(self, kind: str, settings: Mapping[str, int | str], inputs: Mapping[str, Net],
               outputs: Mapping[str, Net], name: str) -> None:
        driven = {pin: net for pin, net in outputs.items() if isinstance(net, int)}
        self.netlist.blocks.append(Block(kind, settings, inputs, driven, name))

    def _table(self, name: str, kind: str, ports: Mapping[str, list[Net]], parameters: Mapping[str, str]) -> None:
        if kind == "INV":
            self._put(1, (ports["I"][0],), ports["O"][0], name)
            return
        width = int(kind[3:])
        self._put(int(parameters["INIT"], 2), tuple(ports[f"I{number}"][0] for number in range(width)),
                  ports["O"][0], name)

    def _carry(self, name: str, ports: Mapping[str, list[Net]]) -> None:
        first = {net for net in (ports["CI"][0], ports["CYINIT"][0]) if net != "0"} or {"0"}
        if len(first) > 1:
            raise PynqBnnError(f"the carry chain {name} has two carries in")
        before = first.pop()
        for number in range(4):
            select, data = ports["S"][number], ports["DI"][number]
            for port, init, inputs in (("O", XORCY, (select, before)), ("CO", MUXCY, (data, before, select))):
                bits = ports.get(port, [])
                if number < len(bits):
                    self._put(init, inputs, bits[number], f"{name}.{port}{number}")
            if number < len(ports.get("CO", [])):
                before = ports["CO"][number]
            elif number < 3:
                self._next += 1
                self._put(MUXCY, (data, before, select), self._next, f"{name}.CO{number}")
                before = self._next

    def _flip_flop(self, name: str, kind: str, ports: Mapping[str, list[Net]], parameters: Mapping[str, str]) -> None:
        pin, sync, reset = _FLIP_FLOPS[kind]
        inputs = {"D": ports["D"][0], "C": ports["C"][0], "CE": ports["CE"][0], "R": ports[pin][0]}
        if _number(parameters.get("IS_C_INVERTED", "0")):
            raise PynqBnnError(f"the flip-flop {name} has its clock inverted, which is not expected")
        init = parameters.get("INIT", "x")[-1]
        self._block("FF", {"sync": sync, "reset": reset, "init": int(init) if init in "01" else _ANY}, inputs,
                    {"Q": ports["Q"][0]}, name)

    def _memory(self, name: str, kind: str, ports: Mapping[str, list[Net]], parameters: Mapping[str, str]) -> None:
        width, each = (5, 2) if kind == "RAM32M" else (6, 1)
        for letter in "ABCD":
            outputs = ports.get(f"DO{letter}", [])
            for number in range(min(each, len(outputs))):
                inputs: dict[str, Net] = {"D": ports[f"DI{letter}"][number], "WE": ports["WE"][0],
                                          "CLK": ports["WCLK"][0]}
                inputs |= {f"RA{n}": ports[f"ADDR{letter}"][n] for n in range(width)}
                inputs |= {f"WA{n}": ports["ADDRD"][n] for n in range(width)}
                init = _number(parameters.get(f"INIT_{letter}", "0"))
                if init:
                    raise PynqBnnError(f"the memory {name} begins with contents, which is not expected")
                self._block(f"RAM{1 << width}", {"INIT": 0}, inputs, {"O": outputs[number]}, f"{name}.{letter}{number}")


def _bit(bit: int | str) -> Net:
    return "0" if bit == "x" else bit


def _number(text: str) -> int:
    return int(text.replace("x", "0") or "0", 2)


def _pins(ports: Mapping[str, list[Net]], ways: Mapping[str, str], way: str) -> Iterator[tuple[str, Net]]:
    for port, bits in ports.items():
        if ways[port] == way:
            for number, bit in enumerate(bits):
                yield (port if len(bits) == 1 else f"{port}{number}"), bit


def _ram_settings(parameters: Mapping[str, str]) -> dict[str, int | str]:
    settings: dict[str, int | str] = {name: _number(parameters.get(name, "0")) for name in _RAM_SETTINGS}
    for port in "AB":
        settings[f"WRITE_MODE_{port}"] = parameters.get(f"WRITE_MODE_{port}", "WRITE_FIRST").strip()
    settings["RAM_MODE"] = parameters.get("RAM_MODE", "TDP").strip()
    for name, value in parameters.items():
        if name.startswith("INIT") and "1" in value:
            raise PynqBnnError("a block RAM of the netlist begins with contents, which is not expected")
    return settings


def _dsp_settings(parameters: Mapping[str, str]) -> dict[str, int | str]:
    settings: dict[str, int | str] = {name: _number(parameters.get(name, "1")) for name in _DSP_SETTINGS}
    settings["USE_DPORT"] = int(parameters.get("USE_DPORT", "FALSE").strip() == "TRUE")
    settings["USE_SIMD"] = {"ONE48": 0, "TWO24": 1, "FOUR12": 2}[parameters.get("USE_SIMD", "ONE48").strip()]
    return settings
