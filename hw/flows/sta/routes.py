"""Delays of routed nets, by the model of Project X-Ray's database.

A switch has a delay of its own and an output resistance; a node has the resistance and capacitance of all its wires. A
resistance delays by what it charges (Elmore): a switch's the whole node with everything open behind it, a node's half
of itself and all that hangs on it. Buffers show the node before them their input capacitance, pass transistors all that
is behind them. Ohms times femtofarads are 10⁻⁶ ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flows.bits.circuit import Circuit
from flows.device import Device

_NANOSECONDS = 1e-6
# Of the wires of a vertical long line only two count: the database has the others in the delay of its switches.
_LONG_LINE, _COUNTED = "LV", 2


def _number(value: Any) -> float:
    return float(value) if value is not None else 0.0


def delay_of(about: Mapping[str, Any] | None) -> np.ndarray:
    """The four delays (ns) of a switch or pin: fast least and most, slow least and most; 0 where none is known."""
    return np.array([float(value) for value in (about or {}).get("delay") or (0, 0, 0, 0)])


def node_loads(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Resistance (Ω) and capacitance (fF) of the wires of every node, (wires,) each, by the node's number."""
    tables, long_lines = {}, {}
    for name, kind in device.types.items():
        wires = [kind.about["wires"][wire] or {} for wire in kind.wires]
        tables[name] = np.array([(_number(wire.get("res")), _number(wire.get("cap"))) for wire in wires]).reshape(-1, 2)
        long_lines[name] = np.array([wire.startswith(_LONG_LINE) for wire in kind.wires], bool)
    both = np.concatenate([tables[tile.kind] for tile in device.tiles.values()])
    is_long = np.concatenate([long_lines[tile.kind] for tile in device.tiles.values()]) & (both[:, 1] > 0)
    count = np.bincount(device.node_of[is_long], minlength=device.wires)
    weight = np.ones(device.wires)
    weight[is_long] = np.minimum(1.0, _COUNTED / count[device.node_of[is_long]])
    return tuple(np.bincount(device.node_of, both[:, column] * weight, device.wires)  # type: ignore[return-value]
                 for column in (0, 1))


class Routes:
    """Delays from the first node of a net to each of its nodes.

    ``sinks`` are the nodes of all pins that read something, and ``output_resistance`` (Ω) that of the pins that drive
    nets, by node; ``loads`` are those of :func:`node_loads`. Switches that lead to no sink load nothing.

    Attributes
    ----------
    nodes : np.ndarray
        The nodes on the way, ascending.
    delay : np.ndarray
        (nodes, 4) ns, from the driving pin to the end of each node.
    unloaded : np.ndarray
        The same of the switches alone.
    """

    def __init__(self, circuit: Circuit, sinks: np.ndarray, output_resistance: Mapping[int, float],
                 loads: tuple[np.ndarray, np.ndarray]) -> None:
        self.nodes, depth = self._on_the_way(circuit.source, np.unique(sinks))
        source = circuit.source[self.nodes]
        inner = np.flatnonzero(source >= 0)
        self._parent = np.full(len(self.nodes), -1, np.int64)
        self._parent[inner] = np.searchsorted(self.nodes, source[inner])
        own, resistance, load_before, is_pass = self._switches(circuit)
        for row in np.flatnonzero(source < 0).tolist():
            resistance[row] = output_resistance.get(int(self.nodes[row]), 0.0)
        wire_resistance, wire_load = (values[self.nodes] for values in loads)
        behind = self._loads_behind(depth, wire_load, load_before, is_pass)
        total = behind + wire_load
        rc = (resistance * total + wire_resistance * (wire_load / 2 + behind)) * _NANOSECONDS
        self.delay, self.unloaded = own + rc[:, None], own
        for level in self._levels(depth)[1:]:
            self.delay[level] += self.delay[self._parent[level]]
            self.unloaded[level] += self.unloaded[self._parent[level]]

    @staticmethod
    def _on_the_way(source: np.ndarray, sinks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All nodes from the sinks back to the first ones, and how many switches each is from its first."""
        seen, front = [sinks], sinks
        while len(front := np.unique(source[front])) and (front := front[front >= 0]).size:
            seen.append(front)
        nodes = np.unique(np.concatenate(seen))
        parent = source[nodes]
        place = np.where(parent >= 0, np.searchsorted(nodes, parent), -1)
        depth = np.zeros(len(nodes), np.int64)
        above = place
        while (above >= 0).any():
            depth += above >= 0
            above = np.where(above >= 0, place[above], -1)
        return nodes, depth

    @staticmethod
    def _levels(depth: np.ndarray) -> list[np.ndarray]:
        order = np.argsort(depth, kind="stable")
        return np.split(order, np.cumsum(np.bincount(depth))[:-1])

    def _switches(self, circuit: Circuit) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of the switch into each node: delay, output resistance, input capacitance, and whether it is no buffer."""
        count = len(circuit.switches)
        own, numbers, is_pass = np.zeros((count + 1, 4)), np.zeros((count + 1, 2)), np.zeros(count + 1, bool)
        for row, (kind, name) in enumerate(circuit.switches):
            pip = kind.pips[name]
            about = pip.get("src_to_dst") or {}
            own[row] = delay_of(about)
            numbers[row] = _number(about.get("res")), _number(about.get("in_cap"))
            is_pass[row] = bool(int(pip.get("is_pass_transistor") or 0))
        which = circuit.switch[self.nodes]  # -1, the last row, where no switch is
        return own[which], numbers[which, 0].copy(), numbers[which, 1], is_pass[which]

    def _loads_behind(self, depth: np.ndarray, wire_load: np.ndarray, load_before: np.ndarray,
                      is_pass: np.ndarray) -> np.ndarray:
        behind = np.zeros(len(self.nodes))
        for level in reversed(self._levels(depth)[1:]):
            shown = np.where(is_pass[level], behind[level] + wire_load[level], load_before[level])
            np.add.at(behind, self._parent[level], shown)
        return behind

    def to(self, nodes: np.ndarray, loaded: bool = True) -> np.ndarray:
        """The delays (N, 4) to nodes on the way; those of the switches alone if not ``loaded``."""
        return (self.delay if loaded else self.unloaded)[np.searchsorted(self.nodes, nodes)]
