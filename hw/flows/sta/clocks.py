"""When the clock's edge arrives at each clock pin: through the global buffer, a buffer of the row, the leaves.

The database knows the switches of a clock's way and not all of its wires, which Vivado takes from a table of its own, so
what is common to two clock pins cancels and what is not is the spread of the switches.
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
    """Clock pins behind the same last buffer: its site, the buffers from the source on with their delay up to each."""

    name: str
    way: tuple[tuple[str, Delay], ...]
    source: str

    def common(self, other: ClockGroup, late: int, early: int) -> float:
        """What two clock pins' ways have in common, times the difference of the two corners' columns."""
        shared = 0.0
        for (mine, delay), (theirs, _) in zip(self.way, other.way, strict=False):
            if mine != theirs:
                break
            shared = delay[late] - delay[early]
        return shared


class Clocks:
    """Arrival of the edge at clock pins.

    Attributes
    ----------
    groups : list of ClockGroup
    """

    def __init__(self, graph: Graph, routes: Routes) -> None:
        self._circuit: Circuit = graph.circuit
        self._routes = routes
        self._graph = graph
        self._buffer_of = {graph.node(site, "O"): site for site in graph.sites if site.kind in ("BUFHCE", "BUFGCTRL")}
        self._delay_of = {kind: np.array(buffer_delay(kind, load_timings())) for kind in ("BUFHCE", "BUFGCTRL")}
        self.groups: list[ClockGroup] = []
        self._by_root: dict[int, int] = {}

    def at(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Group and arrival (N, 4) at clock pins; group -1 for pins that no clock reaches."""
        distinct, inverse = np.unique(nodes, return_inverse=True)
        roots = self._circuit.roots(distinct)
        groups = np.array([self._group(int(root)) for root in roots], np.int64)
        before = np.array([self.groups[number].way[-1][1] if number >= 0 else NO_DELAY for number in groups]).reshape(-1, 4)
        arrival = self._routes.to(distinct) + before
        return groups[inverse], arrival[inverse]

    def _group(self, root: int) -> int:
        if root not in self._by_root:
            found = self._way(root)
            self._by_root[root] = len(self.groups) if found else -1
            if found:
                self.groups.append(found)
        return self._by_root[root]

    def _way(self, root: int) -> ClockGroup | None:
        chain: list[SiteInstance] = []
        while (site := self._buffer_of.get(root)) is not None:
            chain.append(site)
            root = self._circuit.first(self._graph.node(site, "I" if site.kind == "BUFHCE" else "I0"))
        if not chain:
            return None
        total, way = np.zeros(4), []
        for site in reversed(chain):
            into = self._graph.node(site, "I" if site.kind == "BUFHCE" else "I0")
            if self._circuit.source[into] >= 0:
                total = total + self._routes.to(np.array([into]))[0]
            total = total + self._delay_of[site.kind]
            fast_least, fast_most, slow_least, slow_most = total.tolist()
            way.append((site.name, (fast_least, fast_most, slow_least, slow_most)))
        return ClockGroup(chain[0].name, tuple(way), self._circuit.device.wire_name(root))
