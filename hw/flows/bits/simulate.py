"""A netlist that was read from bits as Verilog, for the gate-level simulation.

Tables and flip-flops, of which there are a hundred thousand, are written as expressions and processes, which compile
several times as fast as instances of cells. All other blocks are instances of the models that Yosys's netlists use too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from flows.gates import NETLIST
from flows.netlist import HW, TOP
from pynq_bnn.errors import PynqBnnError

from .netlist import Block, Net, Netlist, Table, vector_name

_SCALARS = {"CEA1", "CEA2", "CEB1", "CEB2", "DO", "CARRYIN"}
_RAMB36E1_OUTPUTS = ("DOADO", "DOBDO", "DOPADOP", "DOPBDOP")  # of the model


def write_netlist(netlist: Netlist, place: Path) -> Path:
    """Write the netlist as a Verilog file of the board's top.

    Raises
    ------
    PynqBnnError
        It has a block of which there is no model.
    """
    place.write_text(NETLIST + "\n".join(_lines(netlist)) + "\n", encoding="utf-8")
    return place


def _lines(netlist: Netlist) -> Iterator[str]:
    yield f"module {TOP};"
    flip_flops, others = [], []
    for number, block in enumerate(netlist.blocks):
        # The bench finds the processing system by its name in the RTL.
        name = "u_ps7" if block.kind == "PS7" else f"b{number}"
        (flip_flops if block.kind == "FF" else others).append((name, block))
    for _, block in flip_flops:
        begins = "" if block.settings["init"] == -1 else f" = 1'b{block.settings['init']}"  # -1: as it may be
        yield f"logic {_net(block.outputs['Q'])}{begins};"
    for _, block in others:
        for net in block.outputs.values():
            yield f"wire {_net(net)};"
    yield from (_table(table) for table in netlist.tables)
    yield from _processes([block for _, block in flip_flops])
    for name, block in others:
        yield _instance(name, block)
    yield "endmodule"


def _net(net: Net) -> str:
    return f"1'b{net}" if isinstance(net, str) else f"n{net}"


def _table(table: Table) -> str:
    """A table is a constant, a net, its inverse, or a constant shifted by its inputs."""
    size = 1 << len(table.inputs)
    names = [_net(net) for net in table.inputs]
    if size == 1:
        value = f"1'b{table.init & 1}"
    elif size == 2 and table.init in (0b01, 0b10):
        value = ("" if table.init == 0b10 else "~") + names[0]
    else:
        value = f"1'({size}'h{table.init:x} >> {{{', '.join(reversed(names))}}})"
    return f"wire {_net(table.output)} = {value};"


def _processes(flip_flops: list[Block]) -> Iterator[str]:
    """The flip-flops, those of one clock, enable and reset together."""
    groups: dict[tuple[Net, int, Net, Net], list[Block]] = defaultdict(list)
    for block in flip_flops:
        pins = block.inputs
        groups[pins["C"], int(block.settings["sync"]), pins.get("R", "0"), pins.get("CE", "1")].append(block)
    for (clock, sync, reset, enable), members in groups.items():
        events = f"posedge {_net(clock)}"
        if not sync and reset != "0":
            events += f" or posedge {_net(reset)}"
        yield f"always_ff @({events})"
        yield f"if ({_net(reset)}) begin"
        yield from (f"{_net(block.outputs['Q'])} <= 1'b{block.settings['reset']};" for block in members)
        yield f"end else if ({_net(enable)}) begin"
        yield from (f"{_net(block.outputs['Q'])} <= {_net(block.inputs['D'])};" for block in members)
        yield "end"


def _instance(name: str, block: Block) -> str:
    if block.kind in ("BUFG", "BUFH"):
        return f"assign {_net(block.outputs['O'])} = {_net(block.inputs['I'])};"
    if block.kind == "PS7":
        inputs, outputs = _processing_system(block)
        return _cell("PS7", name, {}, inputs, outputs)
    if block.kind in ("RAM32", "RAM64"):
        inputs = {pin.replace("RA", "RADR").replace("WA", "WADR"): [net] for pin, net in block.inputs.items()}
        inputs["I"] = inputs.pop("D")
        if block.kind == "RAM64":
            inputs |= {"WADR6": ["0"], "WADR7": ["0"]}
        return _cell("RAMD32" if block.kind == "RAM32" else "RAMD64E", name, {}, inputs, _grouped(block.outputs))
    if block.kind == "SRL16E":
        inputs = {"CE" if pin == "WE" else pin: [net] for pin, net in block.inputs.items()}
        return _cell("SRL16E", name, {"INIT": f"16'd{block.settings['INIT']}"}, inputs, _grouped(block.outputs))
    if block.kind in ("RAMB36E1", "DSP48E1"):
        return _vectors(name, block)
    raise PynqBnnError(f"{block.place} is a {block.kind}, of which there is no model")


def _cell(kind: str, name: str, parameters: Mapping[str, int | str], inputs: Mapping[str, list[Net]],
          outputs: Mapping[str, list[Net]]) -> str:
    settings = ", ".join(f".{parameter}({value})" for parameter, value in parameters.items())
    # An output's missing bits end at wires that nothing reads.
    missing = [f"{name}_{port}_{number}" for port, bits in outputs.items()
               for number, net in enumerate(bits) if isinstance(net, str)]
    left = iter(missing)
    ports = [f".{port}({{{', '.join(map(_net, reversed(bits)))}}})" for port, bits in inputs.items()]
    for port, bits in outputs.items():
        names = [next(left) if isinstance(net, str) else _net(net) for net in bits]
        ports.append(f".{port}({{{', '.join(reversed(names))}}})")
    wires = "".join(f"wire {wire}; " for wire in missing)
    return f"{wires}{kind} {f'#({settings}) ' if settings else ''}{name} ({', '.join(ports)});"


def _vectors(name: str, block: Block) -> str:
    settings = {key: value for key, value in block.settings.items() if "." not in key}
    if block.kind == "DSP48E1":
        settings["USE_DPORT"] = "TRUE" if settings["USE_DPORT"] else "FALSE"
        settings["USE_SIMD"] = ("ONE48", "TWO24", "FOUR12")[int(settings["USE_SIMD"])]
    words = {key: f'"{value}"' if isinstance(value, str) else f"32'd{value}" for key, value in settings.items()}
    outputs = {port: bits for port, bits in _grouped(block.outputs).items()
               if block.kind != "RAMB36E1" or port in _RAMB36E1_OUTPUTS}
    return _cell(block.kind, name, words, _grouped(block.inputs), outputs)


def _grouped(pins: Mapping[str, Net]) -> dict[str, list[Net]]:
    """Pins as vectors, lowest bit first; a missing bit is "0"."""
    found: dict[str, dict[int, Net]] = {}
    for pin, net in pins.items():
        name, number = (pin, -1) if pin in _SCALARS else vector_name(pin)
        found.setdefault(name, {})[max(number, 0)] = net
    return {name: [bits.get(number, "0") for number in range(max(bits) + 1)] for name, bits in found.items()}


def _processing_system(block: Block) -> tuple[dict[str, list[Net]], dict[str, list[Net]]]:
    text = (HW / "sim" / "ps7.sv").read_text(encoding="utf-8").partition(");")[0]
    known = set(re.findall(r"\b([A-Z][A-Z0-9]+)\b", re.sub(r"//.*", "", text))) - {"PS7"}
    inputs, outputs = _grouped(block.inputs), _grouped(block.outputs)
    for name, bits in inputs.items():
        if name not in known and any(bit not in ("0", "1") for bit in bits):
            raise PynqBnnError(f"the processing system's {name} is driven, which the simulation has no model of")
    return ({name: bits for name, bits in inputs.items() if name in known},
            {name: bits for name, bits in outputs.items() if name in known})
