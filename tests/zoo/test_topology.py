"""The tables hold the published networks; a user's own table is read strictly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pynq_bnn.errors import NetworkError
from pynq_bnn.network.layers import Conv, Fc, TermRow
from pynq_bnn.network.topology import Topology, topology_from_dict, topology_from_json
from pynq_bnn.zoo.tables import TOPOLOGIES

# name: weight bits, MACs in tenths of a million, largest map in bits; as printed by the networks' owners.
PUBLISHED = {
    "binarynet-cifar10": (14_022_016, 6170, 131_072), "binarynet-svhn": (6_397_632, 1580, 65_536),
    "cnv-cifar10": (1_542_848, 595, 57_600), "lfc-mnist": (2_910_208, 29, 1024), "mlp-mnist": (36_806_656, 368, 4096),
    "mlp-1bit-mnist": (36_806_656, 368, 4096), "vgg16-cifar10": (15_244_992, 3987, 65_536),
    # FC 784-256-256-256-10 and FC 784-64-64-64-10, counted by hand.
    "sfc-mnist": (334_336, 3, 256), "tfc-mnist": (59_008, 1, 64),
    # A 3×3 convolution of the picture, pairs of 3×3 ones, two 2×2 ones where the map shrinks; counted by hand.
    "binealnet-cifar10": (27_939_360, 13476, 98_304), "resnet18-cifar10": (12_445_376, 5995, 65_536),
    "resnet10-cifar10": (1_565_536, 749, 32_768),
}
# name: (input bits, order, hidden layers) of the papers.
RULES = {
    "binarynet-cifar10": (8, "pool-sign", 8), "binarynet-svhn": (8, "pool-sign", 8), "cnv-cifar10": (8, "sign-pool", 8),
    "vgg16-cifar10": (8, "pool-sign", 14), "mlp-mnist": (8, None, 3), "mlp-1bit-mnist": (1, None, 3),
    "lfc-mnist": (1, None, 3), "sfc-mnist": (1, None, 3), "tfc-mnist": (1, None, 3),
    "binealnet-cifar10": (8, "sign-pool", 17), "resnet18-cifar10": (8, "sign-pool", 17),
    "resnet10-cifar10": (8, "sign-pool", 9),
}


def test_the_published_networks_are_there_and_no_other():
    assert set(TOPOLOGIES) == set(PUBLISHED)
    assert all(topology.name == name for name, topology in TOPOLOGIES.items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_table_has_the_published_weight_bits_macs_and_largest_map(name):
    rows = TOPOLOGIES[name].nodes()
    weight_bits, macs, largest = PUBLISHED[name]
    assert sum(row.weight_bits for row in rows) == weight_bits
    assert round(sum(row.macs for row in rows) / 1e5) == macs
    assert max(row.output.values for row in rows) == largest


@pytest.mark.parametrize("name", RULES)
def test_a_table_has_the_published_input_and_order(name):
    topology = TOPOLOGIES[name]
    bits, order, hidden = RULES[name]
    assert (topology.input_bits, len(topology.rows), len(topology.classes)) == (bits, hidden, 10)
    assert {row.order for row in topology.rows if isinstance(row, Conv)} == ({order} if order else set())
    assert topology.input_shape == ((28, 28, 1) if "mnist" in name else (32, 32, 3))


def test_the_maps_of_cnv_are_those_of_the_paper():
    shapes = [row.output.shape for row in TOPOLOGIES["cnv-cifar10"].nodes()]
    assert shapes == [(30, 30, 64), (14, 14, 64), (12, 12, 128), (5, 5, 128), (3, 3, 256), (1, 1, 256), (1, 1, 512),
                      (1, 1, 512), (1, 1, 10)]


def test_the_last_layer_follows_the_number_of_classes():
    topology = TOPOLOGIES["lfc-mnist"]
    assert topology.nodes(47)[-1].weight_bits == 1024 * 47
    assert replace(topology, classes=("a", "b", "c")).nodes()[-1].output.shape == (1, 1, 3)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_table_survives_json(name, tmp_path):
    topology = TOPOLOGIES[name]
    assert topology_from_dict(json.loads(json.dumps(topology.to_dict()))) == topology
    (tmp_path / "net.json").write_text(json.dumps(topology.to_dict()), encoding="utf-8")
    assert topology_from_json(tmp_path / "net.json") == topology


def own(**changes) -> dict:
    return {"name": "mine", "height": 16, "width": 12, "channels": 3, "input_bits": 8,
            "rows": [{"type": "conv", "channels": 8, "pool": 2}, {"type": "fc", "units": 9}], **changes}


def test_a_short_table_of_one_s_own_takes_the_stated_defaults():
    topology = topology_from_dict(own())
    assert topology == Topology("mine", "mine", 16, 12, 3, 8, (Conv(8, 3, 1, 0, "zero", 2, "sign-pool"), Fc(9)))
    # 14×10 windows, pooled to 7×5, FC on 280 inputs, ten classes.
    assert [row.weight_bits for row in topology.nodes()] == [8 * 27, 9 * 280, 90]


def conv(**values) -> dict:
    return own(rows=[{"type": "conv", "channels": 8, **values}])


BAD = [
    (own(name=""), "name"), (own(name=3), "name"), (own(height=0), "input is 0"), (own(width=5000), "5000"),
    (own(height="16"), "'16'"), (own(height=True), "True"), (own(channels=2), "channels is 2"),
    (own(input_bits=2), "input_bits is 2"), (own(rows=None), "rows"), (own(rows={}), "rows"),
    (own(classes="ab"), "classes"), (own(classes=[1]), "classes"), (own(rows=[3]), "layer 0"),
    (own(rows=[{"type": "pool"}]), "layer 0.*type"),
    (own(rows=[{}]), "layer 0.*type"), (own(rows=[{"type": "fc"}]), "layer 0.*units"),
    (own(rows=[{"type": "fc", "units": 0}]), "layer 0 .*: units is 0"),
    (own(rows=[{"type": "fc", "units": 65537}]), "layer 0 .*: units is 65537"),
    (own(rows=[{"type": "fc", "units": 2.0}]), "layer 0 .*: units is 2.0"),
    (own(rows=[{"type": "fc", "units": 4}, {"type": "conv", "channels": 8}]), "layer 1 .*: a convolution"),
    (own(rows=[{"type": "fc", "units": 4, "bias": 1}]), "layer 0: unknown key 'bias'"),
    (own(depth=3), "unknown key 'depth'"), (conv(dilation=2), "layer 0: unknown key 'dilation'"),
    (conv(channels=0), "layer 0 .*: channels is 0"), (conv(channels=None), "layer 0 .*: channels is None"),
    (conv(kernel=8), "layer 0 .*: kernel is 8"), (conv(kernel=0), "layer 0 .*: kernel is 0"),
    (conv(kernel=[3, 3]), "layer 0 .*: kernel"), (conv(stride=3), "layer 0 .*: stride is 3"),
    (conv(stride="1"), "layer 0 .*: stride"), (conv(padding=3), "layer 0 .*: padding is 3"),
    (conv(padding=-1), "layer 0 .*: padding is -1"), (conv(padding=0.5), "layer 0 .*: padding"),
    (conv(pad_value="one"), "layer 0 .*: pad_value"), (conv(pad_value=1), "layer 0 .*: pad_value"),
    (conv(pool=3), "layer 0 .*: pool is 3"), (conv(order="bn"), "layer 0 .*: order is 'bn'"),
    (conv(kernel=7, pool=4, stride=2), "layer 0 .*: the 7×7 window"),
    ([], "object"), ("cnv", "object"), ({}, "rows"),
    ({k: v for k, v in own().items() if k != "height"}, "height"),
    ({k: v for k, v in own().items() if k != "name"}, "name"),
]


@pytest.mark.parametrize(("table", "says"), BAD, ids=lambda v: v if isinstance(v, str) else "")
def test_a_bad_value_of_a_table_is_named(table, says):
    with pytest.raises(NetworkError, match=says):
        topology_from_dict(table)


@pytest.mark.parametrize("table", [own(rows=[{"type": ["conv"]}]), conv(stride=1.0), conv(pool=2.0), conv(padding=True),
                                   own(input_bits=8.0), own(channels=True), own(name="two\nlines"), own(title=5),
                                   own(classes=["a\nb", "c"]), own(classes=["a", "b", "a"]),
                                   own(classes=[str(i) for i in range(2000)]),
                                   own(height=4096, width=4096, channels=1, rows=[{"type": "fc", "units": 4}])])
def test_a_value_that_would_fail_only_after_training_is_refused_at_once(table):
    with pytest.raises(NetworkError):
        topology_from_dict(table)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_file_that_is_no_json_table_is_a_network_error(tmp_path, content):
    (tmp_path / "net.json").write_bytes(content)
    with pytest.raises(NetworkError):
        topology_from_json(tmp_path / "net.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NetworkError, match="gone.json"):
        topology_from_json(tmp_path / "gone.json")


def test_blocks_of_a_residual_table_join_the_map_before_them():
    rows = TOPOLOGIES["resnet10-cifar10"].rows
    assert [row.shortcut for row in rows] == [None, None, 0, *[None] * 6]
    assert [[term.source for term in row.terms] for row in rows] == [[], [], [], [], [2, 2], [], [4, 4], [], [6, 6]]
    assert [node.output.shape for node in TOPOLOGIES["resnet10-cifar10"].nodes()][::2] == \
        [(32, 32, 32), (32, 32, 32), (16, 16, 64), (8, 8, 128), (4, 4, 256)]


def joined(**values) -> dict:
    rows = [{"type": "conv", "channels": 8, "padding": 1}] * 2
    return own(rows=[*rows, {"type": "conv", "channels": 8, "padding": 1, **values}])


def test_joins_of_a_table_survive_json():
    table = topology_from_dict(joined(input=0, shortcut=1, shortcut_scale=9, terms=[{"input": 1, "kernel": 3,
                                                                                    "padding": 1}, {"input": 0}]))
    row = table.rows[2]
    assert (row.source, row.shortcut, row.scale) == (0, 1, 9)
    assert row.terms == (TermRow(1, 3, 1, 1), TermRow(0))
    assert topology_from_dict(json.loads(json.dumps(table.to_dict()))) == table
    assert topology_from_dict(joined(shortcut=0)).rows[2].scale == 8  # 3·√8, rounded
    assert not table.is_chain
    assert topology_from_dict(joined()).is_chain


BAD_JOINS = [
    (joined(shortcut=2), "layer 2 .*shortcut is the map 2"), (joined(shortcut="a"), "layer 2 .*shortcut"),
    (joined(shortcut=0, pool=2), "layer 2 .*no pool"), (joined(shortcut_scale=3), "shortcut_scale without"),
    (joined(shortcut=0, shortcut_scale=-1), "shortcut_scale is -1"),
    (joined(shortcut=0, stride=2), "shortcut is a map"),
    (joined(input=5), "layer 2 .*reads the map 5"), (joined(source=0), "layer 2: unknown key 'source'.*input"),
    (joined(terms=3), "layer 2: 'terms' is a list"), (joined(terms=[3]), "layer 2: 'terms' is a list"),
    (joined(terms=[{}]), "layer 2: term.*source"), (joined(terms=[{"input": 0, "size": 1}]), "unknown key 'size'"),
    (joined(terms=[{"input": 0, "stride": 2}]), "term 0: its sums"),
    (joined(terms=[{"input": 0, "kernel": 9}]), "kernel is 9"),
    (joined(terms=[{"input": -1}]), "term 0: it reads the picture"),
    (own(rows=[{"type": "conv", "channels": 8, "shortcut": 0}]), "layer 0 .*8-bit input has no terms"),
]


@pytest.mark.parametrize(("table", "says"), BAD_JOINS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_bad_join_of_a_table_is_named(table, says):
    with pytest.raises(NetworkError, match=says):
        topology_from_dict(table)
