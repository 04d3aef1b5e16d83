"""When the clock's edge arrives at each clock pin: through the global buffer, a buffer of the row, the leaves.

The database has the switches of a clock's way but not its wires' loads, which Vivado takes from a table of its own. So
the wires count as balanced: what two clock pins' ways have in common cancels, the rest is the spread of the switches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.bits.circuit import Circuit, SiteInstance
from flows.device.timings import Delay, load_timings

from .blocks import buffer_delay
from .graph import NO_DELAY, Graph
from .routes import Routes


@dataclass(frozen=True)
class ClockGroup:
    """Clock pins on one row wire behind the same buffers.

    ``way`` are the stages from the source on, each with the delay up to it; ``buffer`` is the last buffer's site.
    """

    buffer: str
    way: tuple[tuple[str, Delay], ...]
    source: str

    def common(self, other: ClockGroup, late: int, early: int) -> float:
        """The difference of two columns of the delay over what this way and ``other`` have in common."""
        shared = 0.0
        for (mine, delay), (theirs, _) in zip(self.way, other.way, strict=False):
            if mine != theirs:
                break
            shared = delay[late] - delay[early]
        return shared

    @property
    def place(self) -> tuple[int, int]:
        """Column and row of the last buffer, which say where the region of its clock pins is."""
        column, _, row = self.buffer.rpartition("_X")[2].partition("Y")
        return int(column), int(row) // _BUFFERS_IN_ROW


_BUFFERS_IN_ROW = 12


class Clocks:
    """Arrival of the edge at clock pins, by groups.

    Attributes
    ----------
    groups : list of ClockGroup
    """

    def __init__(self, graph: Graph, routes: Routes) -> None:
        self._circuit: Circuit = graph.circuit
        self._graph, self._routes = graph, routes
        self._buffer_of = {graph.node(site, "O"): site for site in graph.sites if site.kind in ("BUFHCE", "BUFGCTRL")}
        self._delay_of = {kind: np.array(buffer_delay(kind, load_timings())) for kind in ("BUFHCE", "BUFGCTRL")}
        self.groups: list[ClockGroup] = []
        self._by_wire: dict[int, int] = {}

    def at(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Group and arrival (N, 4) at clock pins; group -1 for pins that no clock buffer drives."""
        distinct, inverse = np.unique(nodes, return_inverse=True)
        wires = self._row_wires(distinct)
        groups = np.array([self._group(int(wire)) for wire in wires], np.int64)
        ways = [self.groups[number].way[-1][1] if number >= 0 else NO_DELAY for number in groups]
        arrival = np.array(ways).reshape(-1, 4) + self._unloaded(distinct) - self._unloaded(wires)
        return groups[inverse], arrival[inverse]

    def _unloaded(self, nodes: np.ndarray) -> np.ndarray:
        return self._routes.to(nodes, loaded=False)

    def _row_wires(self, nodes: np.ndarray) -> np.ndarray:
        """The second node of each net, which is the wire along the row; the only one where there is no second."""
        source, result = self._circuit.source, nodes.copy()
        while True:
            above = source[result]
            climb = (above >= 0) & (source[np.maximum(above, 0)] >= 0)
            if not climb.any():
                return result
            result[climb] = above[climb]

    def _group(self, wire: int) -> int:
        if wire not in self._by_wire:
            found = self._way(wire)
            self._by_wire[wire] = len(self.groups) if found else -1
            if found:
                self.groups.append(found)
        return self._by_wire[wire]

    def _way(self, wire: int) -> ClockGroup | None:
        chain: list[SiteInstance] = []
        root = self._circuit.first(wire)
        while (site := self._buffer_of.get(root)) is not None:
            chain.append(site)
            root = self._circuit.first(self._input(site))
        if not chain:
            return None
        total, way = np.zeros(4), []
        for site in reversed(chain):
            into = self._input(site)
            if self._circuit.source[into] >= 0:
                total = total + self._unloaded(np.array([into]))[0]
            total = total + self._delay_of[site.kind]
            way.append((site.name, _as_delay(total)))
        way.append((self._circuit.device.wire_name(wire), _as_delay(total + self._unloaded(np.array([wire]))[0])))
        return ClockGroup(chain[0].name, tuple(way), self._circuit.device.wire_name(root))

    def _input(self, site: SiteInstance) -> int:
        return self._graph.node(site, "I" if site.kind == "BUFHCE" else "I0")


def _as_delay(values: np.ndarray) -> Delay:
    fast_least, fast_most, slow_least, slow_most = values.tolist()
    return fast_least, fast_most, slow_least, slow_most
