"""Cells that place and route would get wrong without a word are refused."""

import re

import pytest
from flows.netlist import IN_SLICES, check_cells

from pynq_bnn.errors import PynqBnnError

SOURCE = {"type": "PS7", "parameters": {}, "connections": {"FCLKCLK": [2, 3]}, "port_directions": {"FCLKCLK": "output"}}


def flip_flop(kind="FDRE", data=3, **parameters):
    pins = {"C": [2], "CE": ["1"], "D": [data], "Q": [9]}
    return {"type": kind, "parameters": {"INIT": "x", **parameters}, "connections": pins,
            "port_directions": {pin: "output" if pin == "Q" else "input" for pin in pins}}


def test_what_the_design_has_passes():
    check_cells({"cells": {"ps": SOURCE, "q": flip_flop(), "s": flip_flop("SRL16E", data=5, IS_CLK_INVERTED="0")},
                 "ports": {"in": {"direction": "input", "bits": [5]}}})


@pytest.mark.parametrize(("cell", "message"), [
    (flip_flop(IS_C_INVERTED="1"), "q: IS_C_INVERTED of a FDRE is set, which place and route ignores"),
    (flip_flop("FDSE", IS_D_INVERTED="1"), "IS_D_INVERTED of a FDSE"),
    (flip_flop("SRL16E", IS_CLK_INVERTED="1"), "IS_CLK_INVERTED of a SRL16E"),
    (flip_flop("RAM64M", IS_WCLK_INVERTED="1"), "IS_WCLK_INVERTED of a RAM64M"),
    (flip_flop(data=7), "q: nothing drives the pin D of this FDRE"),
    (flip_flop(data="x"), "nothing drives the pin D"),
])
def test_what_place_and_route_passes_over_is_refused(cell, message):
    with pytest.raises(PynqBnnError, match=re.escape(message)):
        check_cells({"cells": {"ps": SOURCE, "q": cell}, "ports": {"out": {"direction": "output", "bits": [7]}}})


@pytest.mark.parametrize(("kind", "found"), [
    ("RAM32X1D", True), ("RAM32M", True), ("RAM256X1S", True), ("SRLC32E", True), ("RAMB36E1", False),
    ("DSP48E1", False), ("PS7", False), ("BUFG", False)])
def test_cells_of_slices_are_known_by_their_type(kind, found):
    assert bool(IN_SLICES.fullmatch(kind)) == found
