"""The router on a part of the device: its routes against the device's database, its delays against a slow recursion.

Everything that is expected here comes from ``flows.device``, which reads the database by itself; the router sees only
what ``flows.device.export`` writes for it.
"""

from __future__ import annotations

import random
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from flows.device import load_device
from flows.device.export import export

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("device", "state", "lookahead", "search", "delay", "route", "improve", "lengthen")
# Columns and rows: seven columns of slices, a column of block RAMs, the middle with its clock spine.
REGION = (26, 0, 37, 52)
SEED = 7


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    """The compiled router and the device's part that it reads."""
    folder = tmp_path_factory.getbasetemp() / "pnr"
    objects = [str(folder / f"{name}.o") for name in SOURCES]
    subprocess.run(["make", "-s", "-C", ROOT / "hw" / "pnr", f"BUILD={folder}", "CXXFLAGS=-O1", *objects], check=True)
    program = folder / "route"
    subprocess.run(["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "hw" / "pnr",
                    Path(__file__).with_name("pnr_route.cpp"), *objects, "-o", program], check=True)
    device = folder / "device.bin"
    export(device, REGION)
    return program, device


@pytest.fixture
def run(router, tmp_path):
    """``run(nets)`` routes; nets are (kind, name, sources, sinks), a sink (criticality, required, site, pins)."""

    def route(nets, *options, fails=False):
        lines = []
        for kind, name, sources, sinks in nets:
            lines += [f"net {kind} {name}", *(f"from {site} {pin}" for site, pin in sources)]
            lines += [" ".join(["to", str(criticality), str(required), site, *pins])
                      for criticality, required, site, pins in sinks]
        place = tmp_path / "nets"
        place.write_text("\n".join(lines) + "\n")
        done = subprocess.run([*router, place, *map(str, options)], capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return route


def parse(text):
    """By net: its switches, and for each sink its node's name and delays."""
    result = {}
    for line in text.splitlines():
        word, *rest = line.split()
        if word == "net":
            pips, sinks = result[rest[0]] = [], []
        elif word == "pip":
            pips.append(rest[0])
        else:
            sinks.append((rest[0], tuple(map(float, rest[1:]))))
    return result


# The database's view


@cache
def site_places():
    """By site name: its tile, and the pins of its place in the tile's type."""
    result = {}
    for tile in load_device().tiles.values():
        kind = load_device().types[tile.kind]
        by_place = defaultdict(list)
        for name in tile.sites:
            prefix, _, place = name.rpartition("_X")
            x, _, y = place.partition("Y")
            by_place[prefix].append((int(x), int(y), name))
        for prefix, places in by_place.items():
            sites = sorted((s for s in kind.sites if s.prefix == prefix), key=lambda s: (s.x, s.y))
            for (_, _, name), site in zip(sorted(places), sites, strict=True):
                result[name] = tile, kind.sites.index(site)
    return result


def pin_node(site, pin):
    tile, number = site_places()[site]
    return load_device().node(tile.name, load_device().types[tile.kind].sites[number].pins[pin])


def pin_figures(site, pin):
    tile, number = site_places()[site]
    return load_device().types[tile.kind].about["sites"][number]["site_pins"][pin]


def switch(feature):
    """The nodes that a feature's switch joins, and the database's record of it."""
    device = load_device()
    tile, target, source = feature.split(".")
    kind = device.types[device.tiles[tile].kind]
    pip = kind.pips.get(f"{target}.{source}")
    if pip is None:  # one for both directions, used in the other
        pip = kind.pips[f"{source}.{target}"]
        assert pip["is_directional"] != "1"
    assert kind.fixed_pips.get(f"{target}.{source}") != "hint"
    return device.node(tile, source), device.node(tile, target), pip


def node_named(name):
    return load_device().node(*name.split("/"))


def slices(count, seed=SEED):
    """Some slices of the region, in a random order."""
    names = []
    for tile in load_device().tiles.values():
        if tile.kind.startswith("CLBL"):
            column, row = map(int, tile.name.rpartition("_X")[2].split("Y"))
            names += tile.sites if REGION[0] <= column <= REGION[2] and row < 24 else []
    return random.Random(seed).sample(sorted(names), count)


def random_nets(count, sites, seed=SEED):
    """Flip-flops' outputs to one to five LUT inputs, which can be exchanged, and flip-flops' X pins."""
    chance = random.Random(seed)
    outputs = [(site, pin) for site in sites for pin in ("AQ", "BQ", "CQ", "DQ")]
    chance.shuffle(outputs)
    free = {(site, letter): 6 for site in sites for letter in "ABCD"}
    bypass = [(site, pin) for site in sites for pin in ("AX", "BX", "CX", "DX", "CE")]
    chance.shuffle(bypass)
    nets = []
    for number in range(count):
        sinks = []
        for site, letter in chance.sample(sorted(place for place, left in free.items() if left), chance.randint(1, 5)):
            free[site, letter] -= 1
            sinks.append((round(chance.random(), 2), 0, site, [f"{letter}{n}" for n in range(1, 7)]))
        if number % 3 == 0 and bypass:
            site, pin = bypass.pop()
            sinks.append((0.5, 0, site, [pin]))
        nets.append(("signal", f"n{number}", [outputs.pop()], sinks))
    return nets


def check(nets, routes):
    """Each net is a tree from its source to all its sinks, and no node belongs to two."""
    owner = {}
    for kind, name, sources, sinks in nets:
        pips, ends = routes[name]
        reached = {pin_node(*source) for source in sources}
        for feature in pips:
            source, target, _ = switch(feature)
            assert source in reached or kind in ("ground", "supply"), f"{feature} hangs in the air (seed {SEED})"
            assert target not in reached, f"{feature} drives a node a second time"
            reached.add(target)
            assert owner.setdefault(target, name) == name, f"{name} and {owner[target]} share {feature}'s node"
        taken = [node_named(node) for node, _ in ends]
        assert len(set(taken)) == len(sinks)
        for node, (_, _, site, pins) in zip(taken, sinks, strict=True):
            assert node in reached
            assert node in {pin_node(site, pin) for pin in pins}


@cache
def wires_in_order():
    """All wires in the order of their nodes, and the nodes in that order."""
    nodes = load_device().node_of
    order = np.argsort(nodes, kind="stable")
    return order, nodes[order]


def wires_of(node):
    order, nodes = wires_in_order()
    # In the array's own type: another would have all of it converted.
    return order[slice(*np.searchsorted(nodes, np.array([node, node + 1], nodes.dtype)))].tolist()


def node_load(node):
    """Resistance and capacitance of a node's wires; of long vertical lines only two wires count."""
    device = load_device()
    names = [device.wire_name(wire).split("/") for wire in wires_of(node)]
    figures = [(wire, device.types[device.tiles[tile].kind].about["wires"][wire]) for tile, wire in names]
    if any(wire.startswith("LV") for wire, _ in figures):
        figures = [each for each in figures if each[0].startswith("LV")][:2]
    return (sum(float(f["res"]) for _, f in figures if f), sum(float(f["cap"]) for _, f in figures if f))


def columns(delay):
    """The four figures of an element; a few have the fast two the wrong way round."""
    figures = [float(figure) for figure in delay or "0000"]
    return sorted(figures[:2]) + sorted(figures[2:])


def expected_delays(net, pips, ends):
    """The four delays of each of a net's sinks, by recursion over its tree."""
    _, _, ((site, pin),), sinks = net
    children = defaultdict(list)
    for feature in pips:
        source, target, pip = switch(feature)
        children[source].append((target, pip["src_to_dst"], pip["is_pass_transistor"]))
    figures_at = {node_named(node): pin_figures(s, next(p for p in pins if pin_node(s, p) == node_named(node)))
                  for (node, _), (_, _, s, pins) in zip(ends, sinks, strict=True)}

    def after(node):
        return float(figures_at.get(node, {}).get("cap") or 0) + sum(
            whole(child) if passes else float(pip["in_cap"] or 0) for child, pip, passes in children[node])

    def whole(node):
        return node_load(node)[1] + after(node)

    result = {}

    def visit(node, figures, sums):
        resistance, capacitance = node_load(node)
        rc = 1e-6 * (float(figures["res"] or 0) * whole(node) + resistance * (capacitance / 2 + after(node)))
        sums = [total + own + rc for total, own in zip(sums, columns(figures["delay"]), strict=True)]
        result[node] = sums
        for child, pip, _ in children[node]:
            visit(child, pip, sums)

    visit(pin_node(site, pin), pin_figures(site, pin), [0.0] * 4)
    nodes = [node_named(node) for node, _ in ends]
    return [[total + own for total, own in zip(result[node], columns(figures_at[node]["delay"]), strict=True)]
            for node in nodes]


# The tests


def test_random_nets_are_routed_as_trees_without_a_shared_wire(run):
    nets = random_nets(400, slices(120))
    routes = parse(run(nets))
    check(nets, routes)
    assert any("BRAM" not in pip and "INT_" in pip for pips, _ in routes.values() for pip in pips)


def test_delays_are_those_of_a_slow_recursion(run):
    nets = random_nets(60, slices(40))
    routes = parse(run(nets))
    for net in nets:
        pips, ends = routes[net[1]]
        for (_, found), expected in zip(ends, expected_delays(net, pips, ends), strict=True):
            assert found == pytest.approx(expected, abs=2e-5)


def test_six_nets_share_a_lut_by_exchanging_its_inputs(run):
    target, *others = slices(7)
    pins = [f"B{n}" for n in range(1, 7)]
    nets = [("signal", f"n{n}", [(site, "AQ")], [(0.9, 0, target, pins)]) for n, site in enumerate(others)]
    routes = parse(run(nets))
    check(nets, routes)
    assert {ends[0][0].rpartition("_B")[2] for _, ends in routes.values()} == set("123456")


def test_a_critical_connection_is_faster_and_takes_a_fast_lut_input(run):
    source, target = slices(2)
    pins = [f"A{n}" for n in range(1, 7)]
    ((_, slow),), ((_, fast),) = (
        parse(run([("signal", "n", [(source, "AQ")], [(criticality, 0, target, pins)])]))["n"][1]
        for criticality in (0.0, 1.0))
    assert fast[3] <= slow[3] + 1e-6


def test_the_worst_connections_get_faster_when_timing_is_known(run):
    sites = slices(100)
    nets = random_nets(350, sites)
    without = parse(run([(kind, name, sources, [(0, 0, site, pins) for _, _, site, pins in sinks])
                         for kind, name, sources, sinks in nets]))
    routes = parse(run(nets, 100, 0, 8.0))
    check(nets, routes)
    worst = [max(found[3] for _, ends in each.values() for _, found in ends) for each in (without, routes)]
    assert worst[1] < worst[0] - 0.1


def test_constants_leave_signals_their_only_way(run):
    """All inputs of a slice but one are 0; the clock enable's wire is not spent on them."""
    target, source = slices(2)
    zeros = [f"{letter}{n}" for letter in "ABCD" for n in range(1, 7)] + ["AX", "BX", "DX", "SR"]
    nets = [("signal", "enable", [(source, "AQ")], [(0, 0, target, ["CE"])]),
            ("ground", "zero", [], [(0, 0, target, [pin]) for pin in zeros]),
            ("supply", "one", [], [(0, 0, target, ["CX"])])]
    routes = parse(run(nets))
    check(nets, routes)
    device = load_device()
    assert any(pip.endswith("GND_WIRE") for pip in routes["zero"][0])
    tile, name = routes["one"][0][0].split(".", 1)
    assert device.types[device.tiles[tile].kind].fixed_pips[name] == "default"


def test_a_clock_stays_on_clock_wires(run):
    sites = slices(30)
    nets = [("clock", "clk", [("BUFGCTRL_X0Y16", "O")], [(0, 0, site, ["CLK"]) for site in sites]),
            *random_nets(60, sites)]
    routes = parse(run(nets))
    check(nets, routes)
    wires = {pip.partition(".")[2] for pip in routes["clk"][0]}
    assert any("GCLK" in wire for wire in wires)
    assert not any("END" in wire or "LOGIC_OUTS" in wire for wire in wires)
    for name, (pips, _) in routes.items():
        assert name == "clk" or not any("GCLK" in pip or pip.startswith("CLK_") for pip in pips)


def test_connections_are_lengthened_for_hold(run):
    sites = slices(40)
    nets = random_nets(40, sites)
    before = parse(run(nets))
    shortest = min(found[0] for _, ends in before.values() for _, found in ends)
    required = shortest + 0.15
    asked = [(kind, name, sources, [(0, required, site, pins) for _, _, site, pins in sinks])
             for kind, name, sources, sinks in nets]
    assert sum(found[0] < required + 0.02 for _, ends in before.values() for _, found in ends) > 5
    after = parse(run(asked, 100, 0.02))
    check(asked, after)
    assert all(found[0] >= required + 0.02 for _, ends in after.values() for _, found in ends)


def test_the_same_input_gives_the_same_routes(run):
    nets = random_nets(150, slices(60))
    assert run(nets) == run(nets)


def test_what_cannot_be_routed_is_one_clear_message(run, router, tmp_path):
    target, one, two = slices(3)
    twice = [("signal", name, [(site, "AQ")], [(0, 0, target, ["AX"])]) for name, site in (("a", one), ("b", two))]
    assert "placement is at fault" in run(twice, fails=True)
    seven = [("signal", f"n{n}", [(site, "BQ")], [(0, 0, target, [f"A{k}" for k in range(1, 7)])])
             for n, site in enumerate(slices(8)[1:])]
    assert "after 6 rounds" in run(seven, 6, fails=True)
    assert "has no pin" in run([("signal", "a", [(one, "AQ")], [(0, 0, target, ["NONE"])])], fails=True)
    program, device = router
    short = tmp_path / "short.bin"
    short.write_bytes(device.read_bytes()[:100_000])
    for place, says in ((short, "cut off"), (tmp_path / "none", "cannot be read")):
        done = subprocess.run([program, place, place], capture_output=True, text=True)
        assert done.returncode == 1
        assert says in done.stderr
