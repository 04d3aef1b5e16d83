"""LUTs of the netlist whose inputs are all different signals, each of which matters.

Modules are mapped one by one, so after flattening a LUT may have a constant at an input, or one net at two of them.
Place and route has to unite such inputs and to translate the table, which nextpnr-xilinx did wrongly until 2026-08 (its
pull request 158). It is done here instead: inputs are dropped, a LUT that is left constant becomes the constant, one
that passes its input on becomes a wire, and logic on which nothing depends any more is removed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pynq_bnn.errors import PynqBnnError

Bit = int | str
_LUT = re.compile(r"LUT([1-6])")
# What may go when nothing depends on it: these have no effect but their outputs.
_WITHOUT_EFFECT = re.compile(r"LUT[1-6]|INV|CARRY4|FD[RSCP]E")
_WIRE = 0b10


def simplify(table: int, inputs: Sequence[Bit]) -> tuple[int, list[Bit]]:
    """The smallest table of a LUT, and its inputs: different signals, each of which changes the output somewhere.

    Bit ``sum(value(inputs[k]) << k)`` of ``table`` is the output. Constants are ``"0"`` and ``"1"``; anything else is a
    signal. The order of the inputs that are left is kept.
    """
    signals = list(dict.fromkeys(bit for bit in inputs if bit not in ("0", "1")))
    outputs = []
    for number in range(1 << len(signals)):
        if len(signals) < len(inputs):
            values: dict[Bit, int] = {"0": 0, "1": 1} | {bit: number >> place & 1 for place, bit in enumerate(signals)}
            number = sum(values[bit] << place for place, bit in enumerate(inputs))
        outputs.append(table >> number & 1)
    for place in reversed(range(len(signals))):
        low, high = ([output for number, output in enumerate(outputs) if number >> place & 1 == value]
                     for value in (0, 1))
        if low == high:
            outputs = low
            del signals[place]
    return sum(output << number for number, output in enumerate(outputs)), signals


def reduce_luts(module: dict[str, Any]) -> int:
    """Reduce the LUTs of a module (as in Yosys's JSON file) in place; how many cells were changed or removed.

    Raises
    ------
    PynqBnnError
        A LUT is not as the device has it: unknown pins, an undefined table or input.
    """
    cells = module["cells"]
    readers: dict[Bit, list[str]] = defaultdict(list)
    for name in luts(cells):
        for bit in lut_inputs(name, cells[name]):
            readers[bit].append(name)
    replaced: dict[Bit, Bit] = {}
    waiting = list(luts(cells))
    touched: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in cells:
            continue
        cell = cells[name]
        before = lut_inputs(name, cell)
        table, inputs = simplify(lut_table(name, cell), [_find(bit, replaced) for bit in before])
        if inputs == before:
            continue
        touched.add(name)
        if inputs and (len(inputs), table) != (1, _WIRE):
            cells[name] = _lut(cell, table, inputs)
            continue
        (output,) = cell["connections"]["O"]
        replaced[output] = inputs[0] if inputs else str(table)
        del cells[name]
        waiting += readers[output]
        readers[replaced[output]] += readers[output]
    _substitute(module, replaced)
    return len(touched) + remove_unread(module)


def luts(cells: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Names of the cells that are LUTs."""
    return (name for name, cell in cells.items() if _LUT.fullmatch(cell["type"]))


def lut_inputs(name: str, cell: Mapping[str, Any]) -> list[Bit]:
    """What a LUT reads, I0 first."""
    pins = [f"I{place}" for place in range(int(cell["type"][3]))]
    if cell["connections"].keys() != {*pins, "O"} or any(len(bits) != 1 for bits in cell["connections"].values()):
        raise PynqBnnError(f"{name} is no {cell['type']}: its pins are {', '.join(sorted(cell['connections']))}")
    bits = [cell["connections"][pin][0] for pin in pins]
    if not all(isinstance(bit, int) or bit in ("0", "1") for bit in bits):
        raise PynqBnnError(f"{name} has an undefined input")
    return bits


def lut_table(name: str, cell: Mapping[str, Any]) -> int:
    """A LUT's table as a number, whose bit 0 is the output for inputs of 0."""
    text = cell["parameters"].get("INIT", "")
    table = int(text, 2) if re.fullmatch("[01]+", text) else -1
    if table >> (1 << int(cell["type"][3])):
        raise PynqBnnError(f"{name}: INIT={text or 'nothing'} is no table of a {cell['type']}")
    return table


def _lut(cell: Mapping[str, Any], table: int, inputs: Sequence[Bit]) -> dict[str, Any]:
    pins = {f"I{place}": [bit] for place, bit in enumerate(inputs)} | {"O": cell["connections"]["O"]}
    return {**cell, "type": f"LUT{len(inputs)}",
            "parameters": {**cell["parameters"], "INIT": format(table, f"0{1 << len(inputs)}b")},
            "port_directions": {pin: "output" if pin == "O" else "input" for pin in pins}, "connections": pins}


def _find(bit: Bit, replaced: Mapping[Bit, Bit]) -> Bit:
    while bit in replaced:
        bit = replaced[bit]
    return bit


def _substitute(module: dict[str, Any], replaced: Mapping[Bit, Bit]) -> None:
    """Everywhere the signals that took the place of others."""
    if not replaced:
        return
    for cell in module["cells"].values():
        cell["connections"] = {pin: [_find(bit, replaced) for bit in bits] for pin, bits in cell["connections"].items()}
    for kind in ("ports", "netnames"):
        for about in module.get(kind, {}).values():
            about["bits"] = [_find(bit, replaced) for bit in about["bits"]]


def remove_unread(module: dict[str, Any]) -> int:
    """Remove logic and flip-flops on which no port and no other kind of cell depends; how many."""
    cells = module["cells"]
    source = {bit: name for name, cell in cells.items() for bit in _bits(cell, "output")}
    kept = {name for name, cell in cells.items() if not _WITHOUT_EFFECT.fullmatch(cell["type"])}
    waiting = [source[bit] for port in module.get("ports", {}).values() for bit in port["bits"] if bit in source]
    waiting += kept
    kept.update(waiting)
    while waiting:
        for bit in _bits(cells[waiting.pop()], "input"):
            if bit in source and source[bit] not in kept:
                kept.add(source[bit])
                waiting.append(source[bit])
    removed = [name for name in cells if name not in kept]
    for name in removed:
        del cells[name]
    return len(removed)


def _bits(cell: Mapping[str, Any], direction: str) -> Iterable[Bit]:
    return (bit for pin, bits in cell["connections"].items() if cell["port_directions"][pin] == direction
            for bit in bits if isinstance(bit, int))
