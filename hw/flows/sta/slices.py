"""The timing of slices: tables, memories, multiplexers, carry chains and flip-flops by their bits."""

from __future__ import annotations

from flows.bits.circuit import SiteInstance
from flows.bits.features import TileFeatures
from flows.device.timings import CellTimings, Delay
from pynq_bnn.errors import PynqBnnError

from .graph import NO_DELAY, Graph, Pin, Requirement, added

LETTERS = "ABCD"
# What the database's cells leave out. The clock's way within a slice, by kind of slice: 0.34 ns there is 0.456 in
# Vivado's reports, 0.362 is 0.518; fast corner 0.112 is 0.141, 0.118 is 0.164.
CLOCK_IN: dict[str, Delay] = {"SLICEL": (0.029, 0.036, 0.09, 0.116), "SLICEM": (0.046, 0.057, 0.121, 0.156)}
# From a table to the carry chain or the wide multiplexers: S1 to CO3 there is 0.528, in Vivado's reports 0.55.
_TO_CARRY: Delay = (0.006, 0.007, 0.018, 0.022)
# Through the multiplexer before AMUX … DMUX, by what it takes. The tile types have O6 (0.209) and the last carry
# (0.305); the others are by how much a table behind such an output is slower in Vivado's reports than 0.124 ns.
_OUT: dict[str, Delay] = {"O6": (0.071, 0.088, 0.168, 0.209), "O5": (0.069, 0.086, 0.163, 0.203),
                          "5Q": (0.059, 0.073, 0.141, 0.175), "F7": (0.059, 0.073, 0.141, 0.175),
                          "F8": (0.065, 0.08, 0.154, 0.192), "XOR": (0.061, 0.076, 0.146, 0.182),
                          "CY": (0.105, 0.131, 0.246, 0.305), "MC31": (0.071, 0.088, 0.168, 0.209)}
# Set-up of flip-flops at the slow corner: from within the slice as Vivado reports it; from the X pin, of enable and
# reset by the data sheet (DS187), rounded up. The second flip-flop's way from the X pin is the longer one.
_SETUP_INSIDE, _SETUP_X, _SETUP_X5, _SETUP_CE, _SETUP_SR = -0.03, 0.1, 0.26, 0.2, 0.43
# A cell's hold time at the fast corner by that at the slow one: as its clock-to-output delay (0.139 of 0.34 ns).
_FAST = 0.41
_MASKS = [sum(1 << row for row in range(64) if not row >> pin & 1) for pin in range(6)]


class SliceTiming:
    """Adds one slice to a graph."""

    def __init__(self, graph: Graph, site: SiteInstance, says: TileFeatures, cells: CellTimings) -> None:
        self._graph, self._site, self.name, self.kind = graph, site, site.name, site.kind
        prefix = f"{site.kind}_X{site.about.x}."
        self._names = {name.removeprefix(prefix) for name in says.names if name.startswith(prefix)}
        self._tables = {letter: says.values.get(f"{prefix}{letter}LUT.INIT", 0) for letter in LETTERS}
        self._choices = dict(name.split(".", 1) for name in self._names if "MUX." in name and "DI1MUX" not in name)
        self._cells = cells
        self.is_used = bool(self._names) or any(self._tables.values())

    def _signal(self, signal: str) -> int:
        return self._graph.vertex(self.name, signal)

    def _pin(self, pin: str) -> Pin:
        return self._graph.read(self._site, pin)

    def drive(self) -> None:
        """Name the signals at the output pins."""
        for letter in LETTERS:
            self._graph.drive(self._site, letter, f"{letter}6LUT")
            self._graph.drive(self._site, f"{letter}Q", f"{letter}FF")
            self._graph.drive(self._site, f"{letter}MUX")
        self._graph.drive(self._site, "COUT", "CO3")

    def add(self) -> None:
        self._clock = self._pin("CLK")
        for letter in LETTERS:
            if memory := self._memory(letter):
                self._add_memory(letter, memory)
            else:
                self._add_table(letter)
        if "LRAM" in map(self._memory, LETTERS):
            self._add_write_address()
        taken = set(self._choices.values())
        if taken & {"F7", "F8"}:
            self._add_wide()
        if taken & {"XOR", "CY", "CIN", "AX", "C1"} or any("CY0" in name for name in self._names):
            self._add_carry()
        for letter in LETTERS:
            if choice := self._choices.get(f"{letter}OUTMUX"):
                delay = _OUT["5Q" if choice.endswith("5Q") else choice]
                self._graph.inside(self._inner(letter, choice), self._signal(f"{letter}MUX"), delay)
        self._add_flip_flops()

    def _inner(self, letter: str, choice: str) -> int:
        """The signal that a multiplexer takes."""
        if choice.endswith("5Q"):
            return self._signal(f"{letter}5FF")
        number = LETTERS.index(letter)
        names = {"O6": f"{letter}6LUT", "O5": f"{letter}5LUT", "F7": f"F7{letter}", "F8": "F8", "CY": f"CO{number}",
                 "XOR": f"O{number}", "MC31": f"{letter}MC31"}
        if choice not in names:
            raise PynqBnnError(f"{self.name}: {letter} takes {choice}, whose timing is not known")
        return self._signal(names[choice])

    # Tables and memories

    def _memory(self, letter: str) -> str:
        """The database's word for what a table is used as; empty for a table."""
        words = {f"{letter}LUT.RAM": "LRAM", f"{letter}LUT.SRL": "SHFREG"}
        return next((word for name, word in words.items() if name in self._names), "")

    def _arc(self, letter: str, size: int, source: str, target: str) -> Delay:
        cell = f"LUT_OR_MEM{size}LRAM" if self.kind == "SLICEM" else f"LUT{size}"
        return self._cells.arc(cell, source, target, f"{self.kind}/{letter}{size}LUT")

    def _add_table(self, letter: str) -> None:
        table = self._tables[letter]
        if not table:
            return
        pins = [self._pin(f"{letter}{number}") for number in range(1, 7)]
        for size, output, half in ((6, "O6", table), (5, "O5", (table & 0xFFFF_FFFF) * 0x1_0000_0001)):
            for number in depends_on(half, pins[:size]):
                self._graph.through(pins[number], self._signal(f"{letter}{size}LUT"),
                                    self._arc(letter, size, f"A{number + 1}", output))

    def _add_memory(self, letter: str, kind: str) -> None:
        small = f"{letter}LUT.SMALL" in self._names
        first = 2 if kind == "SHFREG" else 1
        for size in (6, 5) if small and self._takes_lower(letter) else (6,):
            cell, place = f"LUT_OR_MEM{size}{kind}", f"SLICEM/{letter}{size}LUT"
            output = self._signal(f"{letter}{size}LUT")
            # A small memory's upper half is chosen by a constant.
            for number in range(first, 6 if small else 7):
                self._graph.through(self._pin(f"{letter}{number}"), output,
                                    self._arc(letter, size, f"A{number}", f"O{size}"))
            launch = self._cells.arc(cell, "CLK", f"O{size}", place)
            self._graph.starts(output, added(launch, CLOCK_IN["SLICEM"]), self._clock)
            # What a shift register holds is read by the one above it, too.
            stored = output if kind == "LRAM" else -1
            self._add_data(letter, cell, place, stored, upper=small and size == 6)
        if "MC31" in (self._choices.get(f"{letter}OUTMUX"), self._choices.get(f"{letter}FFMUX")):
            launch = self._cells.arc(f"LUT_OR_MEM6{kind}", "CLK", "MC31", f"SLICEM/{letter}6LUT")
            self._graph.starts(self._signal(f"{letter}MC31"), added(launch, CLOCK_IN["SLICEM"]), self._clock)
        enable = "CE" if "WEMUX.CE" in self._names else "WE"
        self._end(self._pin(enable), f"{letter}LUT.{enable}", f"LUT_OR_MEM6{kind}", "WE", "SLICEM")

    def _takes_lower(self, letter: str) -> bool:
        """Whether anything takes the output of a table's lower half."""
        return ("O5" in (self._choices.get(f"{letter}OUTMUX"), self._choices.get(f"{letter}FFMUX"))
                or self._choices.get(f"{letter}5FFMUX") == "IN_A" or f"CARRY4.{letter}CY0" in self._names)

    def _add_data(self, letter: str, cell: str, place: str, stored: int, upper: bool) -> None:
        if upper:
            self._end(self._pin(f"{letter}X"), f"{letter}LUT.{letter}X", cell, "DI2", place, stored)
            return
        while letter != "D" and f"{letter}LUT.DI1MUX.{letter}I" not in self._names:
            if "SHFREG" in cell:
                self._graph.leave_out("inputs of shift registers that go on from the one below")
                return
            letter = LETTERS[LETTERS.index(letter) + 1]
        pin = "DI" if letter == "D" else f"{letter}I"
        self._end(self._pin(pin), f"{place.partition('/')[2]}.{pin}", cell, "DI1", place, stored)

    def _add_write_address(self) -> None:
        for number in range(1, 7):
            self._end(self._pin(f"D{number}"), f"WA{number}", "LUT_OR_MEM6LRAM", f"WA{number}", "SLICEM")

    def _end(self, source: Pin, where: str, cell: str, pin: str, instance: str, stored: int = -1) -> None:
        within = CLOCK_IN["SLICEM"]
        name = "shift register" if "SHFREG" in cell else "LUT memory"
        needs = Requirement(f"{name} {pin.rstrip('0123456789')}",
                            self._cells.check(cell, "SETUP", pin, instance) - within[2],
                            _FAST * self._cells.check(cell, "HOLD", pin, instance) + within[1])
        self._graph.ends(source, (self.name, where), needs, self._clock, stored)

    # Multiplexers and carry

    def _add_wide(self) -> None:
        def join(instance: str, zero: int, one: int, select: str, output: str, before: Delay) -> None:
            place, out = f"{self.kind}/{instance}", self._signal(output)
            for pin, source in (("0", zero), ("1", one)):
                self._graph.inside(source, out, added(before, self._cells.arc("SELMUX2_1", pin, "OUT", place)))
            self._graph.through(self._pin(select), out, self._cells.arc("SELMUX2_1", "S0", "OUT", place))

        join("F7AMUX", self._signal("B6LUT"), self._signal("A6LUT"), "AX", "F7A", _TO_CARRY)
        join("F7BMUX", self._signal("D6LUT"), self._signal("C6LUT"), "CX", "F7C", _TO_CARRY)
        join("F8MUX", self._signal("F7C"), self._signal("F7A"), "BX", "F8", NO_DELAY)

    def _carry_arcs(self, cell: str, source: str) -> list[tuple[str, Delay]]:
        return [(key[3], delay) for key, delay in self._cells.arcs.items()
                if key[:3] == (cell, self.kind, source)]

    def _add_carry(self) -> None:
        start = self._choices.get("PRECYINIT", "C0")
        if start in ("CIN", "AX"):
            pin = self._pin(start)
            for output, delay in self._carry_arcs("CARRY4", "CIN" if start == "CIN" else "CYINIT"):
                self._graph.through(pin, self._signal(output), delay)
        for number, letter in enumerate(LETTERS):
            for output, delay in self._carry_arcs("CARRY4", f"S{number}"):
                self._graph.inside(self._signal(f"{letter}6LUT"), self._signal(output), added(_TO_CARRY, delay))
            if f"CARRY4.{letter}CY0" in self._names:
                for output, delay in self._carry_arcs("CARRY4_O5", f"DI{number}"):
                    self._graph.inside(self._signal(f"{letter}5LUT"), self._signal(output), delay)
            else:
                for output, delay in self._carry_arcs(f"CARRY4_{letter}X", f"DI{number}"):
                    self._graph.through(self._pin(f"{letter}X"), self._signal(output), delay)

    # Flip-flops

    def _add_flip_flops(self) -> None:
        which = [(letter, kind) for letter in LETTERS for kind in ("FF", "5FF")
                 if f"{letter}{kind}MUX" in self._choices]
        if not which:
            return
        if "LATCH" in self._names:
            self._graph.leave_out("slices of latches")
            return
        if "CLKINV" in self._names:
            raise PynqBnnError(f"{self.name} takes the clock inverted; paths between its two edges are not analysed")
        for letter, kind in which:
            self._add_flip_flop(letter, kind)
        if "CEUSEDMUX" in self._names:
            self._flip_flop_end(self._pin("CE"), "CE", "CE", _SETUP_CE, "REG_INIT_FF", "CE")
        if "SRUSEDMUX" in self._names:
            removal = self._cells.check("REG_INIT_FF_QL", "REMOVAL", "SR", self.kind)
            kind = "flip-flop R" if "FFSYNC" in self._names else "flip-flop CLR"
            self._graph.ends(self._pin("SR"), (self.name, "SR"), Requirement(kind, _SETUP_SR, _FAST * removal),
                             self._clock)

    def _add_flip_flop(self, letter: str, kind: str) -> None:
        cell = "REG_INIT_FF" if kind == "FF" else "FF_INIT"
        launch = self._cells.arc(cell, "CLK", "Q", self.kind)
        self._graph.starts(self._signal(f"{letter}{kind}"), added(launch, CLOCK_IN[self.kind]), self._clock)
        choice = self._choices[f"{letter}{kind}MUX"]
        choice = {"IN_A": "O5", "IN_B": f"{letter}X"}.get(choice, choice)
        where = f"{letter}{kind}.D"
        if choice == f"{letter}X":
            setup = _SETUP_X if kind == "FF" else _SETUP_X5
            self._flip_flop_end(self._pin(choice), where, "D from X", setup, cell, "DIN")
        else:
            self._flip_flop_end(self._inner(letter, choice), where, "D", _SETUP_INSIDE, cell, "DIN")

    def _flip_flop_end(self, source: int | Pin, where: str, kind: str, setup: float, cell: str, pin: str) -> None:
        needs = Requirement(f"flip-flop {kind}", setup, _FAST * self._cells.check(cell, "HOLD", pin, self.kind))
        self._graph.ends(source, (self.name, where), needs, self._clock)


def depends_on(table: int, pins: list[Pin]) -> list[int]:
    """Which of the pins a table of 64 bits depends on, with the constant ones at their values."""
    for number, pin in enumerate(pins):
        if pin.is_constant:
            half = (table >> (1 << number) if pin.reads == "1" else table) & _MASKS[number]
            table = half | half << (1 << number)
    return [number for number, pin in enumerate(pins)
            if not pin.is_constant and (table >> (1 << number) ^ table) & _MASKS[number]]
