"""bnn_positions visits what nested loops visit, in their order."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink
from hw.geometry import random_conv

from pynq_bnn.program.fields import Kind

BENCH = Bench("bnn_positions", {"pe32": {"PE": 32, "ACC_WIDTH": 20}, "pe64": {"PE": 64, "ACC_WIDTH": 12},
                                "pe8": {"PE": 8, "ACC_WIDTH": 24}})


def test_bnn_positions(simulate):
    simulate(BENCH)


async def visit(dut, header, slots, count, stall):
    """A layer's positions, as structs."""
    dut.agents.clear()
    sink = Sink(dut, "valid_o", "ready_i", "position_o", stall)
    dut.set(layer_i=header, slots_i=slots, start_i=1)
    await dut.cycle()
    dut.set(start_i=0)
    await dut.until(lambda: len(sink.items) >= count, 20_000)
    await dut.cycle(10)
    return sink.records


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=["none", "output"], seed=range(4))
async def layers_are_visited_in_the_order_of_the_loops(top, instance, stalls, seed):
    dut = Dut(top, BENCH, instance, seed)
    await dut.reset()
    for number in range(3):
        conv = random_conv(dut.random, dut.random.choice([Kind.FP_CONV, Kind.BIN_CONV]), slots=dut.random.randint(1, 3),
                           tiles=dut.random.randint(1, 17), largest=5)
        expected = list(conv.positions(64 // dut.parameters.PE))
        found = await visit(dut, conv.header, conv.slots, len(expected), STALLS[stalls][1])
        assert found == expected, f"seed {seed}, layer {number}: {conv}"


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def scores_take_as_many_words_as_the_sums_have_bits(top, instance):
    dut = Dut(top, BENCH, instance)
    await dut.reset()
    parts, tiles, slots = 64 // dut.parameters.PE, 19, 3
    header = {"kind": Kind.BIN_FC, "kernel": 1, "stride": 1, "in_height": 1, "in_width": 1, "out_height": 1,
              "out_width": 1, "score": 1, "tiles": tiles, "in_base": 7, "in_stride": 5, "out_base": 100,
              "out_stride": 80}
    found = await visit(dut, header, slots, tiles * slots, 0.3)
    assert [(p.base, p.out_addr, p.out_part, p.pool_first, p.pool_last, p.tile_last) for p in found] == \
        [(7 + 5 * slot, 100 + 80 * slot + tile // parts * dut.parameters.ACC_WIDTH, tile % parts, 1, 1,
          slot == slots - 1) for tile in range(tiles) for slot in range(slots)]


@cocotb.test()
async def a_position_a_cycle(top):
    dut = Dut(top, BENCH, "pe32")
    await dut.reset()
    conv = random_conv(dut.random, Kind.BIN_CONV)
    count = len(list(conv.positions(2)))
    sink = Sink(dut, "valid_o", "ready_i", "position_o")
    dut.set(layer_i=conv.header, slots_i=1, start_i=1)
    await dut.cycle()
    dut.set(start_i=0)
    await dut.cycle(count)
    assert len(sink.items) == count
