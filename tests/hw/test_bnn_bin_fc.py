"""bnn_bin_fc: a vector is walked once, on bit planes once for each plane."""

import cocotb
from hw.bench import Bench
from hw.clocked import Dut
from hw.geometry import walk_steps

BENCH = Bench("bnn_bin_fc", {"it": {}})


def test_bnn_bin_fc(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(words=[1, 2, 3, 64, 255, 256], planes=[0, 1])
async def words_are_walked_in_the_order_of_the_weights(top, words, planes):
    dut = Dut(top, BENCH, "it", words)
    base, fan_in = dut.random.randint(0, 4000), dut.random.randint(1, 64 * words)
    window = {"out_addr": dut.random.randint(0, 4000), "out_part": dut.random.randint(0, 7),
              "tile_last": dut.random.randint(0, 1), "values": 0 if planes else fan_in}
    dut.set(layer_i={"pixel_words": words, "planes": planes}, window_i={"addr": base, **window})
    await dut.cycle()
    walk = dut.fields("walk_o")
    if planes:
        expected = [(plane, base + 8 * word + plane, word) for plane in range(8) for word in range(words)]
    else:
        expected = [(0, base + word, word) for word in range(words)]
    assert [(row, addr, weight) for row, _, _, addr, weight in walk_steps(walk)] == expected
    assert {name: getattr(walk, name) for name in window} == window
    assert (walk.one_word, walk.one_col) == (walk.words_m1 == 0, walk.cols_m1 == 0)
    assert (walk.planes, walk.pool_first, walk.pool_last) == (planes, 1, 1)
    assert (walk.from_window, walk.copy, walk.check) == (0, 0, 0)
