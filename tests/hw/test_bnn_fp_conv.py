"""bnn_fp_conv: the windows that its fetches gather are those of the map, padding included, in any layer."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink, Source
from hw.geometry import random_conv

from pynq_bnn.program.fields import Kind

BENCH = Bench("bnn_fp_conv", {"it": {}})
WINDOW = 64


def test_bnn_fp_conv(simulate):
    simulate(BENCH)


class Window:
    """The pixel window as fetch_o and gather_o fill it, from a memory of bytes."""

    def __init__(self, dut, memory, padding):
        self.dut, self.memory, self.padding = dut, memory, padding
        self.gathered, self.used, self.fetches = [], [], []
        dut.agents.append(self)

    def drive(self):
        pass

    def observe(self):
        fetch, gather = self.dut.fields("fetch_o"), self.dut.fields("gather_o")
        assert fetch.read == gather.take
        assert not (gather.take and gather.swap)
        if gather.take:
            self.fetches.append(fetch.addr)
            word = self.memory[8 * fetch.addr:8 * fetch.addr + 8]
            for place in range(gather.low, gather.high):
                self.gathered[place] = word[(place - gather.rotate) % 8]
        if gather.swap:
            self.used.append(self.gathered)
            self.gathered = [self.padding] * WINDOW


def true_window(conv, memory, position, padding):
    """The bytes (ky, kx, channel) under a position, then padding."""
    window = []
    for ky in range(conv.kernel):
        for kx in range(conv.kernel):
            y, x = position.y + ky, position.x + kx
            inside = 0 <= y < conv.height and 0 <= x < conv.width
            at = 8 * position.base + (y * conv.width + x) * conv.channels
            window += memory[at:at + conv.channels] if inside else [padding] * conv.channels
    return window + [padding] * (WINDOW - len(window))


def true_words(conv, position):
    """Words in which the window's rows lie."""
    count, inside = 0, conv.inside(position.y, position.x)
    for ky in sorted({ky for ky, _ in inside}):
        columns = [kx for row, kx in inside if row == ky]
        first = ((position.y + ky) * conv.width + position.x + columns[0]) * conv.channels
        count += (first + len(columns) * conv.channels - 1) // 8 - first // 8 + 1
    return count


@cocotb.test()
@cocotb.parametrize(stalls=list(STALLS), seed=range(12))
async def windows_are_gathered_byte_by_byte(top, stalls, seed):
    dut = Dut(top, BENCH, "it", seed)
    stall_in, stall_out = STALLS[stalls]
    for layer in range(2):  # the second meets what the first left behind
        conv = random_conv(dut.random, Kind.FP_CONV, slots=2, largest=7)
        padding = dut.random.choice([0, 128])
        memory = [dut.random.randrange(256) for _ in range(16384)]
        positions = list(conv.positions(1))
        dut.agents.clear()
        windows = Source(dut, "valid_i", "ready_o", "window_i", [conv.window(p) for p in positions], stall_in)
        walks = Sink(dut, "valid_o", "ready_i", "walk_o", stall_out)
        model = Window(dut, memory, padding)
        dut.set(layer_i={**conv.header, "pad_byte": padding}, start_i=0)
        if layer == 0:
            await dut.reset()
        dut.set(start_i=1)
        windows.stall, kept = 1.0, windows.stall
        await dut.cycle()
        dut.set(start_i=0)
        windows.stall = kept
        while len(walks.items) < len(positions):
            await dut.cycle()
        await dut.cycle(2)
        told = f"seed {seed}, {conv}"
        assert len(model.used) == len(positions) + 1, told
        for n, (position, used) in enumerate(zip(positions, model.used[1:])):
            assert used == true_window(conv, memory, position, padding), f"window {n}, {told}"
        assert len(model.fetches) == sum(true_words(conv, position) for position in positions), told
        for position, walk in zip(positions, walks.records):
            assert (walk.rows_m1, walk.cols_m1, walk.words_m1, walk.values) == (7, 0, 0, 0)
            assert (walk.one_word, walk.one_col) == (1, 1)
            assert (walk.planes, walk.from_window, walk.copy) == (1, 1, 0)
            assert (walk.out_addr, walk.out_part, walk.pool_first, walk.pool_last, walk.tile_last) == \
                (position.out_addr, position.out_part, position.pool_first, position.pool_last, position.tile_last)


@cocotb.test()
@cocotb.parametrize(seed=range(4))
async def a_window_takes_a_cycle_more_than_its_words(top, seed):
    dut = Dut(top, BENCH, "it", f"time {seed}")
    conv = random_conv(dut.random, Kind.FP_CONV)
    positions = list(conv.positions(1))
    Source(dut, "valid_i", "ready_o", "window_i", [conv.window(p) for p in positions])
    walks = Sink(dut, "valid_o", "ready_i", "walk_o")
    dut.set(layer_i=conv.header)
    await dut.reset()
    dut.set(start_i=1)
    await dut.cycle()
    dut.set(start_i=0)
    begin = dut.cycles
    await dut.until(lambda: len(walks.items) == len(positions))
    assert dut.cycles - begin == 1 + sum(1 + true_words(conv, position) for position in positions), f"seed {seed}"


@cocotb.test()
async def bit_planes_are_gathered_64_bytes_at_a_time(top):
    dut = Dut(top, BENCH, "it", "planes")
    memory = [dut.random.randrange(256) for _ in range(4096)]
    base, words = 24, 5  # of 64 pixels
    windows = [{"addr": 8 * base + 64 * n, "row_span": 64, "out_addr": base + 8 * n, "pool_first": 1, "pool_last": 1,
                "values": 1} for n in range(words)]
    Source(dut, "valid_i", "ready_o", "window_i", windows)
    walks = Sink(dut, "valid_o", "ready_i", "walk_o", 0.5)
    model = Window(dut, memory, 0)
    dut.set(layer_i={"kind": Kind.PLANES, "kernel": 1, "row_words": 64 * words, "kernel_row_words": 64})
    await dut.reset()
    dut.set(start_i=1)
    await dut.cycle()
    dut.set(start_i=0)
    await dut.until(lambda: len(walks.items) == words)
    await dut.cycle(2)
    start = 8 * base
    assert model.used[1:] == [memory[start + 64 * n:start + 64 * n + 64] for n in range(words)]
    assert [(walk.copy, walk.out_addr) for walk in walks.records] == [(1, base + 8 * n) for n in range(words)]
