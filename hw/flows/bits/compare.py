"""Layout against schematic: whether two netlists are the same circuit, register by register and table by table.

Names and places say nothing here. Both netlists are coloured together: a block's colour is what it is, how it is set
and the colours of what it reads; a table's is its function of the colours of its inputs. Colours are refined until
nothing changes. Blocks of one colour then have, cycle for cycle, the same inputs and the same next state, so that equal
colours at the processing system's pins prove the two circuits equal (a bisimulation); and each colour must have as many
blocks in one netlist as in the other.

Refining works on samples first: a colour is 128 random bits, and a table is evaluated on the bits of its inputs, which
NumPy does for all tables of a level at once. Samples can miss a difference that shows rarely, so exact functions, by
hash, go on where the samples end.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pynq_bnn.errors import PynqBnnError

from .netlist import XORCY, Block, Net, Netlist, Table, reduced

_SAMPLES = 128
_CONSTANTS = {"0": 0, "1": 1}
# Pins of blocks that a netlist may leave open, and what the bits must give them then; others may read any constant.
_IDLE = {"RSTRAMARSTRAM": "0", "RSTRAMB": "0", "RSTREGARSTREG": "0", "RSTREGB": "0"}
_SHOWN = 8
_ROUNDS_AFTER_DIFFERENCE = 12


@dataclass(frozen=True)
class Difference:
    """Why two netlists are not the same circuit: lines of text, the nearest to the cause first."""

    lines: tuple[str, ...]


class _Side:
    """One netlist with buffers taken out, cut down to what the processing system sees, its nets numbered."""

    def __init__(self, netlist: Netlist) -> None:
        self._alias: dict[int, Net] = {}
        for block in netlist.blocks:
            if block.kind in ("BUFG", "BUFH"):
                self._alias[block.outputs["O"]] = block.inputs["I"]
        tables: dict[int, Table] = {}
        for table in netlist.tables:
            if not table.inputs:
                self._alias[table.output] = str(table.init & 1)
            elif len(table.inputs) == 1 and table.init == 0b10:
                self._alias[table.output] = table.inputs[0]
            else:
                tables[table.output] = table
        # Constants and buffers that were found make further tables constants and buffers.
        self.tables: dict[int, Table] = {}
        self._simplify(tables)
        self.blocks = [block for block in netlist.blocks if block.kind not in ("BUFG", "BUFH")]
        self._keep_visible()

    def net(self, net: Net) -> Net:
        while isinstance(net, int) and net in self._alias:
            net = self._alias[net]
        return net

    def _simplify(self, tables: Mapping[int, Table]) -> None:
        waiting = dict(tables)
        changed = True
        while changed:
            changed = False
            for output, table in list(waiting.items()):
                init, nets, pins = reduced(table.init, tuple(map(self.net, table.inputs)), table.pins)
                same = self._carry_made_again(init, nets, waiting)
                if same is not None:
                    self._alias[output] = same
                    del waiting[output]
                    changed = True
                elif not nets or (len(nets) == 1 and init == 0b10):
                    self._alias[output] = nets[0] if nets else str(init & 1)
                    del waiting[output]
                    changed = True
                else:
                    waiting[output] = Table(init, nets, output, table.place, pins)
        self.tables = waiting

    def _carry_made_again(self, init: int, nets: tuple[Net, ...], tables: Mapping[int, Table]) -> Net | None:
        """The net that an exclusive or of a and (a xor b) is, namely b.

        Sum and carry of a bit share an output of a slice; where both are needed, place and route makes the carry again
        from the next sum.
        """
        if init != XORCY or len(nets) != 2:
            return None
        for first, second in (nets, nets[::-1]):
            inner = tables.get(second) if isinstance(second, int) else None
            if inner is not None and inner.init == XORCY and len(inner.inputs) == 2:
                pair = [self.net(net) for net in inner.inputs]
                if first in pair:
                    return pair[1 - pair.index(first)]
        return None

    def _keep_visible(self) -> None:
        owner = {net: block for block in self.blocks for net in block.outputs.values()}
        seen_tables: set[int] = set()
        seen_blocks: set[int] = set()
        waiting: list[Block] = [block for block in self.blocks if block.kind == "PS7"]
        while waiting:
            block = waiting.pop()
            if id(block) in seen_blocks:
                continue
            seen_blocks.add(id(block))
            nets = [self.net(net) for net in block.inputs.values()]
            while nets:
                net = nets.pop()
                if net in self.tables and net not in seen_tables:
                    seen_tables.add(int(net))
                    nets += map(self.net, self.tables[int(net)].inputs)
                elif net in owner:
                    waiting.append(owner[int(net)])
        self.tables = {net: table for net, table in self.tables.items() if net in seen_tables}
        self.blocks = [block for block in self.blocks if id(block) in seen_blocks]

    def levels(self) -> list[list[Table]]:
        """Tables in layers, each reading only what layers before it and blocks drive.

        Raises
        ------
        ValueError
            The tables form a loop.
        """
        level: dict[int, int] = {}
        for start in self.tables:
            stack = [start]
            while stack:
                net = stack[-1]
                reads = [n for n in self.tables[net].inputs if n in self.tables]
                missing = [int(n) for n in reads if n not in level]
                if not missing:
                    level[net] = 1 + max((level[int(n)] for n in reads), default=-1)
                    stack.pop()
                elif len(stack) > len(self.tables):
                    raise ValueError("the tables form a loop")
                else:
                    stack += missing
        layers: list[list[Table]] = [[] for _ in range(1 + max(level.values(), default=-1))]
        for net, number in level.items():
            layers[number].append(self.tables[net])
        return layers


def settings_key(block: Block) -> str:
    """What must be equal about two blocks, apart from what they read."""
    shown = {name: value for name, value in block.settings.items() if name != "init"}
    return f"{block.kind} {sorted(shown.items())}"


class _Coloring:
    """Both sides' nets in one row of numbers, with the constants 0 and 1 before them."""

    def __init__(self, sides: Sequence[_Side], pins: Mapping[str, frozenset[str]]) -> None:
        self.sides, self._pins = sides, pins
        self.number: list[dict[Net, int]] = []
        count = 2
        for side in sides:
            numbers: dict[Net, int] = dict(_CONSTANTS)
            for net in [*side.tables, *(net for block in side.blocks for net in block.outputs.values())]:
                numbers[net] = count
                count += 1
            self.number.append(numbers)
        self.count = count
        self._check_driven()
        self.samples = np.zeros((count, _SAMPLES), np.uint8)
        self.samples[1] = 1
        self._prepare_tables()
        self._prepare_blocks()

    def _check_driven(self) -> None:
        for side, numbers in zip(self.sides, self.number, strict=True):
            readers = [(table.place, table.inputs) for table in side.tables.values()]
            readers += [(block.place, tuple(block.inputs.values())) for block in side.blocks]
            for place, nets in readers:
                if any(side.net(net) not in numbers for net in nets):
                    raise PynqBnnError(f"{place} reads a net that nothing drives; the netlist is not whole")

    def _prepare_tables(self) -> None:
        self._steps: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        layers: dict[tuple[int, int], list[tuple[list[int], int, int]]] = defaultdict(list)
        self._layers = [side.levels() for side in self.sides]
        for sides_layers, numbers in zip(self._layers, self.number, strict=True):
            for level, tables in enumerate(sides_layers):
                for table in tables:
                    layers[level, len(table.inputs)].append(
                        ([numbers[net] for net in table.inputs], table.init, numbers[table.output]))
        for _, rows in sorted(layers.items()):
            inputs = np.array([row[0] for row in rows])
            width = inputs.shape[1]
            values = np.array([[row[1] >> place & 1 for place in range(1 << width)] for row in rows], np.uint8)
            self._steps.append((inputs, values, np.array([row[2] for row in rows])))

    def _prepare_blocks(self) -> None:
        self.blocks: list[tuple[int, Block, bytes, list[int], list[tuple[str, int]]]] = []
        for place, side in enumerate(self.sides):
            numbers = self.number[place]
            for block in side.blocks:
                pins = sorted(self._pins.get(block.kind, frozenset(block.inputs)) & block.inputs.keys())
                reads = [numbers[side.net(block.inputs[pin])] for pin in pins]
                key = f"{settings_key(block)} {pins if block.kind not in ('FF',) else ''}".encode()
                outputs = [(pin, numbers[net]) for pin, net in sorted(block.outputs.items())]
                self.blocks.append((place, block, key, reads, outputs))
        self._digests = [hashlib.blake2b(key, digest_size=16).digest() for _, _, key, _, _ in self.blocks]
        self._paint(self._digests)

    def _paint(self, digests: Iterable[bytes]) -> None:
        rows, values = [], []
        for (_, _block, _, _, outputs), digest in zip(self.blocks, digests, strict=True):
            for pin, net in outputs:
                rows.append(net)
                values.append(hashlib.blake2b(digest + pin.encode(), digest_size=_SAMPLES // 8).digest())
        bits = np.unpackbits(np.frombuffer(b"".join(values), np.uint8).reshape(-1, _SAMPLES // 8), axis=1)
        self.samples[rows] = bits

    def evaluate(self) -> None:
        """All tables on the samples of the blocks' outputs."""
        for inputs, values, outputs in self._steps:
            index = np.zeros((len(inputs), _SAMPLES), np.uint8)
            for number in range(inputs.shape[1]):
                index |= self.samples[inputs[:, number]] << np.uint8(number)
            self.samples[outputs] = np.take_along_axis(values, index.astype(np.intp), axis=1)

    def step(self) -> list[bytes]:
        """The next colour of each block, painted on its outputs; colours split and never join."""
        self.evaluate()
        packed = np.packbits(self.samples, axis=1)
        rows = [packed[net].tobytes() for net in range(self.count)]
        self._digests = [hashlib.blake2b(before + b"".join([rows[net] for net in reads]), digest_size=16).digest()
                         for before, (_, _, _, reads, _) in zip(self._digests, self.blocks, strict=True)]
        self._paint(self._digests)
        return self._digests

    def exact_step(self, colors: Sequence[int]) -> list[int]:
        """The next colour of each block, from ``colors``, with tables as exact functions instead of samples."""
        known: dict[object, int] = {"0": 0, "1": 1}
        net_color: dict[int, int] = {0: 0, 1: 1}
        for (_, _block, _, _, outputs), color in zip(self.blocks, colors, strict=True):
            for pin, net in outputs:
                net_color[net] = known.setdefault((color, pin), len(known))
        for layers, numbers in zip(self._layers, self.number, strict=True):
            for tables in layers:
                for table in tables:
                    net_color[numbers[table.output]] = _function_color(table, numbers, net_color, known)
        return [known.setdefault((key, tuple(net_color[net] for net in reads)), len(known))
                for _, _, key, reads, _ in self.blocks]


def _function_color(table: Table, numbers: Mapping[Net, int], colors: Mapping[int, int],
                    known: dict[object, int]) -> int:
    inputs = [colors[numbers[net]] for net in table.inputs]
    if min(inputs) < 2 or len(set(inputs)) < len(inputs):
        init, inputs = _reduced(table.init, tuple(inputs))
        if not inputs:
            return init & 1
        if len(inputs) == 1 and init == 0b10:
            return inputs[0]
    else:
        init = table.init
    order = sorted(range(len(inputs)), key=inputs.__getitem__)
    return known.setdefault((tuple(inputs[number] for number in order), _permuted(init, tuple(order))), len(known))


def _reduced(init: int, inputs: tuple[int, ...]) -> tuple[int, list[int]]:
    """The table without constant and equal inputs, which are colours; the first two are the constants."""
    shape: tuple[Net, ...] = tuple(str(color) if color < 2 else 2 + inputs.index(color) for color in inputs)
    init, nets = _reduced_shape(init, shape)
    return init, [inputs[int(net) - 2] for net in nets]


@cache
def _reduced_shape(init: int, shape: tuple[Net, ...]) -> tuple[int, tuple[Net, ...]]:
    return reduced(init, shape)[:2]


@cache
def _permuted(init: int, order: tuple[int, ...]) -> int:
    """The table whose input n is the input ``order[n]`` of the one given."""
    if order == tuple(range(len(order))):
        return init
    result = 0
    for row in range(1 << len(order)):
        old = sum((row >> place & 1) << number for place, number in enumerate(order))
        result |= (init >> old & 1) << row
    return result


def compare(found: Netlist, expected: Netlist) -> Difference | None:
    """Where the circuit ``found`` (from bits) is not ``expected`` (as synthesized); None where they are the same."""
    sides = _Side(found), _Side(expected)
    open_pins = _open_pins(*sides)
    if open_pins:
        return Difference(tuple(open_pins))
    pins = {kind: frozenset(pin for block in sides[1].blocks if block.kind == kind for pin in block.inputs)
            for kind in {block.kind for block in sides[1].blocks}}
    coloring = _Coloring(sides, pins)
    groups, rounds_alike = 0, 0
    while rounds_alike < 3:
        digests = coloring.step()
        if _unbalanced(coloring, digests):
            return _nearest(coloring, digests)
        rounds_alike = rounds_alike + 1 if len(set(digests)) == groups else 0
        groups = len(set(digests))
    return _compare_exactly(coloring, digests)


def _nearest(coloring: _Coloring, digests: Sequence[bytes]) -> Difference:
    """What differs, from the round that shows the least of it.

    Early colours are coarse, so that many blocks share the colour of a wrong one; with every later round a fault
    colours what lies behind it.
    """
    blocks: list[str] = []
    tables: list[str] = []
    least = len(coloring.blocks) + 1
    for _ in range(_ROUNDS_AFTER_DIFFERENCE):
        wrong = _unbalanced(coloring, digests)
        if wrong and len(wrong) < least:
            least, blocks = len(wrong), _explain(coloring, wrong)
        # Wrong tables show in the first round that tells their inputs apart; later ones show their victims too.
        tables = tables or _strange_tables(coloring)
        digests = coloring.step()
    return Difference((*tables, *blocks))


def _compare_exactly(coloring: _Coloring, digests: Sequence[bytes]) -> Difference | None:
    numbers = {digest: number for number, digest in enumerate(dict.fromkeys(digests))}
    colors = [numbers[digest] for digest in digests]
    while True:
        following = coloring.exact_step(colors)
        # A colour splits where its members go on differently; it never joins with another.
        pairs: dict[tuple[int, int], int] = {}
        split = [pairs.setdefault(pair, len(pairs)) for pair in zip(colors, following, strict=True)]
        wrong = _unbalanced(coloring, split)
        if wrong:
            return Difference(tuple(_explain(coloring, wrong)))
        if len(pairs) == len(set(colors)):
            return _compare_values(coloring, colors)
        colors = split


def _compare_values(coloring: _Coloring, colors: Sequence[int]) -> Difference | None:
    """Initial values: the netlist's must be in the bits, and registers of one colour must begin as one.

    Where the netlist leaves a value open, what the bits give is right, but blocks that were taken for one are so only
    if they begin alike.
    """
    begins: list[dict[int, set[object]]] = [defaultdict(set), defaultdict(set)]
    for (place, block, *_), color in zip(coloring.blocks, colors, strict=True):
        if block.settings.get("init", -1) != -1:
            begins[place][color].add(block.settings["init"])
    lines = []
    for (place, block, *_), color in zip(coloring.blocks, colors, strict=True):
        found, wanted = begins[0][color], begins[1][color]
        if place == 0 and (len(found) > 1 or (wanted and found != wanted)):
            lines.append(f"{block.place} begins with {block.settings['init']}, where the netlist wants "
                         f"{wanted or 'registers of one kind alike'}")
    return Difference(tuple(lines[:_SHOWN])) if lines else None


def _unbalanced(coloring: _Coloring, colors: Sequence[object]) -> list[int]:
    """The blocks, by number, whose colour one side has more of."""
    counts: Counter[object] = Counter()
    for (place, *_), color in zip(coloring.blocks, colors, strict=True):
        counts[color] += 1 if place == 0 else -1
    return [number for number, color in enumerate(colors) if counts[color]]


def _explain(coloring: _Coloring, wrong: Sequence[int]) -> list[str]:
    lines = []
    for side, name in enumerate(("the bits", "the netlist")):
        blocks = [coloring.blocks[number][1] for number in wrong if coloring.blocks[number][0] == side]
        lines += [f"only in {name}: {block.kind} {block.place}, which reads {_reads(coloring.sides[side], block)}"
                  for block in blocks[:_SHOWN]]
        if len(blocks) > _SHOWN:
            lines.append(f"… and {len(blocks) - _SHOWN} more in {name}")
    return lines


def _strange_tables(coloring: _Coloring) -> list[str]:
    """Tables of the bits whose colour no net of the netlist has, those that read only known colours first."""
    packed = np.packbits(coloring.samples, axis=1)
    known = {packed[net].tobytes() for net in coloring.number[1].values()}
    side, numbers = coloring.sides[0], coloring.number[0]
    strange = {net for net in side.tables if packed[numbers[net]].tobytes() not in known}
    return [f"only in the bits: the table {table.place}, {table.init:#x} of ({', '.join(table.pins)})"
            for net, table in side.tables.items() if net in strange and not strange.intersection(table.inputs)][:_SHOWN]


def _reads(side: _Side, block: Block) -> str:
    shown = []
    for pin, net in sorted(block.inputs.items())[:_SHOWN]:
        net = side.net(net)
        where = side.tables[int(net)].place if net in side.tables else net
        shown.append(f"{pin} from {where}")
    return ", ".join(shown)


def _open_pins(found: _Side, expected: _Side) -> list[str]:
    """Pins that the netlist leaves open: in the bits they must be constants that do nothing."""
    known: dict[str, set[str]] = defaultdict(set)
    for block in expected.blocks:
        known[block.kind] |= block.inputs.keys()
    lines = []
    for block in found.blocks:
        for pin, net in block.inputs.items():
            value = found.net(net)
            if pin not in known.get(block.kind, set()) and (value not in ("0", "1") or value != _IDLE.get(pin, value)):
                lines.append(f"{block.place}/{pin} reads {value}, where the netlist leaves it open")
    return lines
