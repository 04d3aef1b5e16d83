"""A Yosys netlist as plain text for ``hw/pnr``: one line a cell, parameter and pin.

Nets are numbers; 0 and 1 are the constants. LUTs are reduced on the way: an input that is constant, equal to another,
or without influence has no pin.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pynq_bnn.errors import PynqBnnError

Bit = int | str
_CONSTANTS = {"0": 0, "1": 1}
# Inputs of LUTs from the lowest bit of a table's index on.
_LUT_INPUTS = [f"I{n}" for n in range(6)]


def write_cells(netlist: Path, written: Path) -> int:
    """Turn the JSON file ``netlist`` (of one module) into the text that ``hw/pnr`` reads; the number of its cells.

    Raises
    ------
    PynqBnnError
        The file is no netlist, or holds a value that is neither 0 nor 1.
    """
    try:
        modules = json.loads(netlist.read_text(encoding="utf-8"))["modules"]
        top = next(module for module in modules.values() if int(module["attributes"].get("top", "0"), 2))
        lines = list(_lines(split_carries(top["cells"])))
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise PynqBnnError(f"{netlist} is no netlist of Yosys ({error}); make synth writes one") from None
    written.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sum(line.startswith("cell ") for line in lines)


def _lines(cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    read = {bit for cell in cells.values() for port, bits in cell["connections"].items()
            if cell["port_directions"][port] == "input" for bit in bits}
    numbers: dict[Bit, int] = dict(_CONSTANTS)
    for name, cell in cells.items():
        yield f"cell {cell['type']} {name}"
        if cell["type"] == "INV" or cell["type"].startswith("LUT"):
            yield from _lut(cell, numbers)
            continue
        for key, value in cell.get("parameters", {}).items():
            yield f"param {key} {_value(value)}"
        for port, bits in cell["connections"].items():
            way = "in" if cell["port_directions"][port] == "input" else "out"
            for place, bit in enumerate(bits):
                if way == "in" or bit in read:
                    yield f"{way} {port}{place if len(bits) > 1 else ''} {_number(bit, numbers)}"


def split_carries(cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The same cells, where no bit of a CARRY4 has both its sum and its carry in use outside the chain.

    A slice has one output for both. Such a carry is made again from the next bit, as sum XOR selection.
    """
    result = dict(cells)
    users: dict[Bit, list[tuple[str, str, int]]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                for place, bit in enumerate(bits):
                    users[bit].append((name, port, place))
    fresh = itertools.count(-1, -1)
    for name, cell in cells.items():
        if cell["type"] != "CARRY4":
            continue
        for place in range(4):
            total, carry = (cell["connections"][port][place] for port in ("O", "CO"))
            leaving = [use for use in users[carry] if use[1] != "CI"]
            if leaving and users[total]:
                above, bit = _next_bit(result, name, place, users, fresh)
                _make_carry(result, f"{name}.carry{place}", above["connections"], bit, leaving, fresh)
    return result


def _next_bit(cells: dict[str, Mapping[str, Any]], name: str, place: int,
              users: Mapping[Bit, list[tuple[str, str, int]]], fresh: Iterator[int]) -> tuple[Mapping[str, Any], int]:
    """The CARRY4 and the bit in it that follow a bit of a chain; made where there is none."""
    if place < 3:
        return cells[name], place + 1
    out = cells[name]["connections"]["CO"][3]
    for user, port, _ in users[out]:
        if port == "CI":
            return cells[user], 0
    ports = {"CI": [out], "CYINIT": ["0"], "DI": ["0"] * 4, "S": ["0"] * 4,
             "O": [next(fresh) for _ in range(4)], "CO": [next(fresh) for _ in range(4)]}
    cells[f"{name}.more"] = {"type": "CARRY4", "parameters": {}, "connections": ports,
                             "port_directions": {port: "output" if port in ("O", "CO") else "input" for port in ports}}
    return cells[f"{name}.more"], 0


def _make_carry(cells: dict[str, Mapping[str, Any]], name: str, above: Mapping[str, list[Bit]], bit: int,
                leaving: Iterable[tuple[str, str, int]], fresh: Iterator[int]) -> None:
    carry = next(fresh)
    cells[name] = {"type": "LUT2", "parameters": {"INIT": "0110"},
                   "connections": {"I0": [above["O"][bit]], "I1": [above["S"][bit]], "O": [carry]},
                   "port_directions": {"I0": "input", "I1": "input", "O": "output"}}
    for user, port, place in leaving:
        bits = list(cells[user]["connections"][port])
        bits[place] = carry
        cells[user] = {**cells[user], "connections": {**cells[user]["connections"], port: bits}}


def _number(bit: Bit, numbers: dict[Bit, int]) -> int:
    if isinstance(bit, str) and bit not in _CONSTANTS:
        raise PynqBnnError(f"the netlist has a pin of value {bit}; setundef -zero makes such pins 0")
    return numbers.setdefault(bit, len(numbers))


def _value(value: str | int) -> str:
    """Words as they are; bits as hexadecimal digits, undefined ones 0."""
    text = str(value)
    if text and not set(text) - set("01xz"):
        return f"0x{int(text.replace('x', '0').replace('z', '0'), 2):x}"
    return text.strip().replace(" ", "_") or "0x0"


def _lut(cell: Mapping[str, Any], numbers: dict[Bit, int]) -> Iterator[str]:
    connections = cell["connections"]
    if cell["type"] == "INV":
        table, bits = 0b01, [connections["I"][0]]
    else:
        table = int(str(cell["parameters"]["INIT"]).replace("x", "0"), 2)
        bits = [connections[pin][0] for pin in _LUT_INPUTS[:int(cell["type"][3])]]
    table, left = reduce_lut(table, bits)
    yield f"param INIT 0x{table:x}"
    for place, bit in enumerate(left):
        yield f"in I{place} {_number(bit, numbers)}"
    yield f"out O {_number(connections['O'][0], numbers)}"


def reduce_lut(table: int, inputs: list[Bit]) -> tuple[int, list[Bit]]:
    """The same function with each input once, and only those that matter: table and inputs.

    ``inputs`` are nets, or the constants "0" and "1"; the first is the lowest bit of the table's index.
    """
    left = list(dict.fromkeys(bit for bit in inputs if bit not in _CONSTANTS))
    values = [table >> sum(_at(bit, left, place) << n for n, bit in enumerate(inputs)) & 1
              for place in range(1 << len(left))]
    for n in reversed(range(len(left))):
        low = [value for place, value in enumerate(values) if not place >> n & 1]
        high = [value for place, value in enumerate(values) if place >> n & 1]
        if low == high:
            values = low
            del left[n]
    return sum(value << place for place, value in enumerate(values)), left


def _at(bit: Bit, inputs: list[Bit], place: int) -> int:
    """The value of an input where the others' are the bits of ``place``."""
    return _CONSTANTS[bit] if bit in _CONSTANTS else place >> inputs.index(bit) & 1  # type: ignore[index]
