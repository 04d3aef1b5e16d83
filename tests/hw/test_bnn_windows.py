"""bnn_windows: the part of each window inside the map, counted tap by tap."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink, Source
from hw.geometry import Conv, random_conv
from hw.latencies import WINDOWS

from pynq_bnn.program.fields import Kind

BENCH = Bench("bnn_windows", {"it": {}})


def test_bnn_windows(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(channels=[1, 64, 100, 16384])
async def a_vector_is_a_window_of_one_tap(top, channels):
    dut = Dut(top, BENCH, "it", channels)
    conv = Conv(Kind.BIN_FC, 1, 1, channels, 1, 1, 0, 1, False, 2, 5, 300, 256, 2000, 1, 1)
    positions = list(conv.positions(2))
    Source(dut, "valid_i", "ready_o", "position_i", [vars(position) for position in positions])
    sink = Sink(dut, "valid_o", "ready_i", "window_o", 0.3)
    dut.set(layer_i=conv.header)
    await dut.reset()
    await dut.until(lambda: len(sink.items) == len(positions))
    for position, found in zip(positions, sink.records):
        assert (found.addr, found.values, found.rows_m1, found.cols_m1) == (position.base, channels, 0, 0)
        assert (found.out_addr, found.out_part, found.tile_last) == \
            (position.out_addr, position.out_part, position.tile_last)


@cocotb.test()
@cocotb.parametrize(kind=["FP_CONV", "BIN_CONV"], stalls=list(STALLS), seed=range(8))
async def windows_are_what_lies_inside_the_map(top, kind, stalls, seed):
    dut = Dut(top, BENCH, "it", seed)
    stall_in, stall_out = STALLS[stalls]
    conv = random_conv(dut.random, Kind[kind], slots=2, tiles=2)
    positions = list(conv.positions(2))
    Source(dut, "valid_i", "ready_o", "position_i", [vars(position) for position in positions], stall_in)
    sink = Sink(dut, "valid_o", "ready_i", "window_o", stall_out)
    dut.set(layer_i=conv.header)
    await dut.reset()
    begin = dut.cycles
    await dut.until(lambda: len(sink.items) == len(positions), 20_000)
    for n, (position, found) in enumerate(zip(positions, sink.records)):
        assert vars(found) == conv.window(position), f"window {n} at ({position.y}, {position.x}), seed {seed}, {conv}"
    if stalls == "none":
        assert dut.cycles - begin == len(positions) + WINDOWS
