"""The clock that a routed design can take, from nextpnr's files, with delays that it leaves out.

Stock nextpnr-xilinx counts 0.1 ns for a flip-flop's clock-to-output delay, and ends paths at block RAMs, DSPs and the
processing system without counting them. So the paths are walked here: routing and logic as the tool says, launches and
set-ups as below. Not checked: hold, clock skew and uncertainty, paths between clocks (there is one).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynq_bnn.errors import PynqBnnError

# Nanoseconds of -1 fabric, rounded up where the data sheet gives a range: clock to output, and set-up of inputs by the
# beginning of their name ("" for the others).
LAUNCH = {"SLICE_FFX": 0.46, "SLICE_LUTX": 1.63, "RAMB36E1_RAMB36E1": 2.45, "RAMB18E1_RAMB18E1": 2.45,
          "PS7_PS7": 1.45}
REGISTERED_RAM = 0.88  # with its output registers
SETUP: Mapping[str, Mapping[str, float]] = {
    "SLICE_FFX": {"CE": 0.2, "SR": 0.43, "": 0.1},
    "SLICE_LUTX": {"": 0.53},
    "RAMB36E1_RAMB36E1": {"": 0.57},
    "RAMB18E1_RAMB18E1": {"": 0.57},
    "PS7_PS7": {"": 0.8},
}
# A DSP: its registers are M behind the multiplier, P at the output and one at each operand. Clock to output by the last
# of them, set-up before the first; "" is for none. Operand C does not pass the multiplier.
DSP_LAUNCH = {"PREG": 0.43, "MREG": 2.1, "": 4.2}
DSP_SETUP = {"own": 0.36, "MREG": 2.7, "PREG": 3.9, "": 4.2}
DSP_SETUP_C = {"own": 0.2, "PREG": 1.6, "": 2.0}
DSP_CONTROL_SETUP = 0.5
CLOCK_PINS = re.compile(r"CK|CLK|CLK[AB]\w*|REGCLK\w*|\w+ACLK")
# Asynchronous: the reset is synchronised behind it.
FALSE_STARTS = re.compile(r"FCLKRESETN\d*|FCLKCLK\d*")
_LUT_INPUT = re.compile(r"A[1-6]")
PATHS_SHOWN = 10


@dataclass
class Delays:
    """What an SDF file holds: types of cells, delays (ns) of wires and through cells, by cell and pin."""

    kinds: dict[str, str] = field(default_factory=dict)
    wires: list[tuple[str, str, float]] = field(default_factory=list)
    arcs: dict[str, list[tuple[str, str, float]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class TimingPath:
    """A path: its delay (ns), and pins with what each adds."""

    delay: float
    steps: tuple[tuple[str, float], ...]


_WIRE = re.compile(r"\(INTERCONNECT (\S+) (\S+) \(([\d.e+-]+):[\d.e+-]+:([\d.e+-]+)\)")
_ARC = re.compile(r"\(IOPATH (\S+) (\S+) \(([\d.e+-]+):[\d.e+-]+:([\d.e+-]+)\)")


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def read_sdf(lines: Iterable[str]) -> Delays:
    """The delays of an SDF file; the largest of each, picoseconds there."""
    delays, kind, cell = Delays(), "", ""
    for line in lines:
        if match := _WIRE.search(line):
            delays.wires.append((_plain(match[1]), _plain(match[2]), float(match[4]) / 1000))
        elif match := _ARC.search(line):
            delays.arcs[cell].append((_plain(match[1]), _plain(match[2]), float(match[4]) / 1000))
        elif line.lstrip().startswith("(CELLTYPE"):
            kind = _plain(line.strip()[9:-1].strip().strip('"'))
        elif line.lstrip().startswith("(INSTANCE"):
            cell = _plain(line.strip()[9:-1].strip())
            delays.kinds[cell] = kind
    return delays


class Graph:
    """Pins and the delays between them; which pins begin and end paths.

    ``cells`` are those of nextpnr's JSON file: what they were before packing tells which pins count.
    """

    def __init__(self, delays: Delays, cells: Mapping[str, Mapping[str, Any]]) -> None:
        self.next: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self.starts: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self._inputs: dict[str, set[str]] = defaultdict(set)
        self._outputs: dict[str, set[str]] = defaultdict(set)
        for source, target, delay in delays.wires:
            self.next[source].append((target, delay))
            for pins, pin in ((self._outputs, source), (self._inputs, target)):
                cell, _, name = pin.rpartition("/")
                pins[cell].add(name)
        for cell, kind in delays.kinds.items():
            self._add(cell, kind, delays.arcs.get(cell, ()), cells.get(cell, {}))

    def _add(self, cell: str, kind: str, arcs: Iterable[tuple[str, str, float]], about: Mapping[str, Any]) -> None:
        inputs, outputs = self._inputs[cell], self._outputs[cell]
        memory = kind == "SLICE_LUTX" and "CLK" in inputs
        clocked = kind in LAUNCH and (kind != "SLICE_LUTX" or memory)
        if clocked:
            launch = REGISTERED_RAM if _registered(about) else LAUNCH[kind]
            self.starts |= {f"{cell}/{pin}": launch for pin in outputs if not FALSE_STARTS.fullmatch(pin)}
            self.ends |= {f"{cell}/{pin}": _setup(kind, pin) for pin in inputs
                          if not CLOCK_PINS.fullmatch(pin) and not (memory and _LUT_INPUT.fullmatch(pin))}
        if kind == "DSP48E1_DSP48E1":
            arcs = self._add_dsp(cell, about.get("parameters", {}))
        for source, target, delay in arcs:
            if source not in inputs or (memory and not _LUT_INPUT.fullmatch(source)):
                continue
            if kind == "SLICE_LUTX" and f"X_ORIG_PORT_{source}" not in about.get("attributes", {}):
                continue  # a pin that the other LUT of the pair looks at
            if CLOCK_PINS.fullmatch(source):  # what the tool says itself, where that is more
                place = f"{cell}/{target}"
                if place in self.starts:
                    self.starts[place] = max(self.starts[place], delay)
            elif not clocked or memory:
                self.next[f"{cell}/{source}"].append((f"{cell}/{target}", delay))


    def _add_dsp(self, cell: str, parameters: Mapping[str, str]) -> list[tuple[str, str, float]]:
        """Starts and ends of a DSP; the delays of what passes it without a register."""
        has = {name for name in ("AREG", "BREG", "CREG", "DREG", "MREG", "PREG")
               if int(str(parameters.get(name, "1")), 2)}
        if has:
            launch = DSP_LAUNCH[next((name for name in ("PREG", "MREG") if name in has), "")]
            self.starts |= {f"{cell}/{pin}": launch for pin in self._outputs[cell]}
        through = []
        for pin in self._inputs[cell] - {"CLK"}:
            if not re.fullmatch(r"[ABCD]\d+", pin):
                self.ends[f"{cell}/{pin}"] = DSP_CONTROL_SETUP
                continue
            table, own = DSP_SETUP_C if pin[0] == "C" else DSP_SETUP, f"{pin[0]}REG"
            first = "own" if own in has else next((name for name in table if name in has), "")
            if first:
                self.ends[f"{cell}/{pin}"] = table[first]
            else:
                through += [(pin, target, table[""]) for target in self._outputs[cell]]
        return through


def _registered(about: Mapping[str, Any]) -> bool:
    parameters = about.get("parameters", {})
    return all(str(parameters.get(name, "0")).endswith("1") for name in ("DOA_REG", "DOB_REG"))


def _setup(kind: str, pin: str) -> float:
    table = SETUP[kind]
    return next(value for name, value in table.items() if pin.startswith(name))


def worst_paths(graph: Graph) -> list[TimingPath]:
    """The longest path to each end, longest first.

    Raises
    ------
    PynqBnnError
        The logic has a loop.
    """
    waiting: dict[str, int] = defaultdict(int)
    for targets in graph.next.values():
        for target, _ in targets:
            waiting[target] += 1
    arrival = dict(graph.starts)
    came: dict[str, tuple[str, float]] = {}
    ready = [pin for pin in graph.next if not waiting[pin]]
    done = 0
    while ready:
        pin = ready.pop()
        done += 1
        at = arrival.get(pin)
        for target, delay in graph.next.get(pin, ()):
            if at is not None and at + delay > arrival.get(target, -1.0):
                arrival[target], came[target] = at + delay, (pin, delay)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if done < len(waiting.keys() | graph.next.keys()):
        raise PynqBnnError("the routed design has a loop of logic, so its clock cannot be told; check the netlist")
    ends = sorted(((arrival[pin] + setup, pin) for pin, setup in graph.ends.items() if pin in arrival), reverse=True)
    return [TimingPath(delay, _steps(pin, came, graph)) if number < PATHS_SHOWN else TimingPath(delay, ((pin, 0.0),))
            for number, (delay, pin) in enumerate(ends)]


def _steps(pin: str, came: Mapping[str, tuple[str, float]], graph: Graph) -> tuple[tuple[str, float], ...]:
    steps = [("set-up", graph.ends[pin])]
    while pin in came:
        before, delay = came[pin]
        steps.append((pin, delay))
        pin = before
    return ((pin, graph.starts[pin]), *reversed(steps))


def report(paths: list[TimingPath], mhz: float) -> str:
    """The worst paths as text."""
    period = 1000 / mhz
    over = sum(path.delay > period for path in paths)
    lines = [f"{mhz:g} MHz: {period:.3f} ns; worst path {paths[0].delay:.3f} ns ({1000 / paths[0].delay:.1f} MHz); "
             f"{over} of {len(paths)} ends are late",
             "Counted: routing and logic as nextpnr gives them; clock to output "
             + ", ".join(f"{kind.partition('_RAMB')[0]} {delay}" for kind, delay in LAUNCH.items())
             + " ns. Not checked: hold, skew, clock uncertainty."]
    for number, path in enumerate(paths[:PATHS_SHOWN], 1):
        lines += ["", f"#{number}: {path.delay:.3f} ns, slack {period - path.delay:.3f} ns"]
        lines += [f"  {delay:7.3f}  {pin}" for pin, delay in path.steps]
    return "\n".join(lines) + "\n"


def analyse(sdf: Path, routed: Path, mhz: float, written: Path) -> float:
    """Write the report of a routed design, from nextpnr's SDF and JSON files; its worst slack (ns).

    Raises
    ------
    PynqBnnError
        The SDF file has no path, or the logic a loop.
    """
    (module,) = json.loads(routed.read_text(encoding="utf-8"))["modules"].values()
    with sdf.open(encoding="utf-8") as lines:
        paths = worst_paths(Graph(read_sdf(lines), module["cells"]))
    if not paths:
        raise PynqBnnError(f"{sdf} holds no path between registers: this nextpnr writes another kind of SDF")
    written.write_text(report(paths, mhz), encoding="utf-8")
    return 1000 / mhz - paths[0].delay
