"""A netlist in the smallest terms that simulation and comparison need.

Everything combinational is a :class:`Table`; everything else, flip-flops and memories included, a :class:`Block`. Nets
are numbers, or the constants "0" and "1".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Net = int | str
# Tables of the multiplexers (lower, upper, select) and of the sum of a carry chain.
MUX = MUXCY = 0xCA
XORCY = 0b0110


@dataclass(frozen=True)
class Table:
    """A function of up to six nets: bit i of ``init`` is its value where input n is bit n of i.

    ``place`` says where it is, and ``pins`` (when the netlist comes from bits) which site pin each input is.
    """

    init: int
    inputs: tuple[Net, ...]
    output: int
    place: str
    pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A cell that is no table: its kind, what is set about it, and its pins."""

    kind: str
    settings: Mapping[str, int | str]
    inputs: Mapping[str, Net]
    outputs: Mapping[str, int]
    place: str


@dataclass
class Netlist:
    tables: list[Table] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def block(self, kind: str) -> Block:
        """The only block of a kind."""
        (found,) = (block for block in self.blocks if block.kind == kind)
        return found


def depends_on(init: int, width: int, number: int) -> bool:
    """Whether a table of ``width`` inputs changes with input ``number``."""
    return any((init >> row & 1) != (init >> (row | 1 << number) & 1)
               for row in range(1 << width) if not row >> number & 1)


def cofactor(init: int, width: int, number: int, value: int) -> int:
    """The table of one input less that is left where input ``number`` is ``value``."""
    result, place = 0, 0
    for row in range(1 << width):
        if row >> number & 1 == value:
            result |= (init >> row & 1) << place
            place += 1
    return result


def reduced(init: int, inputs: tuple[Net, ...], pins: tuple[str, ...] = ()
            ) -> tuple[int, tuple[Net, ...], tuple[str, ...]]:
    """The same function without constant, repeated and idle inputs."""
    nets, names = list(inputs), list(pins or [""] * len(inputs))
    number = 0
    while number < len(nets):
        net = nets[number]
        if net in ("0", "1"):
            init = cofactor(init, len(nets), number, int(net))
        elif net in nets[:number]:
            init = _merged(init, len(nets), nets.index(net), number)
        else:
            number += 1
            continue
        del nets[number], names[number]
    # Only now: an input may be idle because others turned out constant or equal.
    for number in reversed(range(len(nets))):
        if not depends_on(init, len(nets), number):
            init = cofactor(init, len(nets), number, 0)
            del nets[number], names[number]
    return init, tuple(nets), tuple(names)


def _merged(init: int, width: int, first: int, second: int) -> int:
    """The table where two inputs carry the same net; the second goes."""
    result, place = 0, 0
    for row in range(1 << width):
        if not row >> second & 1:
            both = row | (row >> first & 1) << second
            result |= (init >> both & 1) << place
            place += 1
    return result


# Enables and resets of a DSP's registers, by the registers that must be there for the pin to do anything.
_DSP_CONTROL = {"CEA2": ("AREG",), "RSTA": ("AREG",), "CEB2": ("BREG",), "RSTB": ("BREG",), "CEC": ("CREG",),
                "RSTC": ("CREG",), "CED": ("DREG",), "CEAD": ("ADREG",), "RSTD": ("DREG", "ADREG"), "CEM": ("MREG",),
                "RSTM": ("MREG",), "CEP": ("PREG",), "RSTP": ("PREG",), "CEINMODE": ("INMODEREG",),
                "RSTINMODE": ("INMODEREG",), "CEALUMODE": ("ALUMODEREG",), "RSTALUMODE": ("ALUMODEREG",),
                "CECTRL": ("OPMODEREG", "CARRYINSELREG"), "RSTCTRL": ("OPMODEREG", "CARRYINSELREG"),
                "CECARRYIN": ("CARRYINREG",), "RSTALLCARRYIN": ("CARRYINREG",)}


def working_pins(kind: str, settings: Mapping[str, int | str], inputs: Mapping[str, Net]) -> dict[str, Net]:
    """The inputs of a block that do something as it is set; tools leave the others open, or tie them as they like."""
    def works(pin: str) -> bool:
        if kind == "RAMB36E1":
            # The highest address is for two of them as one; where only port B writes, the enables of A are idle.
            return not pin.endswith("DDR15") and not (settings["RAM_MODE"] == "SDP" and pin.startswith("WEA"))
        if kind != "DSP48E1":
            return True
        if pin in ("CEA1", "CEB1"):  # the first of two registers
            return settings[f"{pin[2]}REG"] == 2
        if pin in _DSP_CONTROL:
            return any(settings[register] for register in _DSP_CONTROL[pin])
        return bool(settings["USE_DPORT"]) or vector_name(pin)[0] != "D"

    return {pin: net for pin, net in inputs.items() if works(pin)}


def vector_name(pin: str) -> tuple[str, int]:
    """A pin such as ADDR12 as a vector's name and index; index -1 where there is none."""
    name = pin.rstrip("0123456789")
    return (name, int(pin[len(name):])) if name != pin else (pin, -1)


def fanout(netlist: Netlist) -> Iterator[tuple[int, str, str]]:
    """Each net with the places and pins that read it."""
    for table in netlist.tables:
        for number, net in enumerate(table.inputs):
            if isinstance(net, int):
                yield net, table.place, table.pins[number] if table.pins else f"I{number}"
    for block in netlist.blocks:
        for pin, net in block.inputs.items():
            if isinstance(net, int):
                yield net, block.place, pin
