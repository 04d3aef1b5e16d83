"""bnn_steps: random nests of loops become the steps that nested Python loops make of them, and wait for their rows."""

from types import SimpleNamespace

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Source, Watch
from hw.geometry import walk_steps
from hw.latencies import LAYER_DONE, TILE_GAP
from hw.records import record

from pynq_bnn.program.fields import Kind

BENCH = Bench("bnn_steps", {
    "simd64": {"SIMD": 64, "RING_DEPTH": 512, "BUFFER_DEPTH": 4096, "ACC_WIDTH": 20},
    "simd32": {"SIMD": 32, "RING_DEPTH": 256, "BUFFER_DEPTH": 4096, "ACC_WIDTH": 12},
    "simd16": {"SIMD": 16, "RING_DEPTH": 256, "BUFFER_DEPTH": 8192, "ACC_WIDTH": 24}})
SEL_BUFFER, SEL_PLANE, SEL_ZERO, SEL_ONES, SEL_MASK = range(5)
STYLES = ["plain", "score", "check", "fc_planes", "window_planes", "copy"]


def test_bnn_steps(simulate):
    simulate(BENCH)


def random_walk(rng, style, **fixed):
    """A nest of loops, and its bits for the output."""
    walk = {name: 0 for name, _, _ in record("bnn_types::walk_t").fields}
    walk.update(values=rng.randint(0, 9999), out_addr=rng.randint(0, 3000), out_part=rng.randint(0, 7),
                pool_first=rng.randint(0, 1), pool_last=rng.randint(0, 1))
    if style in ("window_planes", "copy"):
        walk.update(rows_m1=7, planes=1, from_window=1, copy=style == "copy")
    elif style == "fc_planes":
        words = rng.randint(1, 6)
        walk.update(addr=rng.randint(0, 3000), col_inc=8, row_inc=1 - 8 * (words - 1), cols_m1=words - 1, rows_m1=7,
                    planes=1, weight_row_inc=1 - words)
    else:
        words, columns, rows = rng.randint(1, 4), rng.randint(1, 5), rng.randint(1, 5)
        walk.update(addr=rng.randint(0, 3000), words_m1=words - 1, cols_m1=columns - 1, rows_m1=rows - 1,
                    col_inc=rng.randint(1, 9), row_inc=rng.randint(1, 40), weight=rng.randint(0, 9),
                    weight_row_inc=rng.randint(1, 4), check=style == "check")
        walk["y0"], walk["x0"] = rng.randint(0, rows - 1), rng.randint(0, columns - 1)
        walk["y1"], walk["x1"] = rng.randint(walk["y0"], 6), rng.randint(walk["x0"], 6)
    if style == "score":
        walk.update(pool_first=1, pool_last=1)
    walk.update(fixed)
    return {**walk, "one_word": walk["words_m1"] == 0, "one_col": walk["cols_m1"] == 0}


def last_weight(walk):
    """The last weight row of a nest of loops."""
    return max(step[4] for step in walk_steps(SimpleNamespace(**walk)))


def random_layer(rng, style, tiles=None):
    """Header fields and the walks of each tile."""
    tiles = tiles or rng.randint(1, 3)
    walks = [[random_walk(rng, style) for _ in range(rng.randint(1, 4))] for _ in range(tiles)]
    # As in a layer, each tile's walks meet its last row.
    longest = max((walk for tile in walks for walk in tile), key=last_weight)
    longest = dict(longest)
    for tile in walks:
        tile.insert(rng.randint(0, len(tile)), {**longest, "tile_last": 0})
        tile[-1]["tile_last"] = 1
    rows = 0 if style == "copy" else 2 + (style == "score") + last_weight(longest)
    kind = Kind.PLANES if style == "copy" else Kind.BIN_CONV
    return {"kind": kind, "rows": rows, "tiles": tiles, "score": style == "score"}, walks


def expected_steps(layer, walks, parameters, first_row):
    """(row of all that ever came, what the step is) in order; None as row where there is none."""
    parts, row = 64 // parameters.SIMD, first_row
    for tile in walks:
        if layer["rows"]:
            yield row, {"thresholds": 1}
        for walk in (SimpleNamespace(**fields) for fields in tile):
            steps = [(*step, part) for step in walk_steps(walk) for part in range(parts)]
            for number, step in enumerate(steps):
                yield _step(layer, walk, step, row, number, number == len(steps) - 1, parts)
            for shift in range(1, parameters.ACC_WIDTH if layer["score"] else 1):
                yield row + layer["rows"] - 1, {"part": None, "sel": SEL_ZERO, "twice": 1, "last": 1,
                                                "pool_first": 1, "write": (walk.out_addr + shift, walk.out_part)}
        row += layer["rows"]


def _step(layer, walk, step, row, number, ends, parts):
    y, x, word, addr, weight, part = step
    outside = walk.check and not (walk.y0 <= y <= walk.y1 and walk.x0 <= x <= walk.x1)
    what = {"part": part, "sel": SEL_BUFFER}
    if walk.from_window:
        what.update(sel=SEL_PLANE, plane=y)
    elif outside:
        what["sel"] = SEL_MASK if word == walk.words_m1 else SEL_ONES
    else:
        what["addr"] = addr
    if walk.planes and not walk.from_window:
        what["plane"] = y
    if walk.copy:
        return None, {**what, "copy": 1, "write": (walk.out_addr + y, None) if part == parts - 1 and walk.pool_last
                      else None}
    if number == 0:
        what.update(first=1, values=walk.values)
    elif walk.planes and (x, word, part) == (0, 0, 0):
        what["twice"] = 1
    if ends:
        what.update(last=1, pool_first=walk.pool_first)
        if walk.pool_last:
            what["write"] = walk.out_addr, walk.out_part
    return row + 1 + weight, what


def matches(step, row, what, depth):
    """Whether a step does what is expected; fields that then mean nothing are left out."""
    if what.get("thresholds"):
        return (step.valid, step.thresholds, step.row % depth, step.read, step.last, step.write) == \
            (1, 1, row % depth, 0, 0, 0)
    wanted = [("sel", step.sel), ("addr", step.addr if step.read else None)]
    if what["part"] is not None:
        wanted.append(("part", step.part))
    if "plane" in what:
        wanted.append(("plane", step.plane))
    write = step.write and (step.out_addr, None if step.copy else step.out_part)
    if row is None:
        found = step.valid == 0 and step.copy == 1
    else:
        found = (step.valid, step.thresholds, step.copy, step.row % depth) == (1, 0, 0, row % depth)
        wanted += [("first", step.first or None), ("last", step.last or None),
                   ("twice", step.twice and not step.first or None), ("values", step.values if step.first else None),
                   ("pool_first", step.pool_first if step.last else None)]
    return found and (write or None) == what.get("write") and \
        all(what.get(name) == (value or 0 if name in what else value) for name, value in wanted)


class Rows:
    """Rows of the ring: they come in while there is room, and are given back."""

    def __init__(self, dut, stall):
        self.dut, self.stall, self.came, self.given_back, self.history, self.needed = dut, stall, 0, 0, [], 0
        dut.agents.append(self)

    def drive(self):
        room = self.dut.parameters.RING_DEPTH - (self.came - self.given_back)
        if not self.stall:
            self.came += min(room, self.needed - self.came)
        elif room and self.came < self.needed and self.dut.random.random() >= self.stall:
            self.came += 1
        self.dut.set(rows_i=self.came - self.given_back)
        self.history.append(self.came)

    def observe(self):
        if self.dut.get("release_o"):
            self.given_back += self.layer_rows

    layer_rows = 0


class Steps:
    """All steps: (cycle, step)."""

    def __init__(self, dut):
        self.dut, self.steps, self.done = dut, [], []
        dut.agents.append(self)

    def observe(self):
        step = self.dut.fields("step_o")
        if step.valid or (step.copy and step.write):
            self.steps.append((self.dut.cycles, step))
        if self.dut.get("done_o"):
            self.done.append(self.dut.cycles)

    def drive(self):
        pass


async def begin_layer(dut, layer):
    """Start a layer, whose header has settled a cycle before."""
    dut.set(layer_i=layer)
    await dut.cycle()
    dut.set(start_i=1)
    await dut.cycle()
    dut.set(start_i=0)


async def run_layer(dut, layer, walks, rows, steps, stall):
    """A layer from start to done."""
    source = Source(dut, "valid_i", "ready_o", "walk_i", [walk for tile in walks for walk in tile], stall)
    rows.layer_rows, rows.needed = layer["rows"], rows.needed + layer["rows"] * layer["tiles"]
    await begin_layer(dut, layer)
    ended = len(steps.done) + 1
    await dut.until(lambda: len(steps.done) == ended)
    assert source.done
    await dut.cycle(3)
    dut.agents.remove(source)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), style=STYLES, stalls=["none", "input", "both"])
async def walks_become_steps(top, instance, style, stalls):
    dut = Dut(top, BENCH, instance, f"{style} {stalls}")
    stall_walks, stall_rows = STALLS[stalls]
    rows, steps, watch = Rows(dut, stall_rows), Steps(dut), Watch(dut, "starved_o", "range_o")
    await dut.reset()
    tiles = 0
    for number in range(3):
        layer, walks = random_layer(dut.random, style)
        tiles += layer["tiles"]
        steps.steps.clear()
        expected = list(expected_steps(layer, walks, dut.parameters, rows.given_back))
        begin = dut.cycles
        await run_layer(dut, layer, walks, rows, steps, stall_walks)
        writes_only = [(row, what) for row, what in expected if row is not None or what["write"]]
        assert len(steps.steps) == len(writes_only), f"layer {number} of {style}, {stalls}"
        for n, ((cycle, step), (row, what)) in enumerate(zip(steps.steps, writes_only)):
            assert matches(step, row, what, dut.parameters.RING_DEPTH), f"layer {number}, step {n}: {step}, not {what}"
            # Two cycles of reset went by before the first row could come; a step follows its row by a cycle.
            assert row is None or rows.history[cycle - 3] > row, f"layer {number}, step {n} before its row came"
        assert rows.given_back == rows.came == rows.needed
        if stalls == "none":
            overhead = layer["tiles"] * (TILE_GAP + 3)
            assert dut.cycles - begin <= len(expected) + overhead + 6
    assert stall_rows or sum(starved for starved, _ in watch.values) <= tiles  # a cycle to find that all is there
    assert not any(out_of_range for _, out_of_range in watch.values)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), style=["plain", "score", "window_planes"])
async def a_tile_runs_without_a_pause_and_a_gap_divides_tiles(top, instance, style):
    dut = Dut(top, BENCH, instance, style)
    rows, steps = Rows(dut, 0), Steps(dut)
    await dut.reset()
    layer, walks = random_layer(dut.random, style, tiles=3)
    await run_layer(dut, layer, walks, rows, steps, 0)
    last = None
    for (cycle, step), (next_cycle, _) in zip(steps.steps, steps.steps[1:]):
        if step.thresholds:
            assert last is None or cycle - last == TILE_GAP
            assert next_cycle - cycle == 2
        elif not any(next_cycle == other and found.thresholds for other, found in steps.steps):
            assert next_cycle - cycle == 1
        last = cycle
    assert steps.done == [steps.steps[-1][0] + LAYER_DONE]


@cocotb.test()
async def a_step_waits_for_its_row_alone(top):
    dut = Dut(top, BENCH, "simd64")
    steps = Steps(dut)
    walk = random_walk(dut.random, "plain", weight=0, words_m1=5, cols_m1=0, rows_m1=0, tile_last=1)
    Source(dut, "valid_i", "ready_o", "walk_i", [walk])
    await dut.reset()
    await begin_layer(dut, {"kind": Kind.BIN_CONV, "rows": 7, "tiles": 1})
    for rows in range(8):
        dut.set(rows_i=rows)
        await dut.cycle(10)
        assert len(steps.steps) == rows
        assert dut.get("starved_o") == (rows < 7)


@cocotb.test()
async def rows_that_no_window_uses_come_before_they_are_given_back(top):
    """3×3 taps on a 1×1 map, padded with zeros, need five rows of ten; all ten are given back together."""
    dut = Dut(top, BENCH, "simd64")
    rows, steps = Rows(dut, 0.9), Steps(dut)
    await dut.reset()
    walk = random_walk(dut.random, "plain", weight=4, words_m1=0, cols_m1=0, rows_m1=0, tile_last=1)
    await run_layer(dut, {"kind": Kind.BIN_CONV, "rows": 10, "tiles": 1}, [[walk]], rows, steps, 0)
    assert rows.given_back <= rows.came


@cocotb.test()
@cocotb.parametrize(("fault", ["none", "read", "write", "weight"]))
async def an_address_beyond_its_memory_is_told(top, fault):
    dut = Dut(top, BENCH, "simd64", fault)
    rows, steps, watch = Rows(dut, 0), Steps(dut), Watch(dut, "range_o")
    await dut.reset()
    walk = random_walk(dut.random, "plain", addr=4090, weight=0, words_m1=5, cols_m1=0, rows_m1=0, tile_last=1,
                       out_addr=4095, pool_last=1)
    walk.update({"read": {"addr": 4091}, "write": {"out_addr": 4096}, "weight": {"words_m1": 5, "weight": 1},
                 "none": {}}[fault])
    await run_layer(dut, {"kind": Kind.BIN_CONV, "rows": 7, "tiles": 1}, [[walk]], rows, steps, 0) \
        if fault != "weight" else await _run_briefly(dut, walk, rows)
    assert any(out_of_range for (out_of_range,) in watch.values) == (fault != "none")


async def _run_briefly(dut, walk, rows):
    """A layer that waits for a row that its tile does not have."""
    Source(dut, "valid_i", "ready_o", "walk_i", [walk])
    rows.needed = 7
    await begin_layer(dut, {"kind": Kind.BIN_CONV, "rows": 7, "tiles": 1})
    await dut.cycle(30)


@cocotb.test()
async def a_reset_in_the_middle_leaves_nothing_behind(top):
    for cycles in range(1, 60, 6):
        dut = Dut(top, BENCH, "simd64", cycles)
        for whole in (False, True):
            dut.agents.clear()
            rows, steps = Rows(dut, 0), Steps(dut)
            await dut.reset()
            layer, walks = random_layer(dut.random, "plain")
            if not whole:
                Source(dut, "valid_i", "ready_o", "walk_i", [walk for tile in walks for walk in tile])
                rows.needed = layer["rows"]
                await begin_layer(dut, layer)
                await dut.cycle(cycles)
            else:
                expected = list(expected_steps(layer, walks, dut.parameters, 0))
                await run_layer(dut, layer, walks, rows, steps, 0)
                assert all(matches(step, row, what, 512) for (_, step), (row, what) in zip(steps.steps, expected))
                assert len(steps.steps) == len(expected)
