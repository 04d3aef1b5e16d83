"""vivado.tcl, run by Tcl itself with procedures that stand for Vivado's commands."""

import os

import pytest

from pynq_bnn.simulation import hw_directory

try:
    from tkinter import Tcl
except ImportError:
    Tcl = None
if Tcl is None and not os.environ.get("PYNQ_BNN_STRICT"):
    pytest.skip("Python without tkinter, which runs the script", allow_module_level=True)

SCRIPT = hw_directory() / "flows" / "vivado.tcl"
COMMANDS = ("read_verilog", "read_xdc", "synth_design", "opt_design", "place_design", "phys_opt_design", "route_design",
            "report_utilization", "report_timing_summary", "report_drc", "write_bitstream")


@pytest.fixture
def vivado(tmp_path):
    """``vivado(slack, hold)`` runs the script; the commands that it called, in order, and its error."""

    def run(slack, hold, paths="p"):
        called, interpreter = [], Tcl()
        for name in COMMANDS:
            interpreter.createcommand(name, lambda *words, name=name: called.append((name, *map(str, words))) or "")
        interpreter.createcommand("version", lambda *words: "2020.1")
        interpreter.createcommand("get_cells", lambda *words: "a b c")
        interpreter.createcommand("get_timing_paths", lambda _, kind: paths and f"{kind}")
        interpreter.createcommand("get_property", lambda _, path: {"max": slack, "min": hold}[path])
        words = [str(tmp_path), "8.000", "/some/where/a.sv", "/some/where/b.sv", "--", "LANES=4", "PE=16"]
        interpreter.setvar("argv", interpreter.call("list", *words))
        error = None
        try:
            interpreter.eval(SCRIPT.read_text(encoding="utf-8"))
        except Exception as raised:  # tkinter's TclError
            error = str(raised)
        return called, error

    return run


def test_the_steps_come_in_their_order(vivado, tmp_path):
    called, error = vivado("0.5", "0.1")
    assert error is None
    assert [name for name, *_ in called] == ["read_verilog", "read_xdc", "synth_design", "opt_design", "place_design",
                                             "phys_opt_design", "route_design", "phys_opt_design", "report_utilization",
                                             "report_timing_summary", "report_drc", "write_bitstream"]
    by_name = dict((name, words) for name, *words in called)
    assert by_name["read_verilog"] == ["-sv", "/some/where/a.sv /some/where/b.sv"]
    assert by_name["synth_design"] == ["-top", "bnn_board", "-part", "xc7z020clg400-1", "-generic", "LANES=4",
                                       "-generic", "PE=16"]
    assert by_name["write_bitstream"][-1] == f"{tmp_path}/pynq-bnn.bit"
    constraints = (tmp_path / "bnn_board.xdc").read_text().splitlines()
    assert constraints[0] == "create_clock -name fclk0 -period 8.000 [get_pins u_ps7/FCLKCLK[0]]"
    assert constraints[1] == "set_false_path -from [get_pins u_ps7/FCLKRESETN[0]]"


def test_the_facts_are_what_python_reads(vivado, tmp_path):
    from flows.vivado import _facts

    vivado("0.5", "0.1")
    facts = _facts((tmp_path / "facts.txt").read_text(), 125.0)
    assert facts == {"flow": "vivado", "worst_slack_ns": 0.5, "fmax_mhz": 133.3, "lut": 3, "ff": 3, "bram36": 5,
                     "dsp": 3, "tools": {"vivado": "2020.1"}}


@pytest.mark.parametrize(("slack", "hold"), [("-0.001", "0.1"), ("0.1", "-0.2")])
def test_a_clock_that_is_missed_writes_no_bitstream(vivado, slack, hold):
    called, error = vivado(slack, hold)
    assert "timing failed" in error
    names = [name for name, *_ in called]
    assert "report_timing_summary" in names
    assert "write_bitstream" not in names


def test_a_design_without_paths_is_no_success(vivado):
    called, error = vivado("0", "0", paths="")
    assert "no path between registers" in error
    assert "write_bitstream" not in [name for name, *_ in called]
