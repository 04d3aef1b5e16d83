"""The netlist as text for ``hw/pnr``: LUTs are reduced, sums and carries of one bit are parted, bad files are named."""

import itertools
import json

import numpy as np
import pytest
from flows.cells import reduce_lut, split_carries, write_cells

from pynq_bnn.errors import PynqBnnError


def value(table, inputs, values):
    """What a LUT gives when its inputs, nets or constants, have ``values``."""
    index = sum((int(bit) if isinstance(bit, str) else values[bit]) << place for place, bit in enumerate(inputs))
    return table >> index & 1


@pytest.mark.parametrize("seed", range(40))
def test_a_reduced_lut_has_each_net_once_and_the_same_values(seed):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 7))
    inputs = [("0", "1", 2, 3, 4, 5)[n] for n in rng.integers(0, 6, width)]
    table = int(rng.integers(0, 1 << min(1 << width, 62)))
    reduced, left = reduce_lut(table, inputs)
    assert len(set(left)) == len(left)
    assert not {"0", "1"} & set(left)
    for values in itertools.product((0, 1), repeat=4):
        known = dict(zip((2, 3, 4, 5), values, strict=True))
        assert value(reduced, left, known) == value(table, inputs, known)


def test_inputs_without_influence_are_dropped():
    assert reduce_lut(0b1010, [7, 8]) == (0b10, [7])
    assert reduce_lut(0b1111, [7, 8]) == (1, [])


def carry(name, **ports):
    bits = {"CI": ["0"], "CYINIT": ["0"], "S": ["0"] * 4, "DI": ["0"] * 4, **ports}
    return {name: {"type": "CARRY4", "connections": bits, "parameters": {},
                   "port_directions": {port: "output" if port in ("O", "CO") else "input" for port in bits}}}


def reader(name, bit):
    return {name: {"type": "FDRE", "connections": {"D": [bit]}, "port_directions": {"D": "input"}, "parameters": {}}}


def test_a_carry_in_use_beside_its_sum_is_made_again_from_the_next_bit():
    cells = carry("low", S=[2, 3, 4, 5], O=[10, 11, 12, 13], CO=[20, 21, 22, 23])
    cells |= reader("sum", 11) | reader("carry", 21) | reader("other", 20)
    split = split_carries(cells)
    made = split["low.carry1"]
    assert made["connections"]["I0"] == [12]
    assert made["connections"]["I1"] == [4]
    assert made["parameters"]["INIT"] == "0110"
    assert split["carry"]["connections"]["D"] == made["connections"]["O"]
    # Nobody reads the sum of bit 0, so its carry leaves by itself.
    assert split["other"]["connections"]["D"] == [20]


@pytest.mark.parametrize("chained", [False, True])
def test_the_last_carry_comes_from_the_cell_above(chained):
    cells = carry("low", O=[10, 11, 12, 13], CO=[20, 21, 22, 23]) | reader("sum", 13) | reader("carry", 23)
    if chained:
        cells |= carry("high", CI=[23], S=[6, 7, 8, 9], O=[30, 31, 32, 33], CO=[40, 41, 42, 43])
    split = split_carries(cells)
    above = split["high" if chained else "low.more"]["connections"]
    assert above["CI"] == [23]
    assert split["low.carry3"]["connections"]["I0"] == above["O"][:1]
    assert split["low.carry3"]["connections"]["I1"] == above["S"][:1]


def test_cells_and_pins_become_lines(tmp_path):
    cells = {"a lut".replace(" ", "_"): {"type": "LUT3", "parameters": {"INIT": "11101000"}, "port_directions":
             {"I0": "input", "I1": "input", "I2": "input", "O": "output"},
             "connections": {"I0": [2], "I1": [2], "I2": [3], "O": [4]}}}
    cells |= {"ff": {"type": "FDRE", "parameters": {"INIT": "x"}, "connections": {"D": [4], "Q": [5], "R": ["0"]},
                     "port_directions": {"D": "input", "Q": "output", "R": "input"}}}
    place, written = tmp_path / "net.json", tmp_path / "cells.txt"
    place.write_text(json.dumps({"modules": {"top": {"attributes": {"top": "1"}, "cells": cells}}}))
    assert write_cells(place, written) == 2
    # A majority of (a, a, b) is a.
    assert written.read_text().splitlines() == ["cell LUT3 a_lut", "param INIT 0x2", "in I0 2", "out O 3",
                                                "cell FDRE ff", "param INIT 0x0", "in D 3", "in R 0"]


@pytest.mark.parametrize("content", ["", "{}", '{"modules": {}}', '{"modules": {"top": {"attributes": {}}}}'])
def test_a_file_that_is_no_netlist_is_named(tmp_path, content):
    place = tmp_path / "net.json"
    place.write_text(content)
    with pytest.raises(PynqBnnError, match=r"net\.json is no netlist of Yosys .*make synth"):
        write_cells(place, tmp_path / "cells.txt")
