"""What two bitstreams for the board say where a first power-on could go wrong.

``python -m flows.bits.facts A.bit B.bit`` prints, side by side: configuration registers and checksums, the way of the
clocks, I/O banks, and every input of the processing system that is a constant or open in one of them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from flows.device import load_device
from pynq_bnn.errors import PynqBnnError

from . import bitfile
from .bitfile import Bitstream, read_bit
from .circuit import Circuit, SiteInstance, site_instances
from .features import Layouts, read_features
from .netlist import vector_name

_REGISTERS = {"COR0": bitfile.COR0, "COR1": bitfile.COR1, "CTL0": bitfile.CTL0, "CTL1": bitfile.CTL1,
              "MASK": bitfile.MASK, "TIMER": bitfile.TIMER, "WBSTAR": bitfile.WBSTAR, "IDCODE": bitfile.ID}
_CONTROLS = {"BUFGCTRL": ("CE0", "CE1", "S0", "S1", "IGNORE0", "IGNORE1"), "BUFHCE": ("CE",)}
OPEN, NET = "open", "net"
_INPUTS = "Inputs of the processing system"


class Facts:
    """A bitstream as it is read for the comparison."""

    def __init__(self, place: Path) -> None:
        device = load_device()
        layouts = Layouts(device)
        self.bits: Bitstream = read_bit(place, device.part)
        self._features, unknown = read_features(self.bits.frames, layouts)
        self._unknown = len(unknown)
        self._circuit = Circuit(device, layouts, self._features)
        self._sites = [site for tile in device.tiles.values() if tile.name in self._features or "PSS" in tile.kind
                       for site in site_instances(device, tile)]
        self._drivers: dict[int, tuple[SiteInstance, str]] = {}
        for site in self._sites:
            for pin, way in device.site_directions(site.kind).items() if site.kind in _DRIVING else ():
                if way == "OUT" and pin in site.about.pins:
                    self._drivers[self._circuit.node(site, pin)] = site, pin

    def reads(self, site: SiteInstance, pin: str) -> str:
        """0 or 1 for a constant, ``open`` where nothing drives (the device reads 1 there), ``net``."""
        root = self._circuit.root(site, pin)
        return self._circuit.constant(root) or (NET if root in self._drivers else OPEN)

    def general(self) -> dict[str, str]:
        """Header, checksums and registers."""
        rows = {"part": self.bits.part, "checksums over the frames": "yes" if self.bits.checked else "none",
                "set bits without a known meaning": str(self._unknown)}
        return rows | {name: f"{self.bits.registers[number]:#010x}" if number in self.bits.registers else "not written"
                       for name, number in _REGISTERS.items()}

    def clocks(self) -> dict[str, str]:
        """Every clock buffer in use by kind: how many, what drives them, their control pins as the buffer sees them."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for site in self._sites:
            if site.kind in _CONTROLS and self._in_use(site):
                into = "I0" if site.kind == "BUFGCTRL" else "I"
                driver = self._drivers.get(self._circuit.root(site, into))
                source = f"{driver[0].kind}.{driver[1]}" if driver else OPEN
                controls = " ".join(f"{pin}={self._control(site, pin)}" for pin in _CONTROLS[site.kind])
                found[site.kind][f"from {source}, {controls}"] += 1
        return {kind: "; ".join(f"{count} × {what}" for what, count in sorted(rows.items()))
                for kind, rows in sorted(found.items())}

    def _names(self, site: SiteInstance) -> set[str]:
        mine = f"{site.kind}.{site.kind}_X{site.about.x}Y{site.about.y}."
        says = self._features.get(site.tile.name)
        return {name.removeprefix(mine) for name in says.names if name.startswith(mine)} if says else set()

    def _in_use(self, site: SiteInstance) -> bool:
        return "IN_USE" in self._names(site)

    def _control(self, site: SiteInstance, pin: str) -> str:
        value = self.reads(site, pin).replace(OPEN, "1")
        inverts = f"ZINV_{pin}" not in self._names(site)
        return str(1 - int(value)) if inverts and value in "01" else value

    def banks(self) -> dict[str, str]:
        """Tiles of I/O pins and their banks' clock rows that any bit configures, by tile type."""
        kinds = Counter(self._circuit.device.tiles[tile].kind for tile, says in self._features.items()
                        if says.names or says.values)
        chosen = {kind: count for kind, count in kinds.items() if re.search(r"IOB|IOI|CMT|MONITOR|CFG", kind)}
        return {kind: f"{count} tiles" for kind, count in sorted(chosen.items())}

    def outputs(self) -> dict[str, str]:
        """Which of the processing system's clocks and resets anything reads."""
        read = set(self._circuit.roots(np.flatnonzero(self._circuit.explicit)).tolist())
        return {pin: "used" if node in read else "not used" for node, (site, pin) in self._drivers.items()
                if site.kind == "PS7" and pin.startswith(("FCLKCLK", "FCLKRESETN"))}

    def processing_system(self) -> dict[str, str]:
        """What each group of inputs of the processing system reads, highest bit first."""
        site = next(site for site in self._sites if site.kind == "PS7")
        groups: dict[str, dict[int, str]] = defaultdict(dict)
        for pin, way in self._circuit.device.site_directions("PS7").items():
            if way == "IN" and pin in site.about.pins:
                name, number = vector_name(pin)
                groups[name][max(number, 0)] = self.reads(site, pin)
        return {name: _summary([bits[number] for number in sorted(bits, reverse=True)]) for name, bits in groups.items()}


_DRIVING = {"SLICEL", "SLICEM", "RAMBFIFO36E1", "DSP48E1", "BUFGCTRL", "BUFHCE", "PS7"}


def _summary(bits: list[str]) -> str:
    if len(set(bits)) == 1:
        return bits[0] if len(bits) == 1 else f"{bits[0]} ({len(bits)} bits)"
    if set(bits) <= {"0", "1"}:
        return "".join(bits)
    return ", ".join(f"{count} {what}" for what, count in sorted(Counter(bits).items()))


def differences(first: Mapping[str, str], second: Mapping[str, str], missing: str = "none") -> list[tuple[str, str, str]]:
    """All names with what each side has."""
    return [(name, first.get(name, missing), second.get(name, missing)) for name in sorted({**first, **second})]


def compare(first: Facts, second: Facts, every: bool = False) -> str:
    """The comparison as text; rows that differ are marked, equal inputs are only counted unless ``every``."""
    lines = []
    for title, mine, theirs in (("Configuration", first.general(), second.general()),
                                ("Clock buffers", first.clocks(), second.clocks()),
                                ("I/O and configuration tiles", first.banks(), second.banks()),
                                ("Clocks and resets of the processing system", first.outputs(), second.outputs()),
                                (_INPUTS, first.processing_system(), second.processing_system())):
        lines += ["", title]
        rows = differences(mine, theirs)
        if title == _INPUTS and not every:
            rows = [row for row in rows if row[1] != row[2]]
            lines.append(f"  {len(mine) - len(rows)} groups of inputs are equal (--all shows them)")
        for name, one, other in rows:
            lines.append(f"{' ' if one == other else '*'} {name}: {one}" + ("" if one == other else f"  |  {other}"))
    return "\n".join(lines[1:]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="facts", description=__doc__.splitlines()[1])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--all", action="store_true", help="inputs of the processing system that are equal, too")
    options = parser.parse_args()
    print(compare(Facts(options.first), Facts(options.second), options.all), end="")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PynqBnnError as error:
        sys.exit(f"facts: {error}")
