"""The overlay that ships, read back from its own bits: the circuit of its sources, and faults in the bits are found."""

import copy
import json

import numpy as np
import pytest
from flows.bits.bitfile import read_bit
from flows.bits.circuit import site_instances
from flows.bits.compare import compare
from flows.bits.features import Layouts, TileFeatures, read_features, write_features
from flows.bits.netlist import Block, Netlist, Table
from flows.bits.reading import check_clocks, read_circuit, trace
from flows.bits.sources import sources_of
from flows.bits.synthesized import read_synthesized
from flows.device import load_device
from flows.netlist import synthesize
from flows.overlay import NAME, OVERLAYS

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config

PLACE = OVERLAYS / f"{NAME}.bit"
ABOUT = json.loads(PLACE.with_suffix(".json").read_text())
pytestmark = pytest.mark.usefixtures("yosys")


@pytest.fixture(scope="module")
def yosys():
    pytest.importorskip("pyosys", reason="no pyosys, which synthesizes")


@pytest.fixture(scope="module")
def layouts():
    return Layouts(load_device())


@pytest.fixture(scope="module")
def reading():
    return read_circuit(PLACE)


@pytest.fixture(scope="module")
def schematic(tmp_path_factory):
    """What Yosys makes of the overlay's sources."""
    folder = tmp_path_factory.mktemp("schematic")
    files = sources_of(ABOUT, folder / "sources")
    return read_synthesized(synthesize(Config(**ABOUT["config"]), folder, sources=files).json)


def test_the_bits_are_the_circuit_of_the_sources(reading, schematic):
    assert reading.bitstream.checked
    assert compare(reading.netlist, schematic) is None


def retraced(reading, layouts, change):
    """The netlist after ``change`` was made to the features, by way of frames."""
    features = copy.deepcopy(dict(reading.features))
    change(features)
    frames = write_features(features, layouts)
    again, unknown = read_features(frames, layouts)
    assert not unknown
    return trace(reading.bitstream, layouts.device, layouts, again).netlist


def place_of_table(table):
    return table.place.partition(".")[0]


def switch_of(reading, site_pin):
    """The last switch before a pin: its tile and name."""
    site, pin = site_pin
    device = reading.circuit.device
    for node in reading.circuit.path(reading.circuit.node(site, pin)):
        if reading.circuit.explicit[node]:
            for wire in np.flatnonzero(device.node_of == node):
                tile, _, name = device.wire_name(int(wire)).partition("/")
                found = [feature for feature in getattr(reading.features.get(tile), "names", ())
                         if feature.startswith(f"{name}.")]
                if found:
                    return tile, found[0]
    raise AssertionError(f"no switch before {site.name}/{pin}")


def a_table(reading, width):
    return next(table for table in reading.netlist.tables
                if len(table.inputs) == width and table.place.endswith("6LUT") and len(set(table.pins)) == width)


def site_named(reading, name):
    for tile in reading.circuit.device.tiles.values():
        if name in tile.sites:
            return next(site for site in site_instances(reading.circuit.device, tile) if site.name == name)
    raise AssertionError(name)


def test_a_flipped_bit_of_a_table_is_found_and_named(reading, layouts, schematic):
    table = a_table(reading, 6)
    site = site_named(reading, place_of_table(table))
    letter = table.place.partition(".")[2][0]
    name = f"{site.kind}_X{site.about.x}.{letter}LUT.INIT"

    def flip(features):
        features[site.tile.name].values[name] ^= 1 << 37

    difference = compare(retraced(reading, layouts, flip), schematic)
    assert difference is not None
    assert table.place in difference.lines[0]


def test_a_pin_moved_to_another_net_is_found(reading, layouts, schematic):
    table = a_table(reading, 5)
    site = site_named(reading, place_of_table(table))
    tile, switch = switch_of(reading, (site, table.pins[0]))
    target = switch.partition(".")[0]
    kind = layouts.device.types[layouts.device.tiles[tile].kind]
    root = reading.circuit.root(site, table.pins[0])
    others = [name for name in kind.segment_bits("CLB_IO_CLK") if name.startswith(f"{target}.") and name in kind.pips]
    for other in others:
        node = layouts.device.node(tile, kind.pips[other]["src_wire"])
        if reading.circuit.source[node] >= 0 and int(reading.circuit._root[node]) != root:
            break

    def move(features):
        features[tile].names[features[tile].names.index(switch)] = other

    difference = compare(retraced(reading, layouts, move), schematic)
    assert difference is not None
    assert difference.lines


def test_an_open_pin_of_the_processing_system_is_found(reading, layouts, schematic):
    site = site_named(reading, "PS7_X0Y0")
    tile, switch = switch_of(reading, (site, "MAXIGP0RDATA3"))

    def open_it(features):
        features[tile].names.remove(switch)

    difference = compare(retraced(reading, layouts, open_it), schematic)
    assert difference is not None
    assert "PS7" in " ".join(difference.lines)


def test_contents_of_a_block_ram_are_found(reading, layouts, schematic):
    block = next(block for block in reading.netlist.blocks if block.kind == "RAMB36E1")
    tile = site_named(reading, block.place).tile.name

    def fill(features):
        features[tile].values["RAMB18_Y0.INIT_00"] = 1

    difference = compare(retraced(reading, layouts, fill), schematic)
    assert difference is not None
    assert block.place in " ".join(difference.lines)


def test_data_on_clock_resources_are_refused():
    clock = Block("BUFG", {}, {"I": 4}, {"O": 5}, "BUFGCTRL_X0Y16")
    register = Block("FF", {}, {"D": 6, "C": 5, "CE": "1", "R": "0"}, {"Q": 7}, "SLICE_X0Y0.AFF")
    check_clocks(Netlist([], [clock, register]))
    with pytest.raises(PynqBnnError, match="the buffer BUFGCTRL_X0Y16 leads to SLICE_X0Y0.A6LUT, pin A3"):
        check_clocks(Netlist([Table(2, (5,), 6, "SLICE_X0Y0.A6LUT", ("A3",))], [clock, register]))


def test_two_switches_into_one_node_are_refused(reading, layouts):
    features = copy.deepcopy(dict(reading.features))
    tile, switch = switch_of(reading, (site_named(reading, "PS7_X0Y0"), "MAXIGP0RDATA3"))
    target = switch.partition(".")[0]
    kind = layouts.device.types[layouts.device.tiles[tile].kind]
    other = next(name for name in kind.pips if name.startswith(f"{target}.") and name != switch)
    features[tile].names.append(other)
    with pytest.raises(PynqBnnError, match="two switches drive"):
        trace(reading.bitstream, layouts.device, layouts, features)


def test_a_set_bit_without_a_meaning_is_reported(layouts):
    frames = read_bit(PLACE, layouts.device.part).frames.copy()
    frames[-1, 3] |= np.uint32(1)  # padding
    _, unknown = read_features(frames, layouts)
    assert [(bit.word, bit.bit) for bit in unknown] == [(3, 0)]


def test_features_that_do_not_exist_or_contradict_each_other_are_refused(layouts):
    for features, message in (({"CLBLM_L_X1000Y1": TileFeatures()}, "no tile CLBLM_L_X1000Y1"),
                              ({"INT_L_X2Y2": TileFeatures(["NOTHING"])}, "no feature NOTHING"),
                              ({"CLBLM_R_X63Y25": TileFeatures(values={"SLICEL_X1.CLUT.INIT": 1 << 64})},
                               r"no feature SLICEL_X1\.CLUT\.INIT\[64\]"),
                              ({"CLBLM_R_X63Y25": TileFeatures(["SLICEL_X1.PRECYINIT.AX", "SLICEL_X1.PRECYINIT.CIN"])},
                               "contradict each other")):
        with pytest.raises(PynqBnnError, match=message):
            write_features(features, layouts)
