"""bnn_taps against a count of the taps inside, for all small maps."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut

BENCH = Bench("bnn_taps", {"it": {}})


def test_bnn_taps(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(kernel=range(1, 8))
async def the_first_and_last_tap_inside_are_found(top, kernel):
    dut = Dut(top, BENCH, "it")
    dut.set(kernel_i=kernel)
    for size in [*range(1, 10), 1023, 32768]:
        for start in {*range(1 - kernel, 3), size - kernel - 1, size - kernel, *range(size - 3, size)}:
            inside = [tap for tap in range(kernel) if 0 <= start + tap < size]
            if not inside or start >= size or start < 1 - kernel:
                continue
            dut.set(size_i=size, start_i=start & 0xFFFF)
            await dut.cycle(2)
            found = dut.get("first_o"), dut.get("last_o")
            assert found == (inside[0], inside[-1]), f"size {size}, start {start}"
