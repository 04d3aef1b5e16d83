"""The timing of block RAMs, DSPs, clock buffers and the processing system by their bits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flows.bits.cells import dsp_settings
from flows.bits.circuit import SiteInstance
from flows.bits.features import TileFeatures
from flows.bits.netlist import vector_name
from flows.device.timings import CellTimings, Delay
from pynq_bnn.errors import PynqBnnError

from .graph import Graph, Pin, Requirement

# Hold times at the fast corner by those at the slow one: as the clock-to-output delays of the same cells.
_FAST_RAM, _FAST_DSP = 0.45, 0.44
_RAM, _DSP = "RAMBFIFO36E1", "DSP48E1"
_DSP_SCALARS = {"CEA1", "CEA2", "CEB1", "CEB2"}
# Controls of a DSP: the register that they belong to, and the database's cell that has their checks.
_DSP_CONTROLS = {"CEA1": "AREG", "CEA2": "AREG", "RSTA": "AREG", "CEB1": "BREG", "CEB2": "BREG", "RSTB": "BREG",
                 "CEC": "CREG", "RSTC": "CREG", "CED": "DREG", "RSTD": "DREG", "CEAD": "ADREG", "CEM": "MREG",
                 "RSTM": "MREG", "CEP": "PREG", "RSTP": "PREG", "CEINMODE": "INMODEREG", "RSTINMODE": "INMODEREG",
                 "CEALUMODE": "ALUMODEREG", "RSTALUMODE": "ALUMODEREG", "CECTRL": "OPMODEREG", "RSTCTRL": "OPMODEREG",
                 "CECARRYIN": "CARRYINREG", "RSTALLCARRYIN": "CARRYINREG"}
_OWN_REGISTER = {"A": "AREG", "B": "BREG", "C": "CREG", "OPMODE": "OPMODEREG", "ALUMODE": "ALUMODEREG",
                 "CARRYIN": "CARRYINREG", "CARRYINSEL": "CARRYINSELREG", "INMODE": "INMODEREG"}


def _sides(graph: Graph, site: SiteInstance, way: str) -> Iterator[str]:
    directions = graph.device.site_directions(site.kind)
    yield from (pin for pin in site.about.pins if directions.get(pin) == way)


def drive(graph: Graph, site: SiteInstance) -> None:
    """Name the signals at all outputs of a block."""
    for pin in _sides(graph, site, "OUT"):
        graph.drive(site, pin)


# Clock buffers, which a clock or anything else may run through

def buffer_delay(kind: str, cells: Mapping[str, CellTimings]) -> Delay:
    """The delay of a BUFGCTRL or BUFHCE."""
    if kind == "BUFGCTRL":
        return cells["CLK_BUFG_BOT_R"].arc("BUFGCTRL", "I", "O")
    return cells["CLK_HROW_BOT_R"].arc("BUFHCE", "I", "O")


def add_buffer(graph: Graph, site: SiteInstance, cells: Mapping[str, CellTimings]) -> None:
    pin = graph.read(site, "I0" if site.kind == "BUFGCTRL" else "I")
    graph.through(pin, graph.vertex(site.name, "O"), buffer_delay(site.kind, cells))


# The processing system

def add_processing_system(graph: Graph, site: SiteInstance, cells: CellTimings) -> None:
    """Its ports are registered by the clocks that the database names; those without one are not analysed."""
    launches = {key[3]: (key[2], delay) for key, delay in cells.arcs.items() if key[2].endswith("ACLK")}
    clocks = {name: graph.read(site, name) for name, _ in launches.values()}
    for pin in _sides(graph, site, "OUT"):
        launch = launches.get(vector_name(pin)[0]) or launches.get(pin)
        if launch and not clocks[launch[0]].is_constant:
            graph.starts(graph.vertex(site.name, pin), launch[1], clocks[launch[0]])
    for pin in _sides(graph, site, "IN"):
        base = vector_name(pin)[0]
        says = cells.checks.get(("PS7", "PS7", "SETUP", base)) or cells.checks.get(("PS7", "PS7", "SETUP", pin))
        if says is None or not says[0].endswith("ACLK"):
            continue
        clock = clocks[says[0]]
        if not clock.is_constant:
            graph.ends(graph.read(site, pin), (site.name, pin), Requirement("processing system", says[1], 0.0), clock)


# Block RAMs

class RamTiming:
    """Adds a block RAM: two halves of 18 Kbit with their own bits and pins."""

    def __init__(self, graph: Graph, site: SiteInstance, says: TileFeatures, cells: CellTimings) -> None:
        self._graph, self._site, self._cells = graph, site, cells
        self._halves = {half: {name.removeprefix(prefix) for name in says.names if name.startswith(prefix)}
                        for half, prefix in (("L", "RAMB18_Y0."), ("U", "RAMB18_Y1."))}

    def add(self) -> None:
        inputs = list(_sides(self._graph, self._site, "IN"))
        for half, names in self._halves.items():
            if "IN_USE" not in names:
                continue
            if any(name.startswith(("FIFO_MODE", "ZINV_CLKARDCLK_")) for name in names):
                self._graph.leave_out("FIFOs in block RAMs")
                continue
            clocks = {"A": self._graph.read(self._site, f"CLKARDCLK{half}"),
                      "B": self._graph.read(self._site, f"CLKBWRCLK{half}")}
            simple = "SDP_READ_WIDTH_36" in names
            self._launch(half, names, clocks, simple)
            for pin in inputs:
                # Only the wire's name says which half has a pin of data.
                if (found := _ram_pin(self._site.about.pins[pin], half)) is not None:
                    self._capture(pin, found, half, names, clocks, simple)

    def _launch(self, half: str, names: set[str], clocks: Mapping[str, Pin], simple: bool) -> None:
        for port in "AB":
            registered = f"DO{port}_REG" in names
            clock = clocks["A" if simple else port]
            if clock.is_constant:
                continue
            cell = f"{_RAM}RAM_MODE_U_RAMB18TDP_U_DO{port}_REG_U_{int(registered)}_EN_ECC_READ_FALSE"
            delay = self._cells.arc(cell, "CLKARDCLKU" if port == "A" else "CLKBWRCLKU", f"DO{port}DOU", _RAM)
            for name in ("DOADO", "DOPADOP") if port == "A" else ("DOBDO", "DOPBDOP"):
                for pin, wire in self._site.about.pins.items():
                    if re.search(rf"_{name}{half}\d+$", wire):
                        self._graph.starts(self._graph.vertex(self._site.name, pin), delay, clock)

    def _capture(self, pin: str, found: tuple[str, str, str], half: str, names: set[str], clocks: Mapping[str, Pin],
                 simple: bool) -> None:
        what, cell, port = found
        if what == "DATA":
            port = "B" if simple else port
            first = any(name.startswith(f"WRITE_MODE_{port}_READ_FIRST") for name in names)
            cell = f"{_RAM}RAM_MODE_RAMB18TDP_U_WRITE_MODE_U_{'RF' if first else 'WF'}_EN_ECC_READ_FALSE_EN_ECC_WRITE_FALSE"
            key = "DIADIU" if port == "A" else "DIBDIU"
        else:
            key = what
            if what.startswith(("REGCE", "RSTREG")) and f"DO{port}_REG" not in names:
                return
        clock = clocks[port]
        if clock.is_constant:
            return
        needs = Requirement(f"block RAM {'data' if what == 'DATA' else re.sub('[ABLU]*$', '', what)}",
                            self._cells.check(cell, "SETUP", key, _RAM),
                            _FAST_RAM * self._cells.check(cell, "HOLD", key, _RAM))
        self._graph.ends(self._graph.read(self._site, pin), (self._site.name, pin), needs, clock)


def _ram_pin(wire: str, half: str) -> tuple[str, str, str] | None:
    """What a block RAM's input is: the database's name, its cell there, the port; None for another half's, or idle."""
    base = vector_name(wire.rpartition("_")[2])[0]
    if base == "RSTRAMARSTRAMLRST":
        base = "RSTRAMARSTRAML"
    if not base.endswith(half):
        return None
    table = {"ADDRARDADDR": ("ADDRAU", _RAM, "A"), "ADDRBWRADDR": ("ADDRBU", _RAM, "B"), "WEA": ("WEAU", _RAM, "A"),
             "WEBWE": ("WEBU", _RAM, "B"), "ENARDEN": ("ENARDENU", f"{_RAM}_ISFIFO_FALSE", "A"),
             "ENBWREN": ("ENBWRENU", f"{_RAM}_ISFIFO_FALSE", "B"),
             "RSTRAMARSTRAM": ("RSTRAMAU", f"{_RAM}_ISFIFO_FALSE", "A"),
             "RSTRAMB": ("RSTRAMBU", f"{_RAM}_ISFIFO_FALSE", "B"),
             "REGCEAREGCE": ("REGCEAL", f"{_RAM}_DOA_REG_L_1", "A"), "REGCEB": ("REGCEBU", f"{_RAM}_DOB_REG_U_1", "B"),
             "RSTREGARSTREG": ("RSTREGAL", f"{_RAM}_DOA_REG_L_1", "A"),
             "RSTREGB": ("RSTREGBU", f"{_RAM}_DOB_REG_U_1", "B"),
             "DIADI": ("DATA", "", "A"), "DIPADIP": ("DATA", "", "A"), "DIBDI": ("DATA", "", "B"),
             "DIPBDIP": ("DATA", "", "B")}
    return table.get(base[:-1])


# DSPs

class DspTiming:
    """Adds a DSP. Which of its registers there are decides what begins, ends or passes."""

    def __init__(self, graph: Graph, site: SiteInstance, says: TileFeatures, cells: CellTimings) -> None:
        self._graph, self._site, self._cells = graph, site, cells
        mine = f"DSP48.DSP_{site.about.y % 2}."
        bits = {name.removeprefix(mine): value for name, value in says.values.items() if name.startswith(mine)}
        bits |= {name.removeprefix(mine): 1 for name in says.names if name.startswith(mine)}
        self._settings = dsp_settings(bits)
        self._inverted = ~bits.get("ZIS_OPMODE_INVERTED", 0)
        self.is_used = bool(bits)

    def _has(self, register: str) -> bool:
        return bool(self._settings[register])

    def add(self) -> None:
        if self._settings["USE_DPORT"]:
            raise PynqBnnError(f"the DSP {self._site.name} uses its pre-adder, whose timing is not counted")
        self._clock = self._graph.read(self._site, "CLK")
        outputs = [pin for pin in _sides(self._graph, self._site, "OUT") if re.fullmatch(r"(P|PCOUT)\d+", pin)]
        if not self._clock.is_constant:
            for cell in self._launching():
                for pin in outputs:
                    delay = self._cells.arc(cell, "CLK", vector_name(pin)[0], _DSP)
                    self._graph.starts(self._graph.vertex(self._site.name, pin), delay, self._clock)
        for pin in _sides(self._graph, self._site, "IN"):
            base = pin if pin in _DSP_SCALARS else vector_name(pin)[0]
            if base in _OWN_REGISTER or base == "PCIN":
                self._operand(pin, base, outputs)
            elif (register := _DSP_CONTROLS.get(base)) and self._has(register):
                cell = f"{_DSP}_{register}_{self._settings[register]}"
                self._end(pin, f"DSP {base[:2] if base[:2] == 'CE' else 'RST'}", cell, base)

    def _launching(self) -> list[str]:
        """The database's cells for the last registers before the output."""
        if self._has("PREG"):
            return [f"{_DSP}_PREG_1"]
        cells = [f"{_DSP}_CREG_1_PREG_0"] if self._has("CREG") else []
        if self._has("MREG"):
            return [*cells, f"{_DSP}_MREG_1_PREG_0"]
        if self._has("AREG"):
            cells.append(f"{_DSP}_AREG_{self._settings['AREG']}_MREG_0_PREG_0_USE_DPORT_FALSE_USE_MULT_MULTIPLY")
        if self._has("BREG"):
            cells.append(f"{_DSP}_BREG_{self._settings['BREG']}_MREG_0_PREG_0_USE_MULT_MULTIPLY")
        return cells

    def _adds_neighbour(self) -> bool:
        """Whether the neighbour's result may be added: OPMODE[6:4] is 001 or 101, or no constant."""
        chosen = [self._graph.read(self._site, f"OPMODE{number}") for number in (5, 4)]
        if not all(pin.is_constant for pin in chosen):
            return True
        values = [int(pin.reads) ^ self._inverted >> number & 1 for number, pin in zip((5, 4), chosen, strict=True)]
        return values == [0, 1]

    def _operand(self, pin: str, base: str, outputs: list[str]) -> None:
        if base == "PCIN" and not self._adds_neighbour():
            return
        own = _OWN_REGISTER.get(base)
        if own and self._has(own):
            name = f"{_DSP}_{own}_{self._settings[own]}"
            self._end(pin, f"DSP {base}", name + (f"_{base}_INPUT_DIRECT" if base in "AB" else ""), base)
            return
        stem = {"A": "AREG_0_A_INPUT_DIRECT", "B": "BREG_0_B_INPUT_DIRECT", "INMODE": "INMODEREG_0"}.get(base)
        mode = ("_USE_DPORT_FALSE" if base != "B" else "") + "_USE_MULT_MULTIPLY"
        if stem and self._has("MREG"):
            self._end(pin, f"DSP {base}, multiplier", f"{_DSP}_{stem}_MREG_1{mode}", base)
        elif self._has("PREG"):
            path = f"{stem}_MREG_0_PREG_1{mode}" if stem else f"{own}_0_PREG_1" if own else "PREG_1"
            self._end(pin, f"DSP {base}, sum", f"{_DSP}_{path}_USE_PATTERN_DETECT_NO_PATDET", base)
        else:
            path = f"{stem}_MREG_0_PREG_0{mode}" if stem else f"{own}_0_PREG_0" if own else "PREG_0"
            self._pass(pin, base, f"{_DSP}_{path}", outputs)

    def _pass(self, pin: str, base: str, cell: str, outputs: list[str]) -> None:
        """Through the DSP without a register; all bits of an operand meet at one signal."""
        meeting = self._graph.vertex(self._site.name, f"{base} passes")
        self._graph.through(self._graph.read(self._site, pin), meeting, (0.0, 0.0, 0.0, 0.0))
        if pin.rstrip("0123456789") == pin or pin.endswith(base + "0"):
            for output in outputs:
                delay = self._cells.arc(cell, base, vector_name(output)[0], _DSP)
                self._graph.inside(meeting, self._graph.vertex(self._site.name, output), delay)

    def _end(self, pin: str, kind: str, cell: str, key: str) -> None:
        if self._clock.is_constant:
            return
        needs = Requirement(kind, self._cells.check(cell, "SETUP", key, _DSP),
                            _FAST_DSP * self._cells.check(cell, "HOLD", key, _DSP))
        self._graph.ends(self._graph.read(self._site, pin), (self._site.name, pin), needs, self._clock)
