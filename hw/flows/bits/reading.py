"""All steps from a .bit file to its netlist, with what must be so on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def read_circuit(place: Path, data_on_clocks: Collection[str] = ()) -> Reading:
    """The circuit that the bits of ``place`` hold.

    ``data_on_clocks`` names global buffers that may carry data (of bitstreams made before this was checked).

    Raises
    ------
    PynqBnnError
        The file is damaged or of another device; a bit has no meaning; two switches drive a node; a cell needs a pin
        that nothing drives; data run over clock resources.
    """
    device = load_device()
    return circuit_of(read_bit(place, device.part), device, data_on_clocks)


def circuit_of(bitstream: Bitstream, device: Device, data_on_clocks: Collection[str] = ()) -> Reading:
    """As :func:`read_circuit`, from frames."""
    layouts = Layouts(device)
    features, unknown = read_features(bitstream.frames, layouts)
    if unknown:
        raise PynqBnnError(f"{len(unknown)} bits that are set have no known meaning, the first in {unknown[0]}: the "
                           f"bitstream is damaged, or uses something that Project X-Ray does not describe")
    return trace(bitstream, device, layouts, features, data_on_clocks)


def trace(bitstream: Bitstream, device: Device, layouts: Layouts, features: Mapping[str, TileFeatures],
          data_on_clocks: Collection[str] = ()) -> Reading:
    """From features on."""
    circuit = Circuit(device, layouts, features)
    netlist = Extraction(circuit).netlist
    check_clocks(netlist, data_on_clocks)
    return Reading(bitstream, features, circuit, netlist)


def check_clocks(netlist: Netlist, allowed: Collection[str] = ()) -> None:
    """Global and row buffers must lead to clock pins alone.

    Raises
    ------
    PynqBnnError
        Names a buffer and a pin that is none.
    """
    buffers = {block.outputs["O"]: block for block in netlist.blocks if block.kind in _BUFFERS}
    for net, place, pin in fanout(netlist):
        buffer = buffers.get(net)
        if buffer is None or pin in _CLOCK_PINS:
            continue
        first = buffers.get(int(buffer.inputs["I"]), buffer) if isinstance(buffer.inputs["I"], int) else buffer
        if first.place not in allowed:
            raise PynqBnnError(f"data run over clock resources: the buffer {first.place} leads to {place}, pin {pin}, "
                               f"which is no clock input")
