"""All steps from a .bit file to its netlist, with what must be so on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.device import Device, load_device
from pynq_bnn.errors import PynqBnnError

from .bitfile import Bitstream, read_bit
from .cells import Extraction
from .circuit import Circuit
from .features import Layouts, TileFeatures, read_features
from .netlist import Netlist, fanout

# Pins that a clock may reach. Everything else on a global buffer's net is data on clock resources.
_CLOCK_PINS = {"C", "CLK", "CLKARDCLK", "CLKBWRCLK", "I", "MAXIGP0ACLK", "SAXIHP0ACLK"}
_BUFFERS = ("BUFG", "BUFH")


@dataclass(frozen=True)
class Reading:
    """A bitstream, its features by tile, its routing and its netlist."""

    bitstream: Bitstream
    features: Mapping[str, TileFeatures]
    circuit: Circuit
    netlist: Netlist


def read_circuit(place: Path) -> Reading:
    """The circuit that the bits of ``place`` hold.

    Raises
    ------
    PynqBnnError
        The file is damaged or of another device; a bit has no meaning; two switches drive a node; a cell needs a pin
        that nothing drives; data run over clock resources.
    """
    device = load_device()
    return circuit_of(read_bit(place, device.part), device)


def circuit_of(bitstream: Bitstream, device: Device) -> Reading:
    """As :func:`read_circuit`, from frames."""
    layouts = Layouts(device)
    features, unknown = read_features(bitstream.frames, layouts)
    if unknown:
        raise PynqBnnError(f"{len(unknown)} bits that are set have no known meaning, the first in {unknown[0]}: the "
                           f"bitstream is damaged, or uses something that Project X-Ray does not describe")
    return trace(bitstream, device, layouts, features)


def trace(bitstream: Bitstream, device: Device, layouts: Layouts, features: Mapping[str, TileFeatures]) -> Reading:
    """From features on."""
    circuit = Circuit(device, layouts, features)
    netlist = Extraction(circuit).netlist
    check_clocks(netlist)
    return Reading(bitstream, features, circuit, netlist)


def check_clocks(netlist: Netlist) -> None:
    """Global and row buffers must lead to clock pins alone.

    Raises
    ------
    PynqBnnError
        Names a buffer and a pin that is none.
    """
    buffers = {block.outputs["O"]: block for block in netlist.blocks if block.kind in _BUFFERS}
    for net, place, pin in fanout(netlist):
        if net in buffers and pin not in _CLOCK_PINS:
            raise PynqBnnError(f"data run over clock resources: the buffer {buffers[net].place} leads to {place}, pin "
                               f"{pin}, which is no clock input")
