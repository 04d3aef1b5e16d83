"""From a routed configuration to a netlist: what each site does by its bits, followed back from the processing system.

Only what the processing system can see is looked at: from its inputs to the cells that drive them, from those to
theirs, until nothing is left. What has no path to it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pynq_bnn.errors import PynqBnnError

from .circuit import Circuit, SiteInstance, site_instances
from .netlist import MUX, MUXCY, XORCY, Block, Net, Netlist, Table, reduced, vector_name, working_pins

LETTERS = "ABCD"
_FLOATING = "x"
# Kinds of sites that drive nets; others (input and output pins of the chip) this design has none of.
_DRIVERS = {"SLICEL", "SLICEM", "RAMBFIFO36E1", "DSP48E1", "BUFGCTRL", "BUFHCE", "PS7"}
# Pins of DSPs whose number is part of the name.
_DSP_SCALARS = {"CEA1", "CEA2", "CEB1", "CEB2"}
_DSP_CASCADES = {"ACIN", "BCIN", "PCIN", "CARRYCASCIN", "MULTSIGNIN"}
# OPMODE[6:4]: what is added to the product, nothing, the neighbour's result, its own, or operand C.
_DSP_NEIGHBOUR = ("0", "0", "1")
_DSP_ADDENDS = {("0", "0", "0"), _DSP_NEIGHBOUR, ("0", "1", "0"), ("0", "1", "1")}
_DSP_INVERTIBLE = {"ALUMODE", "CARRYIN", "CLK", "INMODE", "OPMODE"}
_DSP_REGISTERS = ("ADREG", "ALUMODEREG", "CARRYINREG", "CARRYINSELREG", "CREG", "DREG", "INMODEREG", "MREG",
                  "OPMODEREG", "PREG")
# The width of both halves of a block RAM together, by that of one.
_PAIR_WIDTH = {1: 2, 2: 4, 4: 9, 9: 18, 18: 36}


class Extraction:
    """Reads the netlist of a circuit: ``netlist`` when done, with the nets that were followed in ``nets``.

    ``clock_sinks`` maps each global buffer's place to the pins that read it.

    Raises
    ------
    PynqBnnError
        A cell needs a pin that nothing drives, or is set to something that this design cannot hold.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.netlist = Netlist()
        self._numbers: dict[tuple[str, ...], int] = {}
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._made: set[object] = set()
        self._site_of: dict[int, tuple[SiteInstance, str]] = {}
        self.sites: dict[str, SiteInstance] = {}
        self._index_sites()
        processing_system = next(site for site in self.sites.values() if site.kind == "PS7")
        self._block(processing_system)
        while self._waiting:
            self._waiting.pop()[1]()

    def _index_sites(self) -> None:
        device = self.circuit.device
        for tile in device.tiles.values():
            busy = tile.name in self.circuit.features
            for site in site_instances(device, tile):
                if site.kind in _DRIVERS and (busy or site.kind in ("PS7", "BUFHCE")):
                    self.sites[site.name] = site
                    for pin, way in device.site_directions(site.kind).items():
                        if way == "OUT" and pin in site.about.pins:
                            self._site_of[self.circuit.node(site, pin)] = site, pin

    # Nets

    def _net(self, *key: str) -> int:
        return self._numbers.setdefault(key, len(self._numbers) + 2)

    def _needed(self, *key: str, make: Callable[[], None]) -> int:
        """The net ``key``, whose driver will be made when it was not yet."""
        new = key not in self._numbers
        net = self._net(*key)
        if new:
            self._waiting.append((net, make))
        return net

    def read(self, site: SiteInstance, pin: str, may_float: bool = False) -> Net:
        """What a site's input pin reads."""
        root = self.circuit.root(site, pin)
        constant = self.circuit.constant(root)
        if constant is not None:
            return constant
        driver = self._site_of.get(root)
        if driver is None:
            if may_float:
                return _FLOATING
            raise PynqBnnError(f"nothing drives {site.name}/{pin}: its net begins at "
                               f"{self.circuit.device.wire_name(root)}")
        return self._output(*driver)

    def _output(self, site: SiteInstance, pin: str) -> Net:
        if site.kind in ("SLICEL", "SLICEM"):
            return Slice(self, site).output(pin)
        return self._needed(site.name, pin, make=lambda: self._block(site))

    def table(self, init: int, inputs: tuple[Net, ...], pins: tuple[str, ...], output: int, place: str) -> None:
        init, nets, names = reduced(init, inputs, pins)
        if _FLOATING in nets:
            raise PynqBnnError(f"nothing drives {place.partition('.')[0]}/{names[nets.index(_FLOATING)]}, on which the "
                               f"table of {place} depends")
        self.netlist.tables.append(Table(init, nets, output, place, names))

    def add(self, block: Block) -> None:
        self.netlist.blocks.append(block)

    # Blocks

    def _block(self, site: SiteInstance) -> None:
        if site.name in self._made:
            return
        self._made.add(site.name)
        make = {"PS7": self._processing_system, "BUFGCTRL": self._global_buffer, "BUFHCE": self._row_buffer,
                "RAMBFIFO36E1": self._block_ram, "DSP48E1": self._dsp}[site.kind]
        make(site)

    def _pins(self, site: SiteInstance, way: str) -> list[str]:
        directions = self.circuit.device.site_directions(site.kind)
        return sorted(pin for pin in site.about.pins if directions.get(pin) == way)

    def _outputs(self, site: SiteInstance) -> dict[str, int]:
        return {pin: self._net(site.name, pin) for pin in self._pins(site, "OUT")}

    def _processing_system(self, site: SiteInstance) -> None:
        inputs = {pin: net for pin in self._pins(site, "IN")
                  if (net := self.read(site, pin, may_float=True)) != _FLOATING}
        self.add(Block("PS7", {}, inputs, self._outputs(site), site.name))

    def _names(self, site: SiteInstance) -> tuple[set[str], Mapping[str, int]]:
        says = self.circuit.features.get(site.tile.name)
        return (set(says.names), says.values) if says else (set(), {})

    def _global_buffer(self, site: SiteInstance) -> None:
        names, _ = self._names(site)
        mine = f"BUFGCTRL.BUFGCTRL_X0Y{site.about.y}."
        says = {name.removeprefix(mine) for name in names if name.startswith(mine)}
        # Input 0 is passed on at once and for ever: its enables are 1, those of input 1 are 0.
        fixed = {pin: self.read(site, pin, may_float=True) for pin in ("CE0", "S0", "CE1", "S1", "IGNORE0", "IGNORE1")}
        on = {pin: _inverted(net, f"ZINV_{pin}" not in says) for pin, net in fixed.items() if pin[0] in "CS"}
        if "IN_USE" not in says or on["CE0"] != "1" or on["S0"] != "1" or (on["CE1"], on["S1"]) == ("1", "1"):
            raise PynqBnnError(f"the global buffer {site.name} does not simply pass its first input on")
        self.add(Block("BUFG", {}, {"I": self.read(site, "I0")}, {"O": self._net(site.name, "O")}, site.name))

    def _row_buffer(self, site: SiteInstance) -> None:
        names, _ = self._names(site)
        mine = f"BUFHCE.BUFHCE_X{site.about.x}Y{site.about.y}."
        on = _inverted(self.read(site, "CE", may_float=True), f"{mine}ZINV_CE" not in names)
        if f"{mine}IN_USE" not in names or on != "1":
            raise PynqBnnError(f"the row buffer {site.name} is not simply on")
        self.add(Block("BUFH", {}, {"I": self.read(site, "I")}, {"O": self._net(site.name, "O")}, site.name))

    def _block_ram(self, site: SiteInstance) -> None:
        names, values = self._names(site)
        halves = [{name.removeprefix(half) for name in names if name.startswith(half)}
                  for half in ("RAMB18_Y0.", "RAMB18_Y1.")]
        if "IN_USE" not in halves[0] or halves[0] != halves[1] or "FIFO_MODE" in halves[0]:
            raise PynqBnnError(f"the block RAM {site.name} is not one of 36 Kbit; its halves differ")
        settings = block_ram_settings(halves[0], names, values)
        inputs: dict[str, Net] = {}
        for pin in self._pins(site, "IN"):
            if pin.startswith(("TST", "CASCADE", "INJECT", "REGCLK")):
                continue
            name, net = _half_less(pin), self.read(site, pin, may_float=True)
            inverts = {"CLKARDCLK", "CLKBWRCLK", "ENARDEN", "ENBWREN", "RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG",
                       "RSTREGB"} & {name}
            net = _inverted(net, bool(inverts) and f"ZINV_{name}" not in halves[0])
            if inputs.setdefault(name, net) != net:
                raise PynqBnnError(f"the halves of the block RAM {site.name} read {name} from different nets")
        inputs = working_pins("RAMB36E1", settings, inputs)
        self.add(Block("RAMB36E1", settings, inputs, self._outputs(site), site.name))

    def _dsp(self, site: SiteInstance) -> None:
        names, values = self._names(site)
        mine = f"DSP48.DSP_{site.about.y % 2}."
        bits = {name.removeprefix(mine): value for name, value in values.items() if name.startswith(mine)}
        bits |= {name.removeprefix(mine): 1 for name in names if name.startswith(mine)}
        inputs: dict[str, Net] = {}
        for pin in self._pins(site, "IN"):
            name, number = vector_name(pin) if pin not in _DSP_SCALARS else (pin, -1)
            if name in _DSP_CASCADES:
                continue
            net = self.read(site, pin, may_float=True)
            if net != _FLOATING:
                inputs[pin] = _inverted(net, name in _DSP_INVERTIBLE
                                        and not bits.get(f"ZIS_{name}_INVERTED", 0) >> max(number, 0) & 1)
        chosen = tuple(inputs.get(f"OPMODE{number}") for number in (6, 5, 4))
        if bits.get("A_INPUT") or bits.get("B_INPUT") or chosen not in _DSP_ADDENDS:
            raise PynqBnnError(f"the DSP {site.name} is set to a mode that is not expected: OPMODE[6:4] reads {chosen}")
        if chosen == _DSP_NEIGHBOUR:
            inputs |= {pin: self.read(site, pin) for pin in self._pins(site, "IN") if pin.startswith("PCIN")}
        settings = dsp_settings(bits)
        self.add(Block("DSP48E1", settings, working_pins("DSP48E1", settings, inputs), self._outputs(site), site.name))


def block_ram_settings(half: set[str], names: set[str], values: Mapping[str, int]) -> dict[str, int | str]:
    """The parameters of a RAMB36E1 by the features of one half, of the tile, and the indexed ones.

    A port that does not read or write has the width 0 in a netlist and that of one bit in the bits: 0 here.
    """
    settings: dict[str, int | str] = {}
    for port in "AB":
        for what in ("READ_WIDTH", "WRITE_WIDTH"):
            widths = [int(name.rpartition("_")[2]) for name in half if name.startswith(f"{what}_{port}_")]
            settings[f"{what}_{port}"] = _PAIR_WIDTH[widths[0]] if widths else 0
        settings[f"WRITE_MODE_{port}"] = next((name.partition(f"WRITE_MODE_{port}_")[2] for name in half
                                               if name.startswith(f"WRITE_MODE_{port}_")), "WRITE_FIRST")
        settings[f"DO{port}_REG"] = int(f"DO{port}_REG" in half)
    simple = "SDP_READ_WIDTH_36" in half and "SDP_WRITE_WIDTH_36" in half
    settings["RAM_MODE"] = "SDP" if simple else "TDP"
    if simple:
        settings |= {"READ_WIDTH_A": 72, "READ_WIDTH_B": 0, "WRITE_WIDTH_A": 0, "WRITE_WIDTH_B": 72}
    strange = [name for name in names if name.startswith(("RAMB36.", "EN_SYN", "FIRST_WORD"))]
    if strange:
        raise PynqBnnError(f"a block RAM is set to {strange[0]}, which is not expected")
    for name, value in values.items():
        if name.partition(".")[2].startswith("INIT") and value:
            settings[name] = value
    return settings


def dsp_settings(bits: Mapping[str, int]) -> dict[str, int | str]:
    """The parameters of a DSP48E1 by its features."""
    settings: dict[str, int | str] = {name: 1 - bits.get(f"Z{name}", 0) for name in _DSP_REGISTERS}
    for port in "AB":
        settings[f"{port}REG"] = 0 if f"{port}REG_0" in bits else 2 if f"{port}REG_2" in bits else 1
    settings["USE_DPORT"] = bits.get("USE_DPORT", 0)
    settings["USE_SIMD"] = sum(bits.get(name, 0) for name in ("USE_SIMD_FOUR12", "USE_SIMD_FOUR12_TWO24"))
    return settings


def _inverted(net: Net, does: bool) -> Net:
    if not does:
        return net
    if net in ("0", "1"):
        return "10"[int(net)]
    if net == _FLOATING:
        return net
    raise PynqBnnError("a pin of a block reads a signal inverted, which is not expected")


def _half_less(pin: str) -> str:
    """A block RAM's pin without the letter of its half, which stands before the index."""
    if pin == "RSTRAMARSTRAMLRST":
        return "RSTRAMARSTRAM"
    name, number = vector_name(pin)
    shared = ("ADDRARDADDR", "ADDRBWRADDR", "CLKARDCLK", "CLKBWRCLK", "ENARDEN", "ENBWREN", "REGCEAREGCE", "REGCEB",
              "RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB", "WEA", "WEBWE")
    if name[-1] in "LU" and name[:-1] in shared:
        name = name[:-1]
    return name if number < 0 else f"{name}{number}"


class Slice:
    """One slice: how its bits join its tables, carry chain, flip-flops and memories."""

    def __init__(self, extraction: Extraction, site: SiteInstance) -> None:
        self._all, self._site, self.name = extraction, site, site.name
        says = extraction.circuit.features[site.tile.name]
        self._prefix = f"{site.kind}_X{site.about.x}."
        self._names = {name.removeprefix(self._prefix) for name in says.names if name.startswith(self._prefix)}
        self._values = says.values

    def _has(self, name: str) -> bool:
        return name in self._names

    def _pin(self, pin: str) -> Net:
        return self._all.read(self._site, pin)

    def _init(self, letter: str) -> int:
        return self._values.get(f"{self._prefix}{letter}LUT.INIT", 0)

    def _choice(self, mux: str) -> str:
        found = [name.partition(".")[2] for name in self._names if name.startswith(f"{mux}.")]
        if len(found) != 1:
            raise PynqBnnError(f"{self.name}: {mux} is set to {' and '.join(found) or 'nothing'}")
        return found[0]

    def output(self, pin: str) -> Net:
        """What drives an output pin of the slice."""
        if pin in LETTERS:
            return self._sixth(pin)
        if pin == "COUT":
            return self._carry(3)
        letter, kind = pin[0], pin[1:]
        if kind == "Q":
            return self._register(letter, "FF")
        return self._chosen(letter, self._choice(f"{letter}OUTMUX"))

    def _chosen(self, letter: str, choice: str) -> Net:
        number = LETTERS.index(letter)
        if choice in ("F7", "F8"):
            return self._wide(letter)
        makers: dict[str, Callable[[], Net]] = {
            "O6": lambda: self._sixth(letter), "O5": lambda: self._fifth(letter), "CY": lambda: self._carry(number),
            "XOR": lambda: self._sum(number), f"{letter}5Q": lambda: self._register(letter, "5FF"),
            f"{letter}X": lambda: self._pin(f"{letter}X")}
        if choice not in makers:
            raise PynqBnnError(f"{self.name}: {letter} takes {choice}, which this reader does not know")
        return makers[choice]()

    # Tables and memories

    def _memory(self, letter: str) -> str:
        kind = next((kind for kind in ("RAM", "SRL") if self._has(f"{letter}LUT.{kind}")), "")
        return kind + ("_SMALL" if kind and self._has(f"{letter}LUT.SMALL") else "")

    def _address(self, letter: str, width: int = 6) -> tuple[tuple[Net, ...], tuple[str, ...]]:
        pins = tuple(f"{letter}{n + 1}" for n in range(width))
        return tuple(self._all.read(self._site, pin, may_float=True) for pin in pins), pins

    def _sixth(self, letter: str) -> int:
        return self._all._needed(self.name, f"{letter}O6", make=lambda: self._make_sixth(letter))

    def _fifth(self, letter: str) -> int:
        return self._all._needed(self.name, f"{letter}O5", make=lambda: self._make_fifth(letter))

    def _make_sixth(self, letter: str) -> None:
        output, memory = self._all._net(self.name, f"{letter}O6"), self._memory(letter)
        if memory:
            self._add_memory(letter, memory, output, upper=True)
            return
        inputs, pins = self._address(letter)
        self._all.table(self._init(letter), inputs, pins, output, f"{self.name}.{letter}6LUT")

    def _make_fifth(self, letter: str) -> None:
        output, memory = self._all._net(self.name, f"{letter}O5"), self._memory(letter)
        if memory:
            self._add_memory(letter, memory, output, upper=False)
            return
        inputs, pins = self._address(letter, 5)
        self._all.table(self._init(letter) & 0xFFFF_FFFF, inputs, pins, output, f"{self.name}.{letter}5LUT")

    def _data(self, letter: str, small_upper: bool) -> Net:
        """What is written: the upper of two small memories takes the X pin, all others the first data input."""
        if small_upper:
            return self._pin(f"{letter}X")
        if letter == "D":
            return self._pin("DI")
        if self._has(f"{letter}LUT.DI1MUX.{letter}I"):
            return self._pin(f"{letter}I")
        below = LETTERS[LETTERS.index(letter) + 1]
        if "SRL" in self._memory(letter):
            raise PynqBnnError(f"{self.name}: the shift register {letter} goes on from {below}, which is not expected")
        return self._data(below, small_upper=False)

    def _add_memory(self, letter: str, memory: str, output: int, upper: bool) -> None:
        small = memory.endswith("_SMALL")
        if not small and not upper:
            raise PynqBnnError(f"{self.name}: the lower output of a large memory {letter} is used")
        if self._has("WA7USED") or self._has("WA8USED"):
            raise PynqBnnError(f"{self.name}: memories of more than 64 words are not expected")
        enable = self._pin("CE" if self._has("WEMUX.CE") else "WE")
        inputs: dict[str, Net] = {"D": self._data(letter, small and upper), "WE": enable, "CLK": self._clock()}
        init = self._init(letter)
        if small:
            init = init >> 32 if upper else init & 0xFFFF_FFFF
            self._check_halves(letter, upper)
        place = f"{self.name}.{letter}{6 if upper else 5}LUT"
        if memory.startswith("SRL"):
            width = 4 if small else 5
            inputs |= {f"A{n}": self._pin(f"{letter}{n + 2}") for n in range(width)}
            settings = {"INIT": sum((init >> 2 * n & 1) << n for n in range(1 << width))}
            self._all.add(Block("SRL16E" if small else "SRLC32E", settings, inputs, {"Q": output}, place))
            return
        width = 5 if small else 6
        inputs |= {f"RA{n}": self._pin(f"{letter}{n + 1}") for n in range(width)}
        inputs |= {f"WA{n}": self._pin(f"D{n + 1}") for n in range(width)}
        self._all.add(Block(f"RAM{1 << width}", {"INIT": init}, inputs, {"O": output}, place))

    def _check_halves(self, letter: str, upper: bool) -> None:
        if upper and self._all.read(self._site, f"{letter}6", may_float=True) != "1":
            raise PynqBnnError(f"{self.name}: {letter}6 of two small memories is not 1")

    def _wide(self, letter: str) -> int:
        """The multiplexers of two or four tables: F7 at A and C, F8 at B."""
        lower, upper = {"A": ("B", "A"), "C": ("D", "C"), "B": ("C", "A")}[letter]

        def make() -> None:
            first, second = ((self._wide(lower), self._wide(upper)) if letter == "B"
                             else (self._sixth(lower), self._sixth(upper)))
            self._all.table(MUX, (first, second, self._pin(f"{letter}X")), ("", "", f"{letter}X"),
                            self._all._net(self.name, f"{letter}F"), f"{self.name}.{letter}F")

        return self._all._needed(self.name, f"{letter}F", make=make)

    # Carry chain

    def _carry_in(self) -> Net:
        choice = next((name.partition(".")[2] for name in self._names if name.startswith("PRECYINIT.")), "C0")
        return {"C0": lambda: "0", "C1": lambda: "1", "AX": lambda: self._pin("AX"),
                "CIN": lambda: self._pin("CIN")}[choice]()

    def _carry(self, number: int) -> int:
        def make() -> None:
            letter = LETTERS[number]
            before = self._carry(number - 1) if number else self._carry_in()
            data = self._fifth(letter) if self._has(f"CARRY4.{letter}CY0") else self._pin(f"{letter}X")
            self._all.table(MUXCY, (data, before, self._sixth(letter)), (f"{letter}X", "CIN", ""),
                            self._all._net(self.name, f"{letter}CY"), f"{self.name}.{letter}CY")

        return self._all._needed(self.name, f"{LETTERS[number]}CY", make=make)

    def _sum(self, number: int) -> int:
        def make() -> None:
            before = self._carry(number - 1) if number else self._carry_in()
            self._all.table(XORCY, (self._sixth(LETTERS[number]), before), ("", "CIN"),
                            self._all._net(self.name, f"{LETTERS[number]}XOR"), f"{self.name}.{LETTERS[number]}XOR")

        return self._all._needed(self.name, f"{LETTERS[number]}XOR", make=make)

    # Flip-flops

    def _clock(self) -> Net:
        return _inverted(self._pin("CLK"), self._has("CLKINV"))

    def _register(self, letter: str, kind: str) -> int:
        return self._all._needed(self.name, f"{letter}{kind}", make=lambda: self._make_register(letter, kind))

    def _make_register(self, letter: str, kind: str) -> None:
        if self._has("LATCH"):
            raise PynqBnnError(f"{self.name} holds latches, which are not expected")
        if kind == "FF":
            data = self._chosen(letter, self._choice(f"{letter}FFMUX"))
        else:
            choice = self._choice(f"{letter}5FFMUX")
            data = self._fifth(letter) if choice == "IN_A" else self._pin(f"{letter}X")
        settings = {"sync": int(self._has("FFSYNC")), "reset": int(not self._has(f"{letter}{kind}.ZRST")),
                    "init": int(not self._has(f"{letter}{kind}.ZINI"))}
        inputs = {"D": data, "C": self._clock(), "CE": self._pin("CE") if self._has("CEUSEDMUX") else "1",
                  "R": self._pin("SR") if self._has("SRUSEDMUX") else "0"}
        self._all.add(Block("FF", settings, inputs, {"Q": self._all._net(self.name, f"{letter}{kind}")},
                            f"{self.name}.{letter}{kind}"))
