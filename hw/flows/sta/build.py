"""From a circuit that was read from bits to its timing graph."""

from __future__ import annotations

from flows.bits.circuit import Circuit
from flows.bits.features import TileFeatures
from flows.device.timings import load_timings

from . import blocks
from .graph import Graph
from .routes import Routes
from .slices import SliceTiming


def timing_graph(circuit: Circuit) -> tuple[Graph, Routes]:
    """The graph of everything that a configuration uses, and its routes.

    Raises
    ------
    PynqBnnError
        A cell is set to something whose timing is not known.
    """
    graph, cells = Graph(circuit), load_timings()
    none = TileFeatures()
    work = []
    for site in graph.sites:
        says = circuit.features.get(site.tile.name, none)
        if site.kind in ("SLICEL", "SLICEM"):
            unit = SliceTiming(graph, site, says, cells[site.kind.lower()])
            if unit.is_used:
                unit.drive()
                work.append(unit.add)
            continue
        blocks.drive(graph, site)
        if site.kind == "PS7":
            work.append(lambda site=site: blocks.add_processing_system(graph, site, cells["PSS2"]))
        elif site.kind in ("BUFGCTRL", "BUFHCE"):
            work.append(lambda site=site: blocks.add_buffer(graph, site, cells))
        elif site.kind == "RAMBFIFO36E1":
            work.append(blocks.RamTiming(graph, site, says, cells["BRAM_L"]).add)
        elif (dsp := blocks.DspTiming(graph, site, says, cells["DSP_L"])).is_used:
            work.append(dsp.add)
    for add in work:
        add()
    return graph, graph.finish()
