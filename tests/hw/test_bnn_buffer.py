"""bnn_buffer: bytes are written one by one, words read two cycles after they were asked for."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut

BENCH = Bench("bnn_buffer", {"small": {"DEPTH": 64}, "large": {"DEPTH": 1024}})


def test_bnn_buffer(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def bytes_stay_where_they_were_written(top, instance):
    dut = Dut(top, BENCH, instance)
    depth, memory, asked = dut.parameters.DEPTH, {}, []
    for cycle in range(3 * depth):
        first = cycle < depth
        where = cycle if first else dut.random.randrange(depth)
        lanes, word = 255 if first else dut.random.randrange(256), dut.random.getrandbits(64)
        read = dut.random.choice([where, dut.random.randrange(depth)])
        dut.set(write_bytes_i=lanes, write_addr_i=where, write_data_i=word, read_addr_i=read)
        asked.append(memory.get(read))  # a write of the same cycle is not seen yet
        mask = sum(0xFF << 8 * n for n in range(8) if lanes >> n & 1)
        memory[where] = memory.get(where, 0) & ~mask | word & mask
        await dut.cycle()
        if cycle and asked[-2] is not None:
            assert dut.get("read_data_o") == asked[-2], f"cycle {cycle}"
