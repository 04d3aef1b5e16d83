"""Setup and hold slack of every end of a path.

Setup is looked at in the slow corner: the launching edge and the data as late as can be, the capturing edge as early as
can be. Hold in the fast corner, the other way round. What the two edges' ways have in common is not counted twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flows.bits.circuit import Circuit
from pynq_bnn.errors import PynqBnnError

from .build import timing_graph
from .clocks import Clocks
from .graph import Graph

# Columns of a delay.
FAST_LEAST, FAST_MOST, SLOW_LEAST, SLOW_MOST = range(4)
# Vivado's terms for a clock of the processing system: jitter of the system, and of its input as a part of the period.
_SYSTEM_JITTER, _INPUT_JITTER = 0.071, 0.03
# Arcs in a row, beyond which they can only be a loop.
_DEEPEST = 2000


def uncertainty(period: float) -> float:
    """The clock's uncertainty (ns) at a period (ns), as Vivado computes it; 0.125 at 8 ns."""
    return math.hypot(_SYSTEM_JITTER, _INPUT_JITTER * period) / 2


@dataclass(frozen=True)
class Step:
    """A step of a path: what it leads to and its delay (ns)."""

    to: str
    delay: float


@dataclass
class Analysis:
    """Slacks and how they come about.

    ``setup`` and ``hold`` (ends,) ns, infinite for ends that no path of their clock reaches; setup is that of a period
    of 0 and a clock without uncertainty, see :meth:`slack`.
    """

    graph: Graph
    setup: np.ndarray
    hold: np.ndarray
    end_group: np.ndarray
    clocks: Clocks
    _late: _Arrivals
    _early: _Arrivals

    def slack(self, mhz: float) -> np.ndarray:
        """The setup slack (ends,) ns at a clock."""
        return self.setup + 1000 / mhz - uncertainty(1000 / mhz)

    def fastest(self) -> float:
        """The fastest clock (MHz) at which no end is late, its uncertainty included."""
        low, high = 1.0, 1000.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.slack(middle).min(initial=np.inf) >= 0 else (low, middle)
        return low

    def kinds(self) -> np.ndarray:
        """The class of each end: what it is, and how far its launching clock's region is."""
        places = np.array([group.place for group in self.clocks.groups] or [(0, 0)])
        mine, other = places[self.end_group], places[self._early.group_of_end]
        far = np.where(mine[:, 1] != other[:, 1], ", from another row of regions",
                       np.where(mine[:, 0] != other[:, 0], ", from the region beside", ""))
        return np.char.add(np.array([needs.kind for needs in self.graph.end_needs] or [""])[:len(self.setup)], far)

    def path(self, end: int, hold: bool = False) -> list[Step]:
        """The path that decides an end's slack, from its clock on."""
        arrivals = self._early if hold else self._late
        return arrivals.path(end)

    def crosses(self) -> np.ndarray:
        """Whether the path of each end's least hold margin comes from another clock region."""
        places = np.array([group.place for group in self.clocks.groups] or [(0, 0)])
        return (places[self.end_group] != places[self._early.group_of_end]).any(axis=1)

    def last_wire(self, end: int) -> int:
        """The node of the last input pin on an end's path of least hold margin; -1 if that stays within a site."""
        return self._early.last_wire(end)

    @property
    def end_groups_setup(self) -> np.ndarray:
        """The clock group from which each end's latest path starts."""
        return self._late.group_of_end

    @property
    def end_groups_hold(self) -> np.ndarray:
        """The clock group from which each end's path of least hold margin starts."""
        return self._early.group_of_end

    def end_name(self, end: int) -> str:
        return "/".join(self.graph.end_pin[end])


class _Arrivals:
    """The latest or earliest arrival at each vertex, by the clock group that launched it."""

    def __init__(self, graph: Graph, start_group: np.ndarray, start_clock: np.ndarray, groups: int, late: bool) -> None:
        self.graph, self._late = graph, late
        self.column = SLOW_MOST if late else FAST_LEAST
        self._worst: np.ufunc = np.maximum if late else np.minimum
        self.nothing = -np.inf if late else np.inf
        self._start = graph.start_delay[:, self.column] + start_clock[:, self.column]
        self._start_group = start_group
        self.arrival = np.full((len(graph.names), max(groups, 1)), self.nothing)
        known = start_group >= 0
        places = graph.start_vertex[known], start_group[known]
        self._worst.at(self.arrival, places, self._start[known])
        self._propagate()
        self.group_of_end = np.zeros(len(graph.end_vertex), np.int64)

    def _propagate(self) -> None:
        graph = self.graph
        order, starts = _levels(graph)
        source, target = graph.arcs[order].T
        delay = graph.arc_delay[order, self.column][:, None]
        for first, last in zip(starts[:-1], starts[1:], strict=True):
            reached = self.arrival[source[first:last]] + delay[first:last]
            to = target[first:last]
            heads = np.flatnonzero(np.r_[True, to[1:] != to[:-1]])
            best = self._worst.reduceat(reached, heads, axis=0)
            self.arrival[to[heads]] = self._worst(self.arrival[to[heads]], best)

    def path(self, end: int) -> list[Step]:
        graph, group = self.graph, int(self.group_of_end[end])
        vertex = int(graph.end_vertex[end])
        steps = [Step("/".join(graph.end_pin[end]), float(graph.end_delay[end, self.column]))]
        while (arc := self._arc_before(vertex, group)) is not None:
            steps.append(Step("/".join(graph.names[vertex]), float(graph.arc_delay[arc, self.column])))
            vertex = int(graph.arcs[arc, 0])
        at = self.arrival[vertex, group]
        begin = np.flatnonzero((graph.start_vertex == vertex) & (self._start_group == group)
                               & np.isclose(self._start, at, atol=1e-9))[0]
        own = float(graph.start_delay[begin, self.column])
        return [Step("clock", float(at) - own), Step("/".join(graph.names[vertex]), own), *reversed(steps)]

    def last_wire(self, end: int) -> int:
        """The node of the last input pin on the path that decides an end; -1 if the path does not leave its site."""
        graph, group = self.graph, int(self.group_of_end[end])
        node, vertex = int(graph.end_node[end]), int(graph.end_vertex[end])
        while node < 0 and (arc := self._arc_before(vertex, group)) is not None:
            node, vertex = int(graph.arc_node[arc]), int(graph.arcs[arc, 0])
        return node

    def _arc_before(self, vertex: int, group: int) -> int | None:
        """The arc by which a vertex is reached latest or earliest; none where the path begins."""
        arcs = np.flatnonzero(self.graph.arcs[:, 1] == vertex)
        came = self.arrival[self.graph.arcs[arcs, 0], group] + self.graph.arc_delay[arcs, self.column]
        hit = arcs[np.isclose(came, self.arrival[vertex, group], atol=1e-9)]
        return int(hit[0]) if len(hit) else None


def _levels(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """An order of the arcs in which each comes after all that lead to its source, by target within a level.

    Also where each level begins in it, and the end.
    """
    source, target = graph.arcs.T
    level = np.zeros(len(graph.names), np.int64)
    for _ in range(min(len(graph.names), _DEEPEST) + 1):
        deeper = level.copy()
        np.maximum.at(deeper, target, level[source] + 1)
        if np.array_equal(deeper, level):
            break
        level = deeper
    else:
        raise PynqBnnError("the circuit has a loop of logic without a register, so it has no clock period: at "
                           + "/".join(graph.names[int(level.argmax())]))
    order = np.lexsort((target, level[target]))
    counts = np.bincount(level[target]) if len(target) else np.zeros(1, np.int64)
    ends = np.cumsum(counts[counts > 0])
    return order, np.r_[0, ends]


def analyse(circuit: Circuit) -> Analysis:
    """The setup and hold slack of every end in a configuration.

    Raises
    ------
    PynqBnnError
        A cell's timing is not known, or the logic has a loop.
    """
    graph, routes = timing_graph(circuit)
    return analyse_graph(graph, Clocks(graph, routes))


def analyse_graph(graph: Graph, clocks: Clocks) -> Analysis:
    """As :func:`analyse`, of a timing graph."""
    start_group, start_clock = clocks.at(graph.start_clock)
    end_group, end_clock = clocks.at(graph.end_clock)
    count = len(clocks.groups)
    late = _Arrivals(graph, start_group, start_clock, count, late=True)
    early = _Arrivals(graph, start_group, start_clock, count, late=False)
    setup_needs = np.array([needs.setup for needs in graph.end_needs])
    hold_needs = np.array([needs.hold for needs in graph.end_needs])
    shared = {late: _shared(clocks, SLOW_MOST, SLOW_LEAST), early: _shared(clocks, FAST_MOST, FAST_LEAST)}
    at = {way: way.arrival[graph.end_vertex] + graph.end_delay[:, way.column, None] for way in (late, early)}
    known = end_group >= 0
    # Per launching group, so that each pair's common part can be given back.
    setup = end_clock[:, SLOW_LEAST, None] + shared[late][end_group] - at[late]
    hold = at[early] - end_clock[:, FAST_MOST, None] + shared[early][end_group]
    for way, slack in ((late, setup), (early, hold)):
        slack[~known] = np.inf
        way.group_of_end = slack.argmin(axis=1)
    return Analysis(graph, setup.min(axis=1) - setup_needs, hold.min(axis=1) - hold_needs, end_group, clocks,
                    late, early)


def _shared(clocks: Clocks, late: int, early: int) -> np.ndarray:
    """By capturing and launching group what their clocks share; infinite for two different clocks."""
    groups = clocks.groups
    return np.array([[mine.common(other, late, early) if mine.source == other.source else np.inf for other in groups]
                     for mine in groups]).reshape(len(groups), -1)
