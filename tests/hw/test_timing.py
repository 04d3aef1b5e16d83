"""The timing report on routed designs of a few cells: every kind of path counts what it should."""

import pytest
from flows.timing import Graph, analyse, read_sdf, report, worst_paths

from pynq_bnn.errors import PynqBnnError


def sdf(cells, wires):
    """An SDF file as nextpnr writes it: ``cells`` name → (kind, arcs), delays in ps."""
    lines = ["(DELAYFILE", "  (CELL", '    (CELLTYPE "top")', "    (INSTANCE )"]
    lines += [f"        (INTERCONNECT {source} {target} ({delay}:{delay}:{delay}) ({delay}:{delay}:{delay}))"
              for source, target, delay in wires]
    for name, (kind, arcs) in cells.items():
        lines += [f'    (CELLTYPE "{kind}")', f"    (INSTANCE {name})"]
        lines += [f"        (IOPATH {source} {target} ({delay}:{delay}:{delay}) ({delay}:{delay}:{delay}))"
                  for source, target, delay in arcs]
    return lines


def lut(pins):
    return {"attributes": {f"X_ORIG_PORT_{pin}": "I" for pin in pins}, "parameters": {}}


FF = ("SLICE_FFX", [("CK", "Q", 100)])
LUT = ("SLICE_LUTX", [("A1", "O6", 124), ("A2", "O6", 124)])
CLOCKS = [("buf/O", f"{name}/CK", 900) for name in ("a", "b")]


def worst(cells, wires, about=None):
    paths = worst_paths(Graph(read_sdf(sdf(cells, wires)), about or {}))
    return [round(path.delay, 3) for path in paths], paths


def test_a_path_between_flip_flops_counts_honest_launches():
    wires = [*CLOCKS, ("a/Q", r"l\$1/A1", 1000), (r"l\$1/O6", "b/D", 500)]
    delays, paths = worst({"a": FF, "b": FF, r"l\$1": LUT}, wires, {"l$1": lut(["A1"])})
    assert delays == [2.184]
    assert [pin for pin, _ in paths[0].steps] == ["a/Q", "l$1/A1", "l$1/O6", "b/D", "set-up"]
    text = report(paths, 400.0)
    assert "2.184 ns (457.9 MHz)" in text
    assert "0 of 1 ends are late" in text
    assert "slack 0.316 ns" in text


@pytest.mark.parametrize(("pin", "setup"), [("D", 0.1), ("CE", 0.2), ("SR", 0.43)])
def test_each_input_of_a_flip_flop_has_its_set_up(pin, setup):
    delays, _ = worst({"a": FF, "b": FF}, [*CLOCKS, ("a/Q", f"b/{pin}", 1000)])
    assert delays == [round(1.46 + setup, 3)]


def test_what_a_tool_counts_itself_is_kept_where_it_is_more():
    slow = ("SLICE_FFX", [("CK", "Q", 700)])
    assert worst({"a": slow, "b": FF}, [*CLOCKS, ("a/Q", "b/D", 1000)])[0] == [1.8]


@pytest.mark.parametrize(("kind", "out", "into", "parameters", "launch", "setup"), [
    ("RAMB36E1_RAMB36E1", "DOADO3", "DIADI0", {}, 2.45, 0.57),
    ("RAMB36E1_RAMB36E1", "DOADO3", "ENARDENU", {"DOA_REG": "00001", "DOB_REG": "00001"}, 0.88, 0.57),
    ("PS7_PS7", "MAXIGP0AWVALID", "MAXIGP0AWREADY", {}, 1.45, 0.8),
    ("DSP48E1_DSP48E1", "P0", "A3", {}, 0.43, 0.36),
    ("DSP48E1_DSP48E1", "P0", "A3", {"AREG": "0", "BREG": "0", "PREG": "0"}, 2.1, 2.7),
    ("DSP48E1_DSP48E1", "P0", "C3", {"CREG": "0", "MREG": "0"}, 0.43, 1.6),
    ("DSP48E1_DSP48E1", "P0", "CEA2", {"MREG": "0", "PREG": "0"}, 4.2, 0.5),
])
def test_hard_blocks_begin_and_end_paths(kind, out, into, parameters, launch, setup):
    about = {"h": {"parameters": parameters, "attributes": {}}}
    wires = [*CLOCKS, (f"h/{out}", "a/D", 1000), ("a/Q", f"h/{into}", 2000)]
    assert sorted(worst({"a": FF, "h": (kind, [])}, wires, about)[0]) == \
           sorted([round(launch + 1.0 + 0.1, 3), round(0.46 + 2.0 + setup, 3)])


def test_a_multiplier_without_registers_is_passed():
    about = {"h": {"parameters": dict.fromkeys(("AREG", "BREG", "CREG", "DREG", "MREG", "PREG"), "0")}}
    wires = [*CLOCKS, ("a/Q", "h/A3", 1000), ("h/P7", "b/D", 1000)]
    assert worst({"a": FF, "b": FF, "h": ("DSP48E1_DSP48E1", [])}, wires, about)[0] == [6.76]


def test_memory_in_luts_is_written_by_the_clock_and_read_through():
    memory = ("SLICE_LUTX", [("A1", "O6", 200), ("WE", "O6", 999), ("CLK", "O6", 100)])
    wires = [*CLOCKS, ("buf/O", "m/CLK", 900), ("a/Q", "m/A1", 500), ("a/Q", "m/WE", 3000), ("m/O6", "b/D", 500)]
    about = {"m": lut(["A1", "WE", "CLK"])}
    assert worst({"a": FF, "b": FF, "m": memory}, wires, about)[0] == [3.99, 2.23]
    wires[3] = ("a/Q", "m/A1", 2500)
    assert worst({"a": FF, "b": FF, "m": memory}, wires, about)[0][1] == 3.76


def test_pins_of_the_other_lut_of_a_pair_make_no_path_and_no_loop():
    wires = [*CLOCKS, ("a/Q", "l/A1", 1000), ("l/O6", "l/A2", 0), ("l/O6", "b/D", 500)]
    assert worst({"a": FF, "b": FF, "l": LUT}, wires, {"l": lut(["A1"])})[0] == [2.184]
    with pytest.raises(PynqBnnError, match="loop of logic"):
        worst({"a": FF, "b": FF, "l": LUT}, wires, {"l": lut(["A1", "A2"])})


def test_the_asynchronous_reset_begins_no_path():
    wires = [*CLOCKS, ("p/FCLKRESETN0", "l/A1", 9000), ("l/O6", "a/SR", 500), ("a/Q", "b/D", 100)]
    assert worst({"a": FF, "b": FF, "l": LUT, "p": ("PS7_PS7", [])}, wires, {"l": lut(["A1"])})[0] == [0.66]


def test_files_are_read_and_the_slack_told(tmp_path):
    lines = sdf({"a": FF, "b": FF}, [*CLOCKS, ("a/Q", "b/D", 1000)])
    (tmp_path / "d.sdf").write_text("\n".join(lines))
    (tmp_path / "d.json").write_text('{"modules": {"top": {"cells": {}}}}')
    slack = analyse(tmp_path / "d.sdf", tmp_path / "d.json", 500.0, tmp_path / "timing.txt")
    assert slack == pytest.approx(2.0 - 1.56)
    assert "worst path 1.560 ns" in (tmp_path / "timing.txt").read_text()
    (tmp_path / "d.sdf").write_text("(DELAYFILE)")
    with pytest.raises(PynqBnnError, match="holds no path"):
        analyse(tmp_path / "d.sdf", tmp_path / "d.json", 500.0, tmp_path / "timing.txt")
