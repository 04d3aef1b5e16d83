"""Routed designs, as nextpnr writes them, become the device's cells again."""

import json

import pytest
from flows import routed
from flows.routed import main, unpack

from pynq_bnn.errors import PynqBnnError

GROUND, SUPPLY = 90, 91


def cell(kind, origin, pins, outputs=(), **parameters):
    """A packed cell: ``pins`` name → (what it was, net)."""
    return {"type": kind, "parameters": parameters,
            "attributes": {"X_ORIG_TYPE": origin, **{f"X_ORIG_PORT_{pin}": f"{was} " for pin, (was, _) in pins.items()
                                                     if was}},
            "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
            "connections": {pin: [net] if net is not None else [] for pin, (_, net) in pins.items()}}


def design(**cells):
    constants = {"g": {"type": "PSEUDO_GND", "connections": {"Y": [GROUND]}},
                 "v": {"type": "PSEUDO_VCC", "connections": {"Y": [SUPPLY]}}}
    return {"modules": {"top": {"cells": {**constants, **cells}}}}


def unpacked(**cells):
    return unpack(design(**cells))["modules"]["bnn_board"]["cells"]


def test_a_lut_gets_its_inputs_back_and_loses_those_of_its_neighbour():
    found = unpacked(a=cell("SLICE_LUTX", "LUT3", {"A4": ("I0", 5), "A1": ("I2", 6), "A2": ("I1", SUPPLY),
                                                   "A5": ("", 7), "O5": ("O", 8)}, ["O5"], INIT="10010110"))["a"]
    assert (found["type"], found["parameters"]) == ("LUT3", {"INIT": "10010110"})
    assert found["connections"] == {"I0": [5], "I1": ["1"], "I2": [6], "O": [8]}
    assert found["port_directions"]["O"] == "output"


def test_vectors_are_put_together_and_what_is_open_filled():
    pins = {"DI0": ("DI[0]", GROUND), "DI2": ("DI[2]", 4), "CYINIT": ("CYINIT", None), "O2": ("O[2]", 6),
            "CO0": ("CO[0]", None)}
    bits = unpacked(c=cell("CARRY4", "CARRY4", pins, ["O2", "CO0"]))["c"]["connections"]
    assert (bits["DI"], bits["CYINIT"], bits["O"][2]) == (["0", "0", 4], ["0"], 6)
    fresh = [*bits["O"][:2], *bits["CO"]]
    assert len(set(fresh)) == 3
    assert min(fresh) > SUPPLY


def test_a_shift_register_s_address_lies_two_pins_higher():
    pins = {f"A{n}": (f"A{n}" if n < 4 else "", net) for n, net in enumerate((None, SUPPLY, 11, 12, 13, 14, SUPPLY))}
    found = unpacked(s=cell("SLICE_LUTX", "SRL16E", pins))["s"]
    assert [found["connections"][f"A{n}"] for n in range(4)] == [[11], [12], [13], [14]]


def test_the_clock_buffer_and_both_halves_of_a_block_ram():
    buffer = {"type": "BUFGCTRL", "parameters": {"IS_CE1_INVERTED": "1"}, "attributes": {},
              "port_directions": {"I0": "input", "O": "output"}, "connections": {"I0": [3], "O": [4], "CE0": [SUPPLY]}}
    halves = cell("RAMB36E1_RAMB36E1", "RAMB36E1", {"ADDRARDADDRL6": ("ADDRARDADDR[6]", 5),
                                                   "ADDRARDADDRU6": ("ADDRARDADDR[6]", 5)}, DOA_REG="0")
    found = unpacked(b=buffer, r=halves)
    assert (found["b"]["type"], found["b"]["connections"]) == ("BUFG", {"I": [3], "O": [4]})
    assert found["r"]["connections"]["ADDRARDADDR"] == ["0"] * 6 + [5]


def test_pins_that_are_inverted_constants_become_constants():
    pins = {"RSTRAMBL": ("RSTRAMB", SUPPLY), "ALUMODE1": ("ALUMODE[1]", SUPPLY), "ALUMODE0": ("ALUMODE[0]", SUPPLY)}
    values = {"IS_RSTRAMB_INVERTED": "00001", "IS_ALUMODE[0]_INVERTED": "1", "IS_ALUMODE[1]_INVERTED": "0", "MREG": "1"}
    found = unpacked(d=cell("DSP48E1_DSP48E1", "DSP48E1", pins, **values))["d"]
    assert (found["connections"], found["parameters"]) == ({"RSTRAMB": ["0"], "ALUMODE": ["0", "1"]}, {"MREG": "1"})
    pins["RSTRAMBL"] = ("RSTRAMB", 7)
    with pytest.raises(PynqBnnError, match="the pin RSTRAMB of d inverts a signal"):
        unpacked(d=cell("DSP48E1_DSP48E1", "DSP48E1", pins, **values))


def test_constants_within_a_dsp_are_found_in_its_notes():
    block = cell("DSP48E1_DSP48E1", "DSP48E1", {"D0": ("D[0]", None), "D1": ("D[1]", None), "A0": ("A[0]", 5)})
    block["attributes"]["DSP_VCC_PINS"] = " D0 CED"
    assert unpacked(d=block)["d"]["connections"] == {"D": ["1", "0"], "A": [5]}


def test_notes_of_pins_that_are_gone_are_ignored():
    xor = cell("SLICE_LUTX", "LUT2", {"A1": ("I0", 5), "A2": ("I1", 6), "O6": ("O", 7)}, ["O6"])
    xor["attributes"]["X_ORIG_PORT_CI"] = "CI"
    assert set(unpacked(x=xor)["x"]["connections"]) == {"I0", "I1", "O"}


def test_a_cell_of_unknown_origin_is_told():
    with pytest.raises(PynqBnnError, match="the cell x is a PLL"):
        unpacked(x={"type": "PLL", "attributes": {}, "connections": {}, "port_directions": {}})


@pytest.mark.parametrize("content", [None, "no JSON", json.dumps({"modules": {}}), json.dumps({"modules": {"t": {}}})])
def test_other_files_are_refused(tmp_path, monkeypatch, content):
    place = tmp_path / "routed.json"
    if content is not None:
        place.write_text(content)
    monkeypatch.setattr("sys.argv", ["routed", str(place)])
    monkeypatch.setattr(routed, "simulator", lambda *_: pytest.fail("it was taken"))
    with pytest.raises(PynqBnnError, match="is no routed design"):
        main()
