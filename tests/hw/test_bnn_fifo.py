"""bnn_fifo against a Python list."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink, Source

BENCH = Bench("bnn_fifo", {"two": {"WIDTH": 1, "DEPTH": 2}, "eight": {"WIDTH": 13, "DEPTH": 8},
                           "words": {"WIDTH": 64, "DEPTH": 64}})


def test_bnn_fifo(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=list(STALLS), seed=[1])
async def words_come_out_in_order_and_are_counted(top, instance, stalls, seed):
    dut = Dut(top, BENCH, instance, seed)
    words = [dut.random.getrandbits(dut.parameters.WIDTH) for _ in range(300)]
    stall_in, stall_out = STALLS[stalls]
    source = Source(dut, "valid_i", "ready_o", "data_i", words, stall_in)
    sink = Sink(dut, "valid_o", "ready_i", "data_o", stall_out)
    await dut.reset()
    while len(sink.items) < len(words):
        used = source.taken - len(sink.items)
        await dut.settle()
        assert dut.get("used_o") == used, f"seed {seed}"
        assert dut.get("ready_o") == (used < dut.parameters.DEPTH), f"seed {seed}"
        await dut.cycle()
    assert sink.items == words, f"seed {seed}"
    if stalls == "none" and dut.parameters.DEPTH > 2:
        assert dut.cycles <= len(words) + 4  # a word a cycle


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def a_full_queue_takes_nothing_and_a_reset_empties_it(top, instance):
    dut = Dut(top, BENCH, instance)
    source = Source(dut, "valid_i", "ready_o", "data_i", [1] * 100)
    await dut.reset()
    await dut.cycle(100)
    assert source.taken == dut.get("used_o") == dut.parameters.DEPTH
    await dut.reset()
    await dut.settle()
    assert (dut.get("used_o"), dut.get("valid_o")) == (0, 0)
