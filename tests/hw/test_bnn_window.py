"""bnn_window: bytes gathered into 64 places, used as bit planes after a swap."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut

BENCH = Bench("bnn_window", {"it": {}})


def test_bnn_window(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(pad=[0, 1])
async def planes_are_those_of_the_gathered_bytes(top, pad):
    dut = Dut(top, BENCH, "it", pad)
    padding = [128 * pad] * 64
    gathered, used = None, None
    previous, swapped = None, False
    dut.set(pad_i=pad)
    for cycle in range(1500):
        word, rotate = dut.random.getrandbits(64), dut.random.randrange(8)
        take = dut.random.choice([0, dut.random.getrandbits(64), 0xFF << dut.random.randrange(57)])
        swap, plane = cycle < 3 or dut.random.random() < 0.1, dut.random.randrange(8)
        dut.set(word_i=word, rotate_i=rotate, take_i=take, swap_i=swap, plane_i=plane)
        await dut.settle()
        if used is not None:
            expected = sum((byte >> 7 - plane & 1) << place for place, byte in enumerate(used))
            assert dut.get("plane_o") == expected, f"cycle {cycle}"
        await dut.cycle()
        if swapped:
            used, gathered = gathered, list(padding)
        elif gathered is not None and previous is not None:
            (data, turn) = previous
            for place in range(64):
                if take >> place & 1:
                    gathered[place] = data >> 8 * ((place - turn) % 8) & 0xFF
        previous, swapped = (word, rotate), swap
