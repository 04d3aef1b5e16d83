"""bnn_bin_conv: its nest of loops meets the words and weights under a window, in the order of the weights."""

from types import SimpleNamespace

import cocotb
from hw.bench import Bench
from hw.clocked import Dut
from hw.geometry import random_conv, walk_steps

from pynq_bnn.program.fields import Kind

BENCH = Bench("bnn_bin_conv", {"it": {}})


def test_bnn_bin_conv(simulate):
    simulate(BENCH)


@cocotb.test()
@cocotb.parametrize(seed=range(12))
async def every_tap_inside_is_walked_word_by_word(top, seed):
    dut = Dut(top, BENCH, "it", seed)
    conv = random_conv(dut.random, Kind.BIN_CONV, largest=7)
    dut.set(layer_i=conv.header)
    await dut.cycle()
    for position in conv.positions(2):
        window = conv.window(position)
        dut.set(window_i=window)
        await dut.settle()
        walk = dut.fields("walk_o")
        expected = [(((position.y + ky) * conv.width + position.x + kx) * conv.unit + position.base + word & 0xFFFF,
                     (ky * conv.kernel + kx) * conv.unit + word)
                    for ky, kx in conv.visited(position.y, position.x) for word in range(conv.unit)]
        told = f"({position.y}, {position.x}), seed {seed}, {conv}"
        assert [step[3:] for step in walk_steps(walk)] == expected, told
        if conv.pad_one:
            outside = [(ky, kx) for ky, kx in conv.visited(position.y, position.x)
                       if not (walk.y0 <= ky <= walk.y1 and walk.x0 <= kx <= walk.x1)]
            assert set(outside) == set(conv.visited(position.y, position.x)) - set(conv.inside(position.y, position.x))
        assert walk.check == conv.pad_one
        assert (walk.one_word, walk.one_col) == (walk.words_m1 == 0, walk.cols_m1 == 0), told
        same = ["values", "out_addr", "out_part", "pool_first", "pool_last", "tile_last"]
        assert [getattr(walk, name) for name in same] == [window[name] for name in same], told
        assert (walk.planes, walk.from_window, walk.copy) == (0, 0, 0)


def test_the_loops_of_this_test_are_those_of_a_convolution():
    """The helpers themselves: a 2×2 kernel on a 2×2 map, by hand."""
    walk = SimpleNamespace(addr=5, weight=0, rows_m1=1, cols_m1=1, words_m1=0, col_inc=1, row_inc=1, weight_row_inc=1)
    assert list(walk_steps(walk)) == [(0, 0, 0, 5, 0), (0, 1, 0, 6, 1), (1, 0, 0, 7, 2), (1, 1, 0, 8, 3)]
