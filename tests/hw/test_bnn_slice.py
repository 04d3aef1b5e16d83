"""bnn_slice: a stream passes in order, at a word a cycle, whatever the stalls."""

import cocotb
from hw.bench import Bench
from hw.clocked import STALLS, Dut, Sink, Source

BENCH = Bench("bnn_slice", {"bit": {"WIDTH": 1}, "words": {"WIDTH": 64}})


def test_bnn_slice(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances), stalls=list(STALLS), seed=[1, 2])
async def words_pass_in_order(top, instance, stalls, seed):
    dut = Dut(top, BENCH, instance, seed)
    words = [dut.random.getrandbits(dut.parameters.WIDTH) for _ in range(300)]
    stall_in, stall_out = STALLS[stalls]
    source = Source(dut, "valid_i", "ready_o", "data_i", words, stall_in)
    sink = Sink(dut, "valid_o", "ready_i", "data_o", stall_out)
    await dut.reset()
    while len(sink.items) < len(words):
        await dut.cycle()
        assert 0 <= source.taken - len(sink.items) <= 2, f"seed {seed}"
    assert sink.items == words, f"seed {seed}"
    if stalls == "none":
        assert dut.cycles <= len(words) + 4  # two of reset, one from end to end


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def ready_and_valid_do_not_pass_within_a_cycle(top, instance):
    dut = Dut(top, BENCH, instance)
    await dut.reset()
    for _ in range(200):
        dut.set(valid_i=dut.random.getrandbits(1), ready_i=dut.random.getrandbits(1))
        await dut.settle()
        seen = dut.get("ready_o"), dut.get("valid_o")
        dut.set(valid_i=not dut.written["valid_i"], ready_i=not dut.written["ready_i"])
        await dut.settle()
        assert (dut.get("ready_o"), dut.get("valid_o")) == seen
        await dut.cycle()


@cocotb.test()
async def a_reset_empties_it(top):
    dut = Dut(top, BENCH, "words")
    Source(dut, "valid_i", "ready_o", "data_i", [1, 2, 3])
    await dut.reset()
    await dut.cycle(5)
    assert (dut.get("ready_o"), dut.get("valid_o")) == (0, 1)
    await dut.reset()
    await dut.settle()
    assert (dut.get("ready_o"), dut.get("valid_o")) == (1, 0)
