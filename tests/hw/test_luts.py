"""LUTs of the netlist: fewer and plainer inputs, the same function; and immune to how a router unites equal inputs."""

import itertools
import random

import pytest
from flows.luts import lut_inputs, lut_table, luts, reduce_luts, simplify

from pynq_bnn.errors import PynqBnnError

CONSTANTS = {"0": 0, "1": 1}


def value(table, inputs, signals):
    return table >> sum({**CONSTANTS, **signals}[bit] << place for place, bit in enumerate(inputs)) & 1


def assignments(bits):
    signals = sorted({bit for bit in bits if bit not in CONSTANTS})
    return (dict(zip(signals, values)) for values in itertools.product((0, 1), repeat=len(signals)))


def random_table(rng, inputs):
    """A table of all inputs, or of some of them only."""
    table, ignored = rng.getrandbits(1 << inputs), rng.choice([0, 0, rng.getrandbits(inputs)])
    return sum((table >> (number & ~ignored) & 1) << number for number in range(1 << inputs))


def plain(table, inputs):
    """Whether all inputs are different signals, and each changes the output somewhere."""
    return len(set(inputs)) == len(inputs) and not CONSTANTS.keys() & set(inputs) and all(
        any((table >> number ^ table >> (number ^ 1 << place)) & 1 for number in range(1 << len(inputs)))
        for place in range(len(inputs)))


@pytest.mark.parametrize("kind", range(1, 7))
def test_a_lut_of_each_kind_keeps_its_function(kind):
    rng = random.Random(kind)
    for _ in range(200):
        inputs = [rng.choice(["0", "1", *range(2, 2 + rng.randint(1, 6))]) for _ in range(kind)]
        table = random_table(rng, kind)
        small, left = simplify(table, inputs)
        assert plain(small, left), f"{inputs} {table:#x}"
        assert left == sorted(left, key=inputs.index)
        for signals in assignments(inputs):
            assert value(small, left, signals) == value(table, inputs, signals), f"{inputs} {table:#x}"


def test_the_two_luts_of_the_first_overlay_are_choices_between_two_signals():
    """(is_conv or is_fc) ? window : fp_walk, as Yosys left it: the net `window` at two inputs."""
    conv, fc, window, walk = 2, 3, 4, 5
    inputs = [walk, window, conv, window, fc]
    table = sum((n >> 3 & 1 if n >> 4 & 1 else n >> 1 & 1 if n >> 2 & 1 else n & 1) << n for n in range(32))
    small, left = simplify(table, inputs)
    assert left == [walk, window, conv, fc]
    assert all(value(small, left, s) == s[window if s[conv] or s[fc] else walk] for s in assignments(left))


# Cells

def lut(table, inputs, output):
    pins = {f"I{place}": [bit] for place, bit in enumerate(inputs)} | {"O": [output]}
    return {"type": f"LUT{len(inputs)}", "parameters": {"INIT": format(table, f"0{1 << len(inputs)}b")},
            "port_directions": {pin: "output" if pin == "O" else "input" for pin in pins}, "connections": pins}


def cell(kind, **pins):
    return {"type": kind, "parameters": {}, "connections": {pin: [bit] for pin, bit in pins.items()},
            "port_directions": {pin: "output" if pin in ("Q", "O") else "input" for pin in pins}}


def design(cells, **ports):
    return {"cells": cells, "ports": {name: {"direction": "output", "bits": bits} for name, bits in ports.items()},
            "netnames": {"some": {"bits": [bit for bits in ports.values() for bit in bits]}}}


def outputs(module, signals):
    """The values of the module's ports, LUT after LUT as their inputs become known."""
    known, waiting = {**CONSTANTS, **signals}, [module["cells"][name] for name in luts(module["cells"])]
    while waiting:
        ready = [found for found in waiting if all(bit in known for bit in lut_inputs("", found))]
        for found in ready:
            known[found["connections"]["O"][0]] = value(lut_table("", found), lut_inputs("", found), known)
        waiting = [found for found in waiting if found not in ready]
        assert ready or not waiting
    return [known[bit] for port in module["ports"].values() for bit in port["bits"]]


@pytest.mark.parametrize("seed", range(20))
def test_networks_of_luts_keep_their_function(seed):
    rng = random.Random(seed)
    signals, cells = list(range(2, 7)), {}
    for number in range(100, 130):
        kind = rng.randint(1, 6)
        inputs = [rng.choice(["0", "1", *signals, *range(max(100, number - 6), number)]) for _ in range(kind)]
        cells[f"lut{number}"] = lut(random_table(rng, kind), inputs, number)
    module = design(cells, y=[129, 128, 120], z=[127])
    before = [outputs(module, values) for values in assignments(signals)]
    assert reduce_luts(module)
    assert [outputs(module, values) for values in assignments(signals)] == before
    assert all(plain(lut_table(name, module["cells"][name]), lut_inputs(name, module["cells"][name]))
               for name in luts(module["cells"]))
    assert reduce_luts(module) == 0


def test_constants_and_wires_reach_the_cells_that_read_them():
    module = design({
        "zero": lut(0b1000, [10, "0"], 20), "wire": lut(0b1100, [10, 11], 21),
        "both": lut(0b0110, [20, 21], 22),  # 0 xor 11: the wire's input
        "kept": cell("FDRE", D=22, CE=20, C=30, Q=40)}, q=[40], same=[21])
    assert reduce_luts(module) == 3
    assert module["cells"] == {"kept": cell("FDRE", D=11, CE="0", C=30, Q=40)}
    assert module["ports"]["same"]["bits"] == [11]
    assert module["netnames"]["some"]["bits"] == [40, 11]


def test_what_nothing_reads_any_more_goes_and_memories_stay():
    module = design({
        "choice": lut(0b1010, [10, 11], 20), "before": cell("FDRE", D=12, C=30, Q=11),
        "source": cell("INV", I=13, O=12),
        "memory": cell("RAM64M", WCLK=30, O=50), "used": cell("FDRE", D=20, C=30, Q=40),
        "counter": cell("FDRE", D=61, C=30, Q=60), "increment": cell("INV", I=60, O=61)}, q=[40])
    assert reduce_luts(module) == 5
    assert set(module["cells"]) == {"memory", "used"}
    assert module["cells"]["used"]["connections"]["D"] == [10]


@pytest.mark.parametrize(("change", "message"), [
    ({"connections": {"I0": [2], "O": [9]}}, "odd is no LUT2: its pins are I0, O"),
    ({"connections": {"I0": [2], "I1": ["x"], "O": [9]}}, "odd has an undefined input"),
    ({"parameters": {"INIT": "01x1"}}, "INIT=01x1 is no table of a LUT2"),
    ({"parameters": {"INIT": "10000"}}, "INIT=10000 is no table of a LUT2"),
    ({"parameters": {}}, "INIT=nothing is no table")])
def test_a_lut_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(PynqBnnError, match=message):
        reduce_luts(design({"odd": {**lut(0b0111, [2, 3], 9), **change}}, y=[9]))


# What the tool makes of a LUT: pins in another order, equal nets on one pin, two LUTs in one.

def united(names):
    """The note of a pin that stands for several inputs, with the space where nextpnr-xilinx (e22bcf69) has it."""
    return names[0] + "".join(name + " " for name in names[1:])


def written(rng, luts_of_site):
    """The table of a site after routing, and the net at each of its pins, by the tool's rules.

    ``luts_of_site`` is (table, inputs) of O6 and, if the site is shared, of O5.
    """
    nets = sorted({bit for _, inputs in luts_of_site for bit in inputs}, key=str)
    pins = dict(zip(nets, rng.sample(range(6 if len(luts_of_site) == 1 else 5), len(nets))))
    shared = len(luts_of_site) == 2
    bits = 0
    for half, (table, inputs) in enumerate(luts_of_site):
        notes = {}
        for net, pin in pins.items():
            names = [f"I{place}" for place, bit in enumerate(inputs) if bit == net]
            # Of a shared site, equal inputs were united before routing, with the space in its place.
            notes[pin] = [" ".join(names)] if shared and names else names
        places = {f"I{place}": place for place in range(len(inputs))}
        for number in range(32, 64) if shared and not half else range(32) if shared else range(64):
            index = 0
            for pin, names in notes.items():
                if names and number >> pin & 1:
                    for token in united(names).split(" "):
                        index |= 1 << places.get(token, 0)
            bits |= (table >> index & 1) << number
    return bits, pins


def is_right(rng, luts_of_site):
    bits, pins = written(rng, luts_of_site)
    for signals in assignments([bit for _, inputs in luts_of_site for bit in inputs]):
        known = {**CONSTANTS, **signals}
        number = sum(known[net] << pin for net, pin in pins.items())
        for half, (table, inputs) in enumerate(luts_of_site):
            high = [0, 32] if len(luts_of_site) == 1 and 5 not in pins.values() else [0]
            high = high if len(luts_of_site) == 1 else [0 if half else 32]
            if any(bits >> (number | extra) & 1 != value(table, inputs, signals) for extra in high):
                return False
    return True


@pytest.mark.parametrize("kind", range(1, 7))
def test_reduced_luts_are_written_right_whatever_the_router_does(kind):
    rng = random.Random(kind)
    for _ in range(100):
        inputs = [rng.choice(["0", "1", *range(2, 2 + kind)]) for _ in range(kind)]
        small, left = simplify(rng.getrandbits(1 << kind), inputs)
        if left:
            assert is_right(rng, [(small, left)]), inputs


@pytest.mark.parametrize("kinds", [(5, 5), (5, 3), (4, 2), (3, 3), (1, 5)])
def test_two_reduced_luts_share_a_site(kinds):
    rng = random.Random(str(kinds))
    for _ in range(100):
        nets = list(range(2, 7))
        pair = [simplify(rng.getrandbits(1 << kind), [rng.choice([*nets, "1"]) for _ in range(kind)]) for kind in kinds]
        assert is_right(rng, pair), pair


def test_the_fault_is_there_without_the_reduction():
    rng = random.Random(1)
    equal = [(rng.getrandbits(32), [2, 3, 4, 3, 5]) for _ in range(20)]
    assert not all(is_right(rng, [one]) for one in equal)
    assert all(is_right(rng, [simplify(*one)]) for one in equal)
