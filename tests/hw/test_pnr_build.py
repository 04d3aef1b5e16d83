"""Place and route as a whole: what its features make of the device is the netlist again, read back from the bits."""

import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
from flows import pnr
from flows.bits.bitfile import parse_bit
from flows.bits.cells import Extraction
from flows.bits.circuit import Circuit
from flows.bits.compare import compare
from flows.bits.features import Layouts, read_features
from flows.bits.synthesized import read_synthesized
from flows.bits.timing import analyse_bit
from flows.cells import split_carries, write_cells
from flows.device import load_device
from flows.device.export import export
from flows.pnr import PlaceAndRoute, write_bitstream
from flows.sta.hold import short_connections
from hw.pnr_circuit import random_circuit

from pynq_bnn.errors import PynqBnnError

SOURCES = Path(__file__).resolve().parents[2] / "hw" / "pnr"


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """``program(cells, folder, ...)`` runs place and route on the whole device; the fixture compiles it."""
    folder = tmp_path_factory.getbasetemp() / "pnr"
    subprocess.run(["make", "-s", "-C", SOURCES, f"BUILD={folder}", "CXXFLAGS=-O1"], check=True)
    device = folder / "whole.bin"
    export(device)

    def words(cells, place):
        return {"device": device, "cells": cells, "features": place / "features", "report": place / "report"}

    def run(cells, place, /, input="", **options):
        return subprocess.run([folder / "pnr", *(str(word) for name, value in (words(cells, place) | options).items()
                                                 for word in (f"--{name}", value))],
                              input=input, capture_output=True, text=True, check=False)

    run.open = lambda cells, place, **options: PlaceAndRoute(folder / "pnr", words(cells, place) | options,
                                                             place / "log")
    return run


def split(netlist, place):
    """A netlist as place and route takes it: carries that leave beside their sums are made again."""
    module = netlist["modules"]["bnn_board"]
    cells = split_carries(module["cells"])
    most = max(bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits
               if isinstance(bit, int))
    module["cells"] = {name: {**cell, "connections": {
        port: [most - bit if isinstance(bit, int) and bit < 0 else bit for bit in bits]
        for port, bits in cell["connections"].items()}} for name, cell in cells.items()}
    place.write_text(json.dumps(netlist))
    return place


@pytest.mark.parametrize("seed", [1, 2])
def test_the_bits_hold_the_netlist(program, tmp_path, seed):
    netlist = split(random_circuit(seed), tmp_path / "netlist.json")
    write_cells(netlist, tmp_path / "cells")
    done = program(tmp_path / "cells", tmp_path, seed=seed, effort=0.5)
    assert done.returncode == 0, done.stderr
    found = read_bits(tmp_path / "features")
    difference = compare(found, read_synthesized(netlist))
    assert difference is None, "\n".join(difference.lines)
    # What the netlist leaves open of the processing system is 0, but for lines that idle at 1.
    inputs = found.block("PS7").inputs
    idle = {name: inputs[name] for name in ("EMIOUSB0VBUSPWRFAULT", "DDRARB3", "SAXIGP0ARVALID", "EMIOUART0RX")}
    assert idle == {"EMIOUSB0VBUSPWRFAULT": "0", "DDRARB3": "0", "SAXIGP0ARVALID": "0", "EMIOUART0RX": "1"}


def read_bits(features):
    """The netlist in the bits that features make."""
    device = load_device()
    layouts = Layouts(device)
    bits = parse_bit(write_bitstream(features), device.part)
    found, unknown = read_features(bits.frames, layouts)
    assert not unknown
    return Extraction(Circuit(device, layouts, found)).netlist


def test_connections_are_made_longer_until_hold_is_met(program, tmp_path, monkeypatch):
    netlist = split(random_circuit(4), tmp_path / "netlist.json")
    write_cells(netlist, tmp_path / "cells")
    monkeypatch.setattr(pnr, "short_connections", partial(short_connections, within=0.25, between=0.25))
    with program.open(tmp_path / "cells", tmp_path, effort=0.5) as routing:
        place = tmp_path / "first.bit"
        place.write_bytes(write_bitstream(routing.features))
        before = analyse_bit(place)
        bitstream, after = pnr.meet_hold(routing, tmp_path)
    assert (before.hold < 0.25).sum() >= 5
    assert after.hold.min() >= 0.25
    assert (tmp_path / "routed.bit").read_bytes() == bitstream
    difference = compare(read_bits(tmp_path / "features"), read_synthesized(netlist))
    assert difference is None, "\n".join(difference.lines)


@pytest.mark.parametrize(("demands", "message"), [
    ("longer, please\nroute\n", '"longer, please" is no demand; TILE/WIRE NS fits'),
    ("CLBLM_L_X34Y93/CLBLM_M_A1 0.1\n", 'the demands end without the line "route"'),
])
def test_bad_demands_are_named(program, tmp_path, demands, message):
    write_cells(split(random_circuit(3), tmp_path / "netlist.json"), tmp_path / "cells")
    done = program(tmp_path / "cells", tmp_path, input=demands, effort=0.05, demands="-")
    assert done.returncode == 1
    assert message in done.stderr


def test_a_failure_of_the_program_is_the_flow_s(program, tmp_path):
    (tmp_path / "cells").write_text("cell LUT1 a\nthis is no line\n")
    with pytest.raises(PynqBnnError, match=r'place and route failed: .*is no line of a netlist \(the whole log is'):
        program.open(tmp_path / "cells", tmp_path)


def test_the_same_seed_gives_the_same_features(program, tmp_path):
    write_cells(split(random_circuit(3), tmp_path / "netlist.json"), tmp_path / "cells")
    results = []
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        (tmp_path / name).mkdir()
        assert program(tmp_path / "cells", tmp_path / name, seed=seed, effort=0.05).returncode == 0
        results.append((tmp_path / name / "features").read_bytes())
    assert results[0] == results[1]
    assert results[0] != results[2]


@pytest.mark.parametrize(("cells", "message"), [
    ("cell LUT9 strange\nparam INIT 0x1\nout O 2\n", "strange is a LUT9, which this program cannot place"),
    ("cell MMCME2_ADV clocks\nout CLKOUT0 2\n", "clocks is a MMCME2_ADV, which this program cannot place"),
    ("cell LUT1 a\nthis is no line\n", 'line 2: "this is no line" is no line of a netlist'),
    ("cell LUT1 a\nout O 2\ncell LUT1 b\nout O 2\n", "two drivers on one net"),
    ("cell FDRE a\nin D 7\nin C 1\n", "nothing drives the net at a"),
])
def test_a_bad_netlist_is_named(program, tmp_path, cells, message):
    (tmp_path / "cells").write_text(cells)
    done = program(tmp_path / "cells", tmp_path)
    assert done.returncode == 1
    assert not (tmp_path / "features").exists()
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize(("options", "message"), [
    ({"clock": "fast"}, "--clock fast is no positive number"),
    ({"cells": "no-such-file"}, "no-such-file cannot be read"),
    ({"device": "no-such-file"}, "no-such-file"),
    ({"speed": 3}, "there is no option --speed"),
    ({"demands": "file"}, "--demands file: only -, standard input, fits"),
])
def test_bad_options_are_named(program, tmp_path, options, message):
    (tmp_path / "cells").write_text("cell LUT1 a\nparam INIT 0x1\nout O 2\n")
    done = program(tmp_path / "cells", tmp_path, **options)
    assert done.returncode == 1
    assert message in done.stderr
