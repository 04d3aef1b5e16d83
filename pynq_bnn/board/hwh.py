"""The handoff file (.hwh) beside a bitstream: what pynq needs to know about the design, and what this package checks.

It is written from the tables that the hardware is generated from, not by a vendor's tool. It declares one clock
(FCLK0), one AXI-Lite slave on M_AXI_GP0 and one master on S_AXI_HP0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ..errors import BackendError, first_line
from ..program.config import Config
from ..program.fields import REGISTERS, VERSION, Register
from .facts import PYNQ_Z

VLNV = "pynq-bnn:accelerator:bnn:1.0"
INSTANCE = "bnn"
BASE_ADDRESS, ADDRESS_SIZE, PLL_MHZ = PYNQ_Z.base_address, PYNQ_Z.address_size, PYNQ_Z.io_pll_mhz
_MAX_DIVISOR = 63
_MODES = {"r": "read-only", "w": "write-only", "rw": "read-write"}
_ADVICE = "take the .bit and the .hwh of one build, under the same name"
_AXI = "xilinx.com:interface:aximm:1.0"


@dataclass(frozen=True)
class Handoff:
    """What a handoff file says about the accelerator.

    Parameters
    ----------
    config : Config
    version : int
        Of registers and stream, see :data:`~pynq_bnn.program.fields.VERSION`.
    mhz : float
        The clock at which the design meets timing.
    bitstream : str
        Hash of the bitstream it belongs to; empty if not given.
    """

    config: Config
    version: int
    mhz: float
    bitstream: str


def clock_divisors(mhz: float) -> tuple[int, int]:
    """The two divisors that derive ``mhz`` from the I/O PLL.

    Raises
    ------
    BackendError
        No pair comes within 0.1 %.
    """
    pairs = [(a, b) for b in range(1, _MAX_DIVISOR + 1) for a in range(b, _MAX_DIVISOR + 1)]
    best = min(pairs, key=lambda pair: (abs(PLL_MHZ / (pair[0] * pair[1]) - mhz), pair[1]))
    if abs(PLL_MHZ / (best[0] * best[1]) - mhz) > mhz / 1000:
        raise BackendError(f"no divisors make {mhz} MHz of {PLL_MHZ:g} MHz; {PLL_MHZ:g} divided by a whole number fits")
    return best


def bitstream_hash(data: bytes) -> str:
    """The hash that the handoff file holds of its bitstream."""
    return hashlib.sha256(data).hexdigest()[:16]


def hwh_text(config: Config, mhz: float, bitstream: bytes = b"") -> str:
    """The handoff file of a design.

    Parameters
    ----------
    config : Config
        Sizes of the accelerator.
    mhz : float
        Its clock, FCLK0.
    bitstream : bytes, optional
        The content of the .bit file, whose hash is included.
    """
    root = Element("EDKSYSTEM", {"EDWVERSION": "1.2", "TIMESTAMP": "", "VIVADOVERSION": ""})
    SubElement(root, "SYSTEMINFO", {"ARCH": PYNQ_Z.family, "DEVICE": PYNQ_Z.chip, "NAME": "pynq_bnn",
                                    "PACKAGE": PYNQ_Z.package, "SPEEDGRADE": PYNQ_Z.speed})
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    _accelerator(modules, config, mhz, bitstream)
    _processing_system(modules, mhz)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _module(parent: Element, instance: str, vlnv: str, in_logic: bool, parameters: dict[str, object]) -> Element:
    kind = vlnv.split(":")[2]
    module = SubElement(parent, "MODULE", {
        "FULLNAME": f"/{instance}", "HWVERSION": vlnv.rpartition(":")[2], "INSTANCE": instance,
        "IPTYPE": "PERIPHERAL", "IS_ENABLE": "1", "IS_PL": "TRUE" if in_logic else "FALSE",
        "MODCLASS": "PERIPHERAL", "MODTYPE": kind, "VLNV": vlnv})
    table = SubElement(module, "PARAMETERS")
    for name, value in parameters.items():
        SubElement(table, "PARAMETER", {"NAME": name, "VALUE": str(value)})
    return module


def _accelerator(modules: Element, config: Config, mhz: float, bitstream: bytes) -> None:
    module = _module(modules, INSTANCE, VLNV, True, {
        "VERSION": VERSION, **config.parameters, "CLOCK_MHZ": f"{mhz:.6f}",
        "BITSTREAM": bitstream_hash(bitstream) if bitstream else "",
        "C_BASEADDR": f"0x{BASE_ADDRESS:08X}", "C_HIGHADDR": f"0x{BASE_ADDRESS + ADDRESS_SIZE - 1:08X}"})
    blocks = SubElement(module, "ADDRESSBLOCKS")
    block = SubElement(blocks, "ADDRESSBLOCK", {"ACCESS": "read-write", "INTERFACE": "S_AXI", "NAME": "reg0",
                                                "RANGE": str(ADDRESS_SIZE), "USAGE": "register"})
    registers = SubElement(block, "REGISTERS")
    for register in REGISTERS:
        _register(registers, register)
    interfaces = SubElement(module, "BUSINTERFACES")
    SubElement(interfaces, "BUSINTERFACE", {"BUSNAME": "ps7_M_AXI_GP0", "DATAWIDTH": "32", "NAME": "S_AXI",
                                            "TYPE": "SLAVE", "VLNV": _AXI})
    SubElement(interfaces, "BUSINTERFACE", {"BUSNAME": "bnn_M_AXI", "DATAWIDTH": "64", "NAME": "M_AXI",
                                            "TYPE": "MASTER", "VLNV": _AXI})


def _register(parent: Element, register: Register) -> None:
    mode = _MODES[register.access]
    element = SubElement(parent, "REGISTER", {"NAME": register.name})
    _properties(element, {"DESCRIPTION": register.doc, "ADDRESS_OFFSET": f"{register.offset:#x}", "SIZE": "32",
                          "ACCESS": mode, "IS_ENABLED": "true", "RESET_VALUE": "0x0"})
    fields = SubElement(element, "FIELDS")
    # pynq's register map shows a register without fields as a number only if it has one field of its full width.
    for name, low, width in register.bits or ((register.name, 0, 32),):
        field = SubElement(fields, "FIELD", {"NAME": name})
        _properties(field, {"DESCRIPTION": name, "ADDRESS_OFFSET": f"{register.offset:#x}", "ACCESS": mode,
                            "MODIFIED_WRITE_VALUES": "", "WRITE_CONSTRAINT": "", "READ_ACTIONS": "",
                            "BIT_OFFSET": str(low), "BIT_WIDTH": str(width)})


def _properties(element: Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        SubElement(element, "PROPERTY", {"NAME": name, "VALUE": value})


def _processing_system(modules: Element, mhz: float) -> None:
    parameters: dict[str, object] = {"PCW_USE_M_AXI_GP0": 1, "PCW_USE_S_AXI_HP0": 1, "PCW_S_AXI_HP0_DATA_WIDTH": 64,
                                     "PCW_IRQ_F2P_INTR": 1, "PCW_USE_FABRIC_INTERRUPT": 1}
    for number in range(4):
        used = number == 0
        divisors = clock_divisors(mhz) if used else (1, 1)
        parameters |= {f"PCW_FPGA_FCLK{number}_ENABLE": int(used), f"PCW_FCLK{number}_PERIPHERAL_CLKSRC": "IO PLL",
                       f"PCW_FCLK{number}_PERIPHERAL_DIVISOR0": divisors[0],
                       f"PCW_FCLK{number}_PERIPHERAL_DIVISOR1": divisors[1],
                       # pynq 4 takes the frequency from here, for this family too.
                       f"PSU__CRL_APB__PL{number}_REF_CTRL__ACT_FREQMHZ": f"{mhz:.6f}"}
    module = _module(modules, "ps7", "xilinx.com:ip:processing_system7:5.5", False, parameters)
    interfaces = SubElement(module, "BUSINTERFACES")
    SubElement(interfaces, "BUSINTERFACE", {"BUSNAME": "ps7_M_AXI_GP0", "DATAWIDTH": "32", "NAME": "M_AXI_GP0",
                                            "TYPE": "MASTER", "VLNV": _AXI})
    SubElement(interfaces, "BUSINTERFACE", {"BUSNAME": "bnn_M_AXI", "DATAWIDTH": "64", "NAME": "S_AXI_HP0",
                                            "TYPE": "SLAVE", "VLNV": _AXI})
    ranges = SubElement(module, "MEMORYMAP")
    SubElement(ranges, "MEMRANGE", {
        "ADDRESSBLOCK": "reg0", "BASENAME": "C_BASEADDR", "BASEVALUE": f"0x{BASE_ADDRESS:08X}",
        "HIGHNAME": "C_HIGHADDR", "HIGHVALUE": f"0x{BASE_ADDRESS + ADDRESS_SIZE - 1:08X}", "INSTANCE": INSTANCE,
        "IS_DATA": "TRUE", "IS_INSTRUCTION": "TRUE", "MASTERBUSINTERFACE": "M_AXI_GP0", "MEMTYPE": "REGISTER",
        "SLAVEBUSINTERFACE": "S_AXI"})


def read_hwh(path: Path) -> Handoff:
    """What the handoff file ``path`` says about the accelerator.

    Raises
    ------
    BackendError
        It is missing, not a handoff file, or of another design.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except FileNotFoundError:
        raise BackendError(f"no file {path}, which belongs beside its .bit; {_ADVICE}") from None
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:  # the last: an unknown encoding
        raise BackendError(f"{path} is no handoff file: {first_line(error)}; {_ADVICE}") from None
    module = next((m for m in root.iter("MODULE") if m.get("VLNV") == VLNV), None)
    if module is None:
        raise BackendError(f"{path} describes no accelerator {VLNV}; take the .bit and .hwh of pynq-bnn")
    return parse_parameters({p.get("NAME") or "": p.get("VALUE") or "" for p in module.iter("PARAMETER")}, path)


def parse_parameters(values: Mapping[str, str], origin: object) -> Handoff:
    """The accelerator's parameters in a handoff file, which ``origin`` names in error messages.

    Raises
    ------
    BackendError
        A parameter is missing or out of range.
    """
    try:
        config = Config(**{name.lower(): int(values[name]) for name in Config().parameters})
        return Handoff(config, int(values["VERSION"]), float(values["CLOCK_MHZ"]), values.get("BITSTREAM", ""))
    except (KeyError, ValueError, TypeError, BackendError) as error:
        raise BackendError(f"the handoff file of {origin} does not describe the accelerator ({first_line(error)}); "
                           f"{_ADVICE}") from None
