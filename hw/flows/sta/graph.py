"""The timing graph: signals, the arcs between them, where paths begin and end.

A vertex is a signal of a site, such as the output of a table; all sites' outputs are known before arcs are made, so an
arc through a net goes straight from the signal that drives it. Its delay is filled in once all nets are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flows.bits.circuit import SUPPLY, Circuit, SiteInstance, site_instances
from flows.device.timings import Delay

from .routes import Routes, delay_of, node_loads

NO_DELAY: Delay = (0.0, 0.0, 0.0, 0.0)
# Sites whose pins drive nets.
DRIVERS = {"SLICEL", "SLICEM", "RAMBFIFO36E1", "DSP48E1", "BUFGCTRL", "BUFHCE", "PS7"}
_NOWHERE = -1


class Pin(NamedTuple):
    """A site's input pin: its node, what it reads (a vertex, or a constant), and the pin's own delay."""

    node: int
    reads: int | str
    delay: Delay

    @property
    def is_constant(self) -> bool:
        return isinstance(self.reads, str)


@dataclass(frozen=True)
class Requirement:
    """What an input needs about a clock's edge: its class, setup at the slow corner, hold at the fast one (ns)."""

    kind: str
    setup: float
    hold: float


def added(*delays: Delay) -> Delay:
    """The sum of delays, corner by corner."""
    first, second, third, fourth = (sum(values) for values in zip(*delays, strict=True))
    return first, second, third, fourth


class Graph:
    """Built by :mod:`slices` and :mod:`blocks`; :meth:`finish` turns the lists into arrays.

    Attributes
    ----------
    names : list of (site, signal)
        Of each vertex.
    arcs : (N, 2) int
        From and to; ``arc_delay`` (N, 4), ``arc_node`` (N,): the input pin's node, -1 within a site.
    start_vertex, start_delay, start_clock
        Where paths begin, the delay (N, 4) from the clock pin, and the clock pin's node.
    end_vertex, end_delay, end_node, end_clock, end_pin, end_needs
        Where they end: the delay (N, 4) from the vertex, the input pin's node (-1 within a site), the clock pin's node,
        (site, pin), and its requirement.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit, self.device = circuit, circuit.device
        self.names: list[tuple[str, str]] = []
        self._vertex: dict[tuple[str, str], int] = {}
        self._drivers: dict[int, int] = {}
        self.output_resistance: dict[int, float] = {}
        self._pins: dict[tuple[str, int, int, str], dict[str, tuple[int, Delay, float]]] = {}
        # Each arc: from, to, node on whose end the net's delay is taken (or none), delay besides.
        self._arcs: list[tuple[int, int, int, Delay]] = []
        self._starts: list[tuple[int, Delay, int]] = []
        self._ends: list[tuple[int, int, Delay, int]] = []
        self._stored: list[int] = []
        self.end_pin: list[tuple[str, str]] = []
        self.end_needs: list[Requirement] = []
        self.left_out: dict[str, int] = {}
        self.sites = list(self._sites())

    def _sites(self) -> Iterator[SiteInstance]:
        for tile in self.device.tiles.values():
            if tile.name in self.circuit.features or "PSS" in tile.kind:
                yield from (site for site in site_instances(self.device, tile) if site.kind in DRIVERS)

    # Pins

    def pins(self, site: SiteInstance) -> dict[str, tuple[int, Delay, float]]:
        """Of each pin of a site: the wire's number in its tile, its delay, its output resistance."""
        key = site.tile.kind, site.about.x, site.about.y, site.about.prefix + site.about.kind
        if key not in self._pins:
            kind = self.device.types[site.tile.kind]
            raw = next(about for about in kind.about["sites"] if about["prefix"] == site.about.prefix
                       and about["type"] == site.about.kind
                       and (about["x_coord"], about["y_coord"]) == (site.about.x, site.about.y))
            self._pins[key] = {}
            for pin, wire in site.about.pins.items():
                about = raw["site_pins"][pin]
                says = about if isinstance(about, dict) else {}
                fast_least, fast_most, slow_least, slow_most = delay_of(says).tolist()
                self._pins[key][pin] = (kind.wire_number[wire], (fast_least, fast_most, slow_least, slow_most),
                                        float(says.get("res") or 0))
        return self._pins[key]

    def node(self, site: SiteInstance, pin: str) -> int:
        return int(self.circuit.device.node_of[self.device.first_wire[site.tile.name] + self.pins(site)[pin][0]])

    def vertex(self, site: str, signal: str) -> int:
        number = self._vertex.setdefault((site, signal), len(self.names))
        if number == len(self.names):
            self.names.append((site, signal))
        return number

    def drive(self, site: SiteInstance, pin: str, signal: str | None = None) -> int:
        """Say that an output pin carries a signal of the site (its own name when there is only the pin)."""
        node, vertex = self.node(site, pin), self.vertex(site.name, signal or pin)
        self._drivers[node] = vertex
        self.output_resistance[node] = self.pins(site)[pin][2]
        return vertex

    def read(self, site: SiteInstance, pin: str) -> Pin:
        """An input pin; one that nothing drives reads 1, as the device makes it."""
        _, delay, _ = self.pins(site)[pin]
        node = self.node(site, pin)
        root = self.circuit.first(node)
        constant = self.circuit.constant(root)
        return Pin(node, constant if constant is not None else self._drivers.get(root, SUPPLY), delay)

    # Arcs, starts, ends

    def inside(self, source: int, target: int, delay: Delay) -> None:
        """An arc within a site."""
        self._arcs.append((source, target, _NOWHERE, delay))

    def through(self, pin: Pin, target: int, delay: Delay) -> None:
        """An arc from what drives the net of ``pin`` through the net and into the site."""
        if not isinstance(pin.reads, str):
            self._arcs.append((pin.reads, target, pin.node, added(pin.delay, delay)))

    def starts(self, vertex: int, delay: Delay, clock: Pin) -> None:
        self._starts.append((vertex, delay, clock.node))

    def ends(self, source: int | Pin, where: tuple[str, str], needs: Requirement, clock: Pin,
             stored: int = _NOWHERE) -> None:
        """A path's end at a pin, or at a signal within the site; none if nothing reads ``stored``, what it decides."""
        if isinstance(source, Pin):
            if isinstance(source.reads, str):
                return
            entry = source.reads, source.node, source.delay, clock.node
        else:
            entry = source, _NOWHERE, NO_DELAY, clock.node
        self._ends.append(entry)
        self._stored.append(stored)
        self.end_pin.append(where)
        self.end_needs.append(needs)

    def leave_out(self, what: str) -> None:
        """Count something that is not analysed."""
        self.left_out[what] = self.left_out.get(what, 0) + 1

    def finish(self) -> Routes:
        """Fill in the nets' delays; the routes are returned for the clocks."""
        nodes = [node for *_, node in self._starts] + [node for *_, node in self._ends]
        nodes += [node for _, _, node, _ in self._arcs if node >= 0] + [node for _, node, *_ in self._ends if node >= 0]
        every = np.unique(np.array(nodes, np.int64))
        routes = Routes(self.circuit, self._with_clock_tree(every), self.output_resistance, node_loads(self.device))
        self._leave_out_unread()
        self.arcs = np.array([arc[:2] for arc in self._arcs], np.int64).reshape(-1, 2)
        self.arc_node = np.array([arc[2] for arc in self._arcs], np.int64)
        self.arc_delay = self._filled(routes, [arc[2] for arc in self._arcs], [arc[3] for arc in self._arcs])
        self.start_vertex = np.array([vertex for vertex, *_ in self._starts], np.int64)
        self.start_delay = np.array([delay for _, delay, _ in self._starts]).reshape(-1, 4)
        self.start_clock = np.array([node for *_, node in self._starts], np.int64)
        self.end_vertex = np.array([vertex for vertex, *_ in self._ends], np.int64)
        self.end_node = np.array([end[1] for end in self._ends], np.int64)
        self.end_delay = self._filled(routes, [end[1] for end in self._ends], [end[2] for end in self._ends])
        self.end_clock = np.array([node for *_, node in self._ends], np.int64)
        return routes

    def _leave_out_unread(self) -> None:
        """Ends at memories that only pass a write address on: what is at their data pins does not matter."""
        read = {source for source, *_ in self._arcs} | {source for source, *_ in self._ends} | {_NOWHERE}
        kept = [number for number, stored in enumerate(self._stored) if stored in read]
        self._ends = [self._ends[number] for number in kept]
        self.end_pin = [self.end_pin[number] for number in kept]
        self.end_needs = [self.end_needs[number] for number in kept]

    def _with_clock_tree(self, nodes: np.ndarray) -> np.ndarray:
        buffers = [self.node(site, "I" if site.kind == "BUFHCE" else "I0") for site in self.sites
                   if site.kind in ("BUFHCE", "BUFGCTRL")]
        driven = [node for node in buffers if self.circuit.source[node] >= 0]
        return np.unique(np.concatenate((nodes, np.array(driven, np.int64))))

    @staticmethod
    def _filled(routes: Routes, nodes: list[int], delays: list[Delay]) -> np.ndarray:
        result, at = np.array(delays).reshape(-1, 4), np.array(nodes, np.int64)
        result[at >= 0] += routes.to(at[at >= 0])
        return result
