"""A random circuit of every kind of cell that place and route knows, as Yosys would write it."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

INPUTS, OUTPUTS = "MAXIGP0ARADDR", "MAXIGP0RDATA"


class RandomCircuit:
    """Grows cells on a pool of nets; in the end everything is read by the processing system."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.cells: dict[str, dict[str, Any]] = {}
        self._nets = count(2)
        self.clock, raw = self.nets(2)
        self.pool = self.nets(32)
        self._processing_system: dict[str, list[Any]] = {"FCLKCLK": [raw, *self.nets(3)], INPUTS: list(self.pool)}
        self.cell("buffer", "BUFG", {"I": [raw]}, {"O": [self.clock]})
        self.enables, self.resets = ["1", *self.pick(2)], ["0", *self.pick(2)]

    def nets(self, number: int) -> list[int]:
        return [next(self._nets) for _ in range(number)]

    def pick(self, number: int) -> list[Any]:
        return [int(net) for net in self.rng.choice(self.pool, number, replace=False)]

    def cell(self, name: str, kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[int]],
             **parameters: str) -> None:
        name = f"{name}{len(self.cells)}"
        ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
        self.cells[name] = {"type": kind, "parameters": parameters, "port_directions": ways,
                            "connections": {**inputs, **outputs}}
        if kind not in ("BUFG", "PS7"):
            self.pool += [bit for bits in outputs.values() for bit in bits]

    def lut(self, width: int) -> int:
        inputs, (out,) = self.pick(width), self.nets(1)
        table = "".join(map(str, self.rng.integers(0, 2, 1 << width)))
        self.cell("lut", f"LUT{width}", {f"I{n}": [net] for n, net in enumerate(inputs)}, {"O": [out]}, INIT=table)
        return out

    def ff(self, data: int | str) -> int:
        kind, reset = [("FDRE", "R"), ("FDSE", "S"), ("FDCE", "CLR"), ("FDPE", "PRE")][self.rng.integers(4)]
        (out,) = self.nets(1)
        self.cell("ff", kind, {"C": [self.clock], "CE": [str(self.enables[0]) if self.rng.integers(2) else
                                                         self.enables[self.rng.integers(1, 3)]],
                               reset: [self.resets[self.rng.integers(3)]], "D": [data]}, {"Q": [out]},
                  INIT=str(self.rng.integers(2)))
        return out

    def adder(self, slices: int, start: int | str) -> None:
        """A carry chain whose sums partly have flip-flops; the last carry leaves, a middle one beside its sum."""
        carry: int | str = "0"
        for number in range(slices):
            outs, carries = self.nets(4), self.nets(4)
            selects = [self.lut(int(width)) for width in self.rng.integers(1, 7, 4)]
            selects[int(self.rng.integers(4))] = self.pick(1)[0]
            data = [*self.pick(2), "0", "1"]
            self.rng.shuffle(data)  # type: ignore[arg-type]
            data = [bit if bit in ("0", "1") else int(bit) for bit in data]
            self.cell("add", "CARRY4", {"CI": [carry], "CYINIT": ["0" if number else start], "S": selects, "DI": data},
                      {"O": outs, "CO": carries})
            used = {carries[1]} if number == 1 else {carries[3]} if number == slices - 1 else set()
            self.pool = [net for net in self.pool if net not in carries or net in used]
            carry = carries[3]
            for out in outs[:3]:
                self.ff(out)

    def memories(self) -> None:
        for width, kind, each in ((5, "RAM32M", 2), (6, "RAM64M", 1)):
            read, write = self.pick(width), self.pick(width)
            outs = {f"DO{letter}": self.nets(each) for letter in "ABC"}
            self.cell("memory", kind, {**{f"ADDR{letter}": read for letter in "ABC"}, "ADDRD": write,
                                       **{f"DI{letter}": self.pick(each) for letter in "ABC"},
                                       "WCLK": [self.clock], "WE": self.pick(1)}, outs)
            for bits in outs.values():
                self.ff(bits[0])

    def shifter(self) -> None:
        (out,) = self.nets(1)
        address = {f"A{n}": [bit] for n, bit in enumerate(f"{self.rng.integers(16):04b}")}
        self.cell("shift", "SRL16E", {**address, "CE": ["1"], "CLK": [self.clock], "D": self.pick(1)}, {"Q": [out]},
                  INIT="0" * 16)
        self.ff(out)

    def block_ram(self, wide: bool) -> None:
        """Simple dual port of 72 bits, or true dual port of 9 that is written by A and read by B."""
        zero: list[Any] = ["0"]
        address = 9 if wide else 12
        low = ["0"] * (15 - address)
        idle = ("RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB", "REGCEAREGCE", "REGCEB")
        ports: dict[str, list[Any]] = dict.fromkeys(idle, zero)
        ports |= {"CLKARDCLK": [self.clock], "CLKBWRCLK": [self.clock], "ENARDEN": ["1"], "ENBWREN": ["1"],
                  "ADDRARDADDR": [*low, *self.pick(address), "0"], "ADDRBWRADDR": [*low, *self.pick(address), "0"],
                  "DIADI": self.pick(32) if wide else [*self.pick(8), *zero * 24],
                  "DIBDI": self.pick(32) if wide else zero * 32, "DIPADIP": zero * 4, "DIPBDIP": zero * 4,
                  "WEA": zero * 4 if wide else self.pick(1) * 4, "WEBWE": self.pick(1) * 8 if wide else zero * 8}
        outs = {"DOADO": self.nets(32), "DOBDO": self.nets(32)} if wide else {"DOBDO": self.nets(8)}
        widths = {"READ_WIDTH_A": 72, "WRITE_WIDTH_B": 72} if wide else {"WRITE_WIDTH_A": 9, "READ_WIDTH_B": 9}
        self.cell("ram", "RAMB36E1", ports, outs, RAM_MODE="SDP" if wide else "TDP", WRITE_MODE_A="READ_FIRST",
                  WRITE_MODE_B="READ_FIRST", **{name: f"{width:032b}" for name, width in widths.items()})

    def dsp(self, registers: int) -> None:
        """A multiplier with registers after the product, and one at A and the output where asked."""
        ports: dict[str, list[Any]] = {"A": self.pick(30), "B": self.pick(18), "C": ["0"] * 48, "D": ["0"] * 25,
                                       "ALUMODE": ["0"] * 4, "INMODE": ["0"] * 5, "OPMODE": list("1010000"),
                                       "CARRYIN": ["0"], "CARRYINSEL": ["0"] * 3, "CLK": [self.clock], "CEM": ["1"],
                                       "RSTM": ["0"], "CEA2": self.pick(1), "RSTA": self.pick(1), "CEP": ["1"],
                                       "RSTP": ["0"]}
        used = {"MREG": 1, "AREG": registers, "ACASCREG": registers, "PREG": registers}
        unused = ("ADREG", "ALUMODEREG", "BREG", "BCASCREG", "CARRYINREG", "CARRYINSELREG", "CREG", "DREG", "INMODEREG",
                  "OPMODEREG")
        others = dict.fromkeys(unused, 0)
        self.cell("dsp", "DSP48E1", ports, {"P": self.nets(48)}, USE_DPORT="FALSE", USE_SIMD="ONE48",
                  **{name: f"{value:032b}" for name, value in (used | others).items()})

    def finish(self) -> dict[str, Any]:
        """The netlist; trees of XOR bring all that nothing reads yet to the processing system."""
        read = {bit for cell in self.cells.values() for port, bits in cell["connections"].items()
                if cell["port_directions"][port] == "input" for bit in bits}
        # Carries within a chain have no way out but the chain.
        left = [net for net in self.pool if net not in read]
        while len(left) > 32:
            inputs, (out,) = left[:6], self.nets(1)
            xor = "".join(str(row.bit_count() & 1) for row in reversed(range(64)))
            self.cell("tree", "LUT6", {f"I{n}": [net] for n, net in enumerate(inputs)}, {"O": [out]}, INIT=xor)
            left = [*left[6:], out]
        ways = {"FCLKCLK": "output", INPUTS: "output", OUTPUTS: "input"}
        self._processing_system[OUTPUTS] = [*left, *["0"] * (32 - len(left))]
        self.cells["u_ps7"] = {"type": "PS7", "parameters": {}, "port_directions": ways,
                               "connections": self._processing_system}
        module = {"attributes": {"top": "1"}, "ports": {}, "cells": self.cells, "netnames": {}}
        return {"creator": "test", "modules": {"bnn_board": module}}


def random_circuit(seed: int) -> dict[str, Any]:
    """Some 200 cells of all kinds."""
    circuit = RandomCircuit(seed)
    for number in range(3):
        for width in (2, 3, 4, 5, 6, 6):
            circuit.ff(circuit.lut(width))
        circuit.ff(circuit.pick(1)[0])
        circuit.ff("01"[number % 2])
        circuit.shifter()
    circuit.adder(3, "0")
    circuit.adder(2, "1")
    circuit.adder(2, circuit.pick(1)[0])
    circuit.memories()
    circuit.block_ram(wide=True)
    circuit.block_ram(wide=False)
    circuit.dsp(0)
    circuit.dsp(1)
    return circuit.finish()
