"""bnn_ring: what was written is read two cycles after it was asked for."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut

BENCH = Bench("bnn_ring", {"small": {"DEPTH": 8}, "large": {"DEPTH": 512}})


def test_bnn_ring(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def rows_are_read_as_they_were_written(top, instance):
    dut = Dut(top, BENCH, instance)
    depth, memory, asked = dut.parameters.DEPTH, {}, []
    for cycle in range(3 * depth):
        row = dut.random.randrange(depth)
        write = cycle < depth or dut.random.random() < 0.5
        where, word = cycle if cycle < depth else dut.random.randrange(depth), dut.random.getrandbits(64)
        dut.set(write_i=write, write_row_i=where, write_data_i=word, read_row_i=row)
        asked.append(memory.get(row))
        if write:
            memory[where] = word
        await dut.cycle()
        if cycle and asked[-2] is not None:
            assert dut.get("read_data_o") == asked[-2], f"cycle {cycle}"
