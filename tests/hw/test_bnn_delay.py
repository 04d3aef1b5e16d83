"""bnn_delay gives what went in some cycles before."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut

BENCH = Bench("bnn_delay", {"one": {"WIDTH": 5, "CYCLES": 1}, "seven": {"WIDTH": 1, "CYCLES": 7},
                            "wide": {"WIDTH": 70, "CYCLES": 3}})


def test_bnn_delay(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(instance=list(BENCH.instances))
async def what_goes_in_comes_out_later(top, instance):
    dut = Dut(top, BENCH, instance)
    words = [dut.random.getrandbits(dut.parameters.WIDTH) for _ in range(100)]
    for cycle, word in enumerate(words):
        dut.set(in_i=word)
        await dut.cycle()
        if cycle + 1 >= dut.parameters.CYCLES:
            assert dut.get("out_o") == words[cycle + 1 - dut.parameters.CYCLES]
