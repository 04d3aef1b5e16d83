"""The open flow with programs that stand for its tools: what they are told, and what becomes of their mistakes."""

import json

import pytest
from flows import openxc7
from flows.netlist import Netlist, count
from flows.openxc7 import build, find_tools
from hw.flow_tools import bit_file, program
from hw.test_sta import analysed

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.program.config import Config

FASM = "CLBLL_L_X2Y100.SLICEL_X0.ALUT.INIT[63:0] = 64'b101\nINT_L_X2Y100.NL1BEG1.NN2END2\n\n# a comment\n"
CELLS = {"FDRE": 2, "LUT6": 5, "RAMB36E1": 1}


@pytest.fixture
def flow(tmp_path, monkeypatch):
    """``flow(mhz, decoded=, wire=, hold=, nextpnr=)``: a build on stand-ins.

    ``wire`` is the longest one in the bits, ``hold`` the least margin (ns).
    """
    monkeypatch.setattr(openxc7, "synthesize", lambda config, folder, flat: Netlist(folder / "net.json", CELLS))
    (tmp_path / "db" / openxc7.PART).mkdir(parents=True)
    for place in (tmp_path / "db" / openxc7.PART / "part.yaml", tmp_path / "chip.bin"):
        place.write_text("")

    def run(mhz=100.0, decoded=FASM, wire=1.0, hold=0.1, nextpnr="", **variables):
        monkeypatch.setattr(openxc7, "analyse_bit", lambda place: analysed([(0, 1, (hold - 0.05, wire))],
                                                                           ends=[(1, 0, 0.0)]))
        after = "argv[argv.index('{0}') + 1]"
        programs = {
            "NEXTPNR": f"""if argv == ["--version"]: print("nextpnr 1.2"); sys.exit()
{nextpnr}
print("Info: \\t SLICE_LUTX:  7/106400     0%"); print("Info: \\t SLICE_FFX:  2/106400     0%")
Path({after.format("--fasm")}).write_text({FASM!r})
Path({after.format("--write")}).write_text({json.dumps({"modules": {"top": {"cells": {}}}})!r})""",
            "FASM2FRAMES": "Path(argv[-1]).write_text(Path(argv[-2]).read_text())",
            "FRAMES2BIT": f"Path({after.format('--output_file')}).write_bytes({bit_file()!r})",
            "BIT2FASM": f"print('a warning', file=sys.stderr); print({decoded!r}, end='')"}
        values = {name: program(tmp_path / name.lower(), body) for name, body in programs.items()}
        values |= {"CHIPDB": str(tmp_path / "chip.bin"), "PRJXRAY_DB": str(tmp_path / "db"), **variables}
        return build(Config(), mhz, 7, tmp_path / "build", find_tools(values))

    return run


def test_a_bitstream_comes_out_with_its_figures(flow, tmp_path):
    built = flow()
    assert built.bitstream == bit_file()
    assert {name: built.facts[name] for name in ("lut", "ff", "bram36", "seed", "worst_slack_ns", "fmax_mhz")} == \
           {"lut": 7, "ff": 2, "bram36": 1, "seed": 7, "worst_slack_ns": 8.346, "fmax_mhz": 648.4}
    assert built.facts["tools"]["nextpnr-xilinx"] == "nextpnr 1.2"
    assert "SLICE_LUTX: 7" in (tmp_path / "build" / "utilization.txt").read_text()
    assert (built.facts["worst_hold_ns"], built.facts["hold_below_0"]) == (0.1, 0)
    assert "worst slack +8.346 ns" in (tmp_path / "build" / "timing.txt").read_text()


def test_inputs_that_change_too_early_are_said(flow, capsys):
    built = flow(hold=-0.05)
    assert built.facts["hold_below_0"] == 1
    assert "1 inputs change too early, by up to 0.050 ns" in capsys.readouterr().err


@pytest.mark.parametrize(("values", "message"), [
    ({"wire": 9.6}, r"the clock of 100 MHz is missed by 0.\d+ ns .*timing.txt\); take a slower CLOCK= \(97 fits\)"),
    ({"nextpnr": "print('ERROR: no chipdb'); sys.exit(3)"}, "failed with status 3: ERROR: no chipdb; .*does CHIPDB"),
    ({"decoded": FASM.replace("101", "100")}, "does not decode to what was written: .*routed.frames and .*differ"),
    ({"decoded": FASM + '{ unknown_bit = "1_2_3" }\n'}, "decodes with 1 unknown bits"),
    ({"FRAMES2BIT": "false"}, "false failed with status 1: it said nothing; .*does PRJXRAY_DB="),
    ({"FASM2FRAMES": "no-such-tool"}, r"no-such-tool is not there \(set FASM2FRAMES=\)"),
    ({"CHIPDB": "/no/where"}, "CHIPDB=/no/where is not the chip database"),
    ({"PRJXRAY_DB": "/no/where"}, "PRJXRAY_DB=/no/where is not the folder"),
])
def test_what_goes_wrong_is_told(flow, values, message):
    with pytest.raises(PynqBnnError, match=message):
        flow(**values)


def test_cells_are_counted_as_the_device_has_them():
    assert count({"LUT3": 2, "RAM64M": 3, "SRL16E": 1, "FDRE": 5, "FDCE": 1, "RAMB18E1": 3, "RAMB36E1": 2,
                  "DSP48E1": 4, "CARRY4": 9}) == {"lut": 15, "ff": 6, "bram36": 4, "dsp": 4}
