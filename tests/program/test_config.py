"""Sizes of the accelerator: each that its table names, and none between or beyond."""

from __future__ import annotations

import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.program.config import Config

SIZES = {"lanes": [1, 2, 3, 4, 5, 6, 7, 8], "pe": [8, 16, 32, 64], "simd": [16, 32, 64],
         "buffer_depth": [64, 128, 256, 512, 1024, 2048, 4096, 8192],
         "ring_depth": [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
         "acc_width": [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]}


@pytest.mark.parametrize("name", SIZES)
def test_every_size_of_the_table_is_accepted_and_no_other(name):
    for value in SIZES[name]:
        assert Config(**{name: value}).parameters[name.upper()] == value
        for other in (value - 1, value + 1, -value, str(value), None):
            if other not in SIZES[name]:
                with pytest.raises(BackendError, match=f"{name}={other!r}; one of {SIZES[name][0]}, {SIZES[name][1]}"):
                    Config(**{name: other})


def test_the_operations_of_a_cycle_are_those_of_every_lane_element_and_bit():
    assert Config(lanes=3, pe=16, simd=32).bit_ops == 3 * 16 * 32


def test_sizes_are_read_in_their_order_and_cannot_be_changed():
    assert str(Config(lanes=7)) == "LANES=7, PE=32, SIMD=64, BUFFER_DEPTH=4096, RING_DEPTH=512, ACC_WIDTH=20"
    with pytest.raises(AttributeError):
        Config().lanes = 2
    assert Config(lanes=2) == Config(lanes=2) != Config(lanes=3)
