"""Nets as the closed switches make them: from every site pin back to the pin that drives it.

Each node has at most one source: a switch that its tile's bits close, a connection that is always there, or what the
database calls a default, which holds where nothing else drives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from flows.device import Device, TileType
from flows.device.database import Site, Tile
from pynq_bnn.errors import PynqBnnError

from .features import Layouts, TileFeatures

GROUND, SUPPLY = "0", "1"
# Wires that are constants by themselves.
_CONSTANT_WIRES = {"GND_WIRE": GROUND, "VCC_WIRE": SUPPLY, "DSP_GND_L": GROUND, "DSP_GND_R": GROUND,
                   "DSP_VCC_L": SUPPLY, "DSP_VCC_R": SUPPLY}


@dataclass(frozen=True)
class SiteInstance:
    """A site of the device: its name, its type in the grid, its tile, what the tile type says of it."""

    name: str
    kind: str
    tile: Tile
    about: Site


def site_instances(device: Device, tile: Tile) -> list[SiteInstance]:
    """The sites of a tile. The grid names them by place on the device, the tile type by place in the tile."""
    left = {name: _split(name) for name in tile.sites}
    result = []
    for prefix in {prefix for prefix, _, _ in left.values()}:
        named = sorted((x, y, name) for name, (kind, x, y) in left.items() if kind == prefix)
        typed = sorted((site for site in device.types[tile.kind].sites if site.prefix == prefix),
                       key=lambda site: (site.x, site.y))
        result += [SiteInstance(name, tile.sites[name], tile, site)
                   for (_, _, name), site in zip(named, typed, strict=True)]
    return result


def _split(name: str) -> tuple[str, int, int]:
    prefix, _, place = name.rpartition("_X")
    x, _, y = place.partition("Y")
    return prefix, int(x), int(y)


class Circuit:
    """The routing of a configuration.

    ``source`` (wires,) int32 is the node before each node, -1 where nothing is; ``explicit`` marks the nodes that are
    driven through a switch that bits close. ``switch`` (wires,) int32 is the kind of switch into each node, a place in
    ``switches`` (tile type, name of the switch), -1 where nothing is.

    Raises
    ------
    PynqBnnError
        Bits close two switches into one node.
    """

    def __init__(self, device: Device, layouts: Layouts, features: Mapping[str, TileFeatures]) -> None:
        self.device = device
        self.features = features
        self.source = np.full(device.wires, -1, np.int32)
        self.explicit = np.zeros(device.wires, bool)
        self.switch = np.full(device.wires, -1, np.int32)
        self.switches: list[tuple[TileType, str]] = []
        self._switch_number: dict[tuple[str, str], int] = {}
        self._close_switches()
        self._connect("always")
        self._connect("default")
        self._connect_clear(layouts)
        self._connect_block_inputs()
        self._root = self._find_roots()

    def _number(self, kind: TileType, name: str) -> int:
        number = self._switch_number.setdefault((kind.kind, name), len(self.switches))
        if number == len(self.switches):
            self.switches.append((kind, name))
        return number

    def _close_switches(self) -> None:
        targets, sources, names, switches = [], [], [], []
        for tile, says in self.features.items():
            kind = self.device.types[self.device.tiles[tile].kind]
            first = self.device.first_wire[tile]
            for name in says.names:
                pip = kind.pips.get(name)
                if pip is not None:
                    targets.append(first + kind.wire_number[pip["dst_wire"]])
                    sources.append(first + kind.wire_number[pip["src_wire"]])
                    names.append((tile, name))
                    switches.append(self._number(kind, name))
        target = self.device.node_of[np.array(targets, np.int64)]
        source = self.device.node_of[np.array(sources, np.int64)]
        order = np.argsort(target, kind="stable")
        twice = order[1:][(np.diff(target[order]) == 0) & (np.diff(source[order]) != 0)]
        if len(twice):
            tile, name = names[twice[0]]
            other = names[order[int(np.flatnonzero(order == twice[0])[0]) - 1]]
            raise PynqBnnError(f"two switches drive {self.device.wire_name(int(target[twice[0]]))}: "
                               f"{tile}.{name} and {other[0]}.{other[1]} ({len(twice)} such nodes)")
        self.source[target] = source
        self.explicit[target] = True
        self.switch[target] = switches

    def _pips_of(self, how: str) -> Iterator[tuple[TileType, list[str]]]:
        for kind in self.device.types.values():
            names = [name for name, says in kind.fixed_pips.items() if says == how and name in kind.pips
                     # A switch through a site is the site's affair.
                     and kind.pips[name]["is_pseudo"] == "0"]
            if names:
                # The outputs of a block RAM's three sites share their wires; that of 36 Kbit is the one looked at.
                yield kind, sorted(names, key=lambda name: "FIFO18" in name or "RAMB18" in name)

    def _connect(self, how: str) -> None:
        for kind, names in self._pips_of(how):
            self._connect_undriven(kind, names)

    def _connect_clear(self, layouts: Layouts) -> None:
        """Switches that are closed by clear bits alone, where no other switch drives the wire."""
        for kind in self.device.types.values():
            names = [name for name, bits in layouts.block(kind.kind, "CLB_IO_CLK").bits.items()
                     if name in kind.pips and not any(is_set for is_set, _, _ in bits)]
            self._connect_undriven(kind, names)

    def _connect_block_inputs(self) -> None:
        """Inputs of DSPs that a tile's bits can tie; untied, they read the wire from outside, which has no bits."""
        for name in ("DSP_L", "DSP_R"):
            kind = self.device.types[name]
            tied = {feature.partition(".")[0] for feature in kind.segment_bits("CLB_IO_CLK") if feature in kind.pips}
            self._connect_undriven(kind, [pip for pip, says in kind.pips.items() if says["dst_wire"] in tied
                                          and says["src_wire"] not in _CONSTANT_WIRES])

    def _connect_undriven(self, kind: TileType, names: list[str]) -> None:
        if not names:
            return
        first = np.array([self.device.first_wire[tile.name] for tile in self.device.tiles.values()
                          if tile.kind == kind.kind], np.int64)
        for name in names:
            pip = kind.pips[name]
            target = self.device.node_of[first + kind.wire_number[pip["dst_wire"]]]
            source = self.device.node_of[first + kind.wire_number[pip["src_wire"]]]
            free = (self.source[target] < 0) & (target != source)
            self.source[target[free]] = source[free]
            self.switch[target[free]] = self._number(kind, name)

    def _find_roots(self) -> np.ndarray:
        """The first node of each node's net, by doubling the steps until nothing changes."""
        root = np.where(self.source >= 0, self.source, np.arange(len(self.source), dtype=np.int32))
        for _ in range(12):  # chains of up to 4,096 switches
            further = root[root]
            if np.array_equal(further, root):
                return root
            root = further
        raise PynqBnnError("the closed switches form a loop")

    def constant(self, node: int) -> str | None:
        """0 or 1 where a node is a constant by itself."""
        return _CONSTANT_WIRES.get(self.device.wire_name(node).partition("/")[2])

    def node(self, site: SiteInstance, pin: str) -> int:
        """The node of a site's pin."""
        return self.device.node(site.tile.name, site.about.pins[pin])

    def root(self, site: SiteInstance, pin: str) -> int:
        """The first node of the net that a site's pin is on."""
        return int(self._root[self.node(site, pin)])

    def first(self, node: int) -> int:
        """The first node of the net that a node is on."""
        return int(self._root[node])

    def roots(self, nodes: np.ndarray) -> np.ndarray:
        """As :meth:`first`, of many."""
        return self._root[nodes]

    def path(self, node: int) -> list[int]:
        """Nodes from the one given back to the first of its net."""
        nodes = [node]
        while self.source[nodes[-1]] >= 0:
            nodes.append(int(self.source[nodes[-1]]))
        return nodes
