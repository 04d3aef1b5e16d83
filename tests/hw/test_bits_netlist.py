"""Tables, and the comparison of netlists: the same circuit under other names and places is the same, no other is."""

import itertools

import numpy as np
import pytest
from flows.bits.compare import compare
from flows.bits.netlist import Block, Netlist, Table, reduced, working_pins

from pynq_bnn.errors import PynqBnnError


def value(init, nets, values):
    row = sum(int({"0": 0, "1": 1}.get(net, values.get(net, 0))) << number for number, net in enumerate(nets))
    return init >> row & 1


@pytest.mark.parametrize("seed", range(40))
def test_a_reduced_table_is_the_same_function_of_its_nets(seed):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 7))
    nets = tuple(("0", "1", 10, 11, 12, 13)[number] for number in rng.integers(0, 6, width))
    init = int(rng.integers(0, 1 << 32)) << 32 | int(rng.integers(0, 1 << 32))
    init &= (1 << (1 << width)) - 1
    less, left, _ = reduced(init, nets)
    assert len(set(left)) == len(left)
    assert not {"0", "1"} & set(left)
    for bits in itertools.product((0, 1), repeat=4):
        values = dict(zip((10, 11, 12, 13), bits, strict=True))
        assert value(init, nets, values) == value(less, left, values)
    for number, net in enumerate(left):  # each input that is left matters
        assert any(value(less, left, {**dict.fromkeys(left, 0), **v}) != value(less, left, {**v, net: 1 - v[net]})
                   for bits in itertools.product((0, 1), repeat=len(left))
                   for v in [dict(zip(left, bits, strict=True))]), number


def counter(width=6, rename=0, order=None, twist=0, rare=0):
    """A counter that the processing system reads and enables, and a flag where all its bits are 1."""
    def net(number):
        return 100 + (number * 37 + rename) % 64

    blocks = [Block("PS7", {}, {"IRQF2P0": net(40)}, {"FCLKCLK0": net(41), "ENABLE0": net(42)}, "ps")]
    tables = []
    for bit in range(width):
        inputs = [net(n) for n in range(bit + 1)]
        lower = (1 << bit) - 1
        init = sum(((row & lower == lower) ^ (row >> bit & 1)) << row for row in range(1 << len(inputs)))
        if order and len(inputs) > 1:
            places = order[:len(inputs)]
            places = sorted(range(len(inputs)), key=lambda n: places[n])
            init = sum((init >> sum((row >> k & 1) << n for k, n in enumerate(places)) & 1) << row
                       for row in range(1 << len(inputs)))
            inputs = [inputs[n] for n in places]
        tables.append(Table(init ^ (twist if bit == 3 else 0), tuple(inputs), net(20 + bit), f"t{bit}"))
        blocks.append(Block("FF", {"sync": 1, "reset": 0, "init": 0},
                            {"D": net(20 + bit), "C": net(41), "CE": net(42), "R": "0"}, {"Q": net(bit)}, f"f{bit}"))
    tables.append(Table((1 << 63) ^ rare, tuple(net(n) for n in range(6)), net(43), "all"))
    blocks.append(Block("FF", {"sync": 1, "reset": 0, "init": 0},
                        {"D": net(43), "C": net(41), "CE": "1", "R": "0"}, {"Q": net(40)}, "flag"))
    return Netlist(tables[::-1] if rename else tables, blocks[::-1] if rename else blocks)


def test_names_places_and_the_order_of_inputs_do_not_matter():
    assert compare(counter(rename=5, order=(3, 1, 4, 0, 2, 5)), counter()) is None


def test_buffers_and_split_constants_do_not_matter():
    found = counter(rename=9)
    found.tables.append(Table(0b10, (found.block("PS7").outputs["FCLKCLK0"],), 900, "buffer"))
    found.tables.append(Table(1, (), 901, "one"))
    blocks = []
    for block in found.blocks:
        if block.kind == "FF":
            clock = {"C": 900, **({"CE": 901} if block.inputs["CE"] == "1" else {})}
            block = Block(block.kind, block.settings, {**block.inputs, **clock}, block.outputs, block.place)
        blocks.append(block)
    assert compare(Netlist(found.tables, blocks), counter()) is None


def test_a_carry_that_was_made_again_from_the_next_sum_does_not_matter():
    """The flag reads a carry: as such, or as the exclusive or of the next sum and its operand."""
    def adder(again):
        blocks = [Block("PS7", {}, {"IRQF2P0": 130}, {"FCLKCLK0": 131, "A": 100, "B": 101, "C": 102}, "ps")]
        tables = [Table(0xCA, (100, 101, 102), 120, "carry"), Table(0b0110, (102, 120), 121, "sum")]
        tables.append(Table(0b0110, (121, 102) if again == 2 else (102, 121), 122, "carry again"))
        kind = {"sync": 1, "reset": 0, "init": 0}
        blocks += [Block("FF", kind, {"D": net, "C": 131, "CE": "1", "R": "0"}, {"Q": q}, n)
                   for net, q, n in ((122 if again else 120, 140, "kept"), (121, 141, "total"))]
        tables.append(Table(0b0111, (140, 141), 130, "both"))
        return Netlist(tables, blocks)

    for again in (1, 2):
        assert compare(adder(again), adder(0)) is None


@pytest.mark.parametrize("change", [{"twist": 1 << 5}, {"rare": 1 << 63}, {"rare": 1 << 62}])
def test_a_changed_table_is_found(change):
    difference = compare(counter(rename=5, **change), counter())
    assert difference is not None
    assert difference.lines


def test_a_missing_register_and_a_net_without_a_driver_are_found():
    more = counter()
    more.blocks[0].inputs["IRQF2P1"] = 150
    more.blocks.append(Block("FF", {"sync": 1, "reset": 0, "init": 0}, {"D": 150, "C": "0", "CE": "1", "R": "0"},
                             {"Q": 150}, "another"))
    assert compare(counter(), more) is not None
    with pytest.raises(PynqBnnError, match="all reads a net that nothing drives"):
        compare(counter(width=5), counter())


def test_a_difference_that_samples_miss_is_found():
    """Twelve bits all 1: 128 samples see that once in 32 runs, so the exact functions must tell."""
    def wide(last):
        registers = range(100, 112)
        blocks = [Block("PS7", {}, {"IRQF2P0": 130}, {"FCLKCLK0": 131, **{f"D{n}": 140 + n for n in range(12)}}, "ps")]
        blocks += [Block("FF", {"sync": 1, "reset": 0, "init": 0}, {"D": 40 + net, "C": 131, "CE": "1", "R": "0"},
                         {"Q": net}, f"f{net}") for net in registers]
        tables = [Table(1 << 63, tuple(registers)[:6], 120, "low"), Table(1 << 63, tuple(registers)[6:], 121, "high"),
                  Table(last, (120, 121), 122, "both")]
        blocks.append(Block("FF", {"sync": 1, "reset": 0, "init": 0}, {"D": 122, "C": 131, "CE": "1", "R": "0"},
                            {"Q": 130}, "flag"))
        return Netlist(tables, blocks)

    assert compare(wide(0b1000), wide(0b1000)) is None
    difference = compare(wide(0b0000), wide(0b1000))
    assert difference is not None
    assert "flag" in " ".join(difference.lines)


@pytest.mark.parametrize(("setting", "value"), [("sync", 0), ("reset", 1)])
def test_another_kind_of_register_is_found(setting, value):
    found = counter()
    found.blocks[2] = Block("FF", {**found.blocks[2].settings, setting: value}, found.blocks[2].inputs,
                            found.blocks[2].outputs, "f1")
    difference = compare(found, counter())
    assert difference is not None
    assert "f1" in " ".join(difference.lines)


def test_another_initial_value_is_found_where_the_netlist_gives_one():
    found = counter()
    found.blocks[2] = Block("FF", {**found.blocks[2].settings, "init": 1}, found.blocks[2].inputs,
                            found.blocks[2].outputs, "f1")
    assert "f1 begins with 1" in " ".join(compare(found, counter()).lines)
    free = counter()
    free.blocks[:] = [Block(block.kind, {**block.settings, **({"init": -1} if block.kind == "FF" else {})},
                            block.inputs, block.outputs, block.place) for block in free.blocks]
    assert compare(found, free) is None


def test_registers_that_are_one_only_by_chance_are_not_taken_for_one():
    """Two registers that keep their value are equal for ever where they begin equal, and only there."""
    def keeping(first, second):
        blocks = [Block("PS7", {}, {"IRQF2P0": 130}, {"FCLKCLK0": 131}, "ps")]
        blocks += [Block("FF", {"sync": 1, "reset": 0, "init": init}, {"D": net, "C": 131, "CE": "1", "R": "0"},
                         {"Q": net}, f"f{net}") for net, init in ((100, first), (101, second))]
        return Netlist([Table(0b0110, (100, 101), 130, "differ")], blocks)

    assert compare(keeping(0, 0), keeping(-1, -1)) is None
    assert compare(keeping(1, 0), keeping(-1, -1)) is not None


def test_a_pin_that_the_netlist_leaves_open_must_be_a_constant():
    found = counter()
    found.blocks[0].inputs["DDRARB0"] = found.blocks[0].outputs["ENABLE0"]
    assert "DDRARB0" in " ".join(compare(found, counter()).lines)
    found.blocks[0].inputs["DDRARB0"] = "1"
    assert compare(found, counter()) is None


def test_pins_of_registers_that_are_not_there_do_nothing():
    settings = {"AREG": 1, "BREG": 0, "CREG": 0, "DREG": 0, "ADREG": 0, "MREG": 1, "PREG": 0, "INMODEREG": 0,
                "ALUMODEREG": 0, "OPMODEREG": 0, "CARRYINSELREG": 0, "CARRYINREG": 0, "USE_DPORT": 0}
    pins = dict.fromkeys(("A0", "D0", "CEA1", "CEA2", "RSTA", "CEB2", "CEM", "CEP", "CECTRL", "OPMODE0"), 5)
    assert set(working_pins("DSP48E1", settings, pins)) == {"A0", "CEA2", "RSTA", "CEM", "OPMODE0"}
