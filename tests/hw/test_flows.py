"""``make bitstream``: flows are chosen and run, results appear whole or not at all, mistakes are told in one line."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from flows import openxc7, tools
from flows.bitstream import choose_flow, main
from flows.overlay import check
from hw.flow_tools import FACTS, fake_vivado, program

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.network import InputSpec, Network, OutputSpec, Scores, load_network, one_bit_codes, save_network
from pynq_bnn.simulation import hw_directory

HW = hw_directory()


@pytest.fixture
def no_tools(monkeypatch):
    """Nothing of a flow is on the search path."""
    hidden = {"vivado", *openxc7.TOOLS.values()}
    monkeypatch.setattr(tools.shutil, "which", lambda name, which=shutil.which: None if name in hidden else which(name))


@pytest.fixture
def build(tmp_path):
    """``build(*arguments)`` runs the program into a folder of the test."""

    def run(*arguments):
        return main([*arguments, "--build", str(tmp_path / "build"), "--output", str(tmp_path / "overlays")])

    return run


def fc_network(units, fan_in):
    rng = np.random.default_rng(1)
    layers = (Scores(rng.integers(0, 2, (units, fan_in), dtype=np.uint8)),)
    return Network("tiny", InputSpec(1, fan_in, 1, one_bit_codes(128)), layers,
                   OutputSpec(tuple(map(str, range(units))), np.ones(units, np.float32), np.zeros(units, np.float32)))


def test_without_a_word_the_flow_of_the_repository_is_taken(no_tools, tmp_path):
    vivado = program(tmp_path / "some-vivado", "")
    assert choose_flow("", {"VIVADO": vivado}) == "pnr"
    assert choose_flow("vivado", {"VIVADO": vivado}) == "vivado"


def test_what_the_flow_of_the_repository_misses_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-g++")
    with pytest.raises(PynqBnnError, match=r"needs no-such-g\+\+: a C\+\+17 compiler"):
        choose_flow("", {})
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PynqBnnError, match="pip install pyosys"):
        choose_flow("pnr", {})


def test_make_without_a_compiler_ends_with_the_same_line():
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HW.parent), "CXX": "no-such-g++"}
    run = subprocess.run(["make", "-C", str(HW), f"PYTHON={sys.executable}"], env=environment, capture_output=True,
                         text=True, check=False)
    assert run.returncode
    assert "make bitstream: FLOW=pnr needs no-such-g++" in run.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    (["--flow", "ise"], "no FLOW=ise; pnr, openxc7 or vivado fits"),
    (["--flow", "vivado"], "FLOW=vivado: vivado is not there; source Vivado's settings64.sh, or set VIVADO="),
    (["--size", "LANES=9"], "lanes=9; one of 1, 2, 3"),
    (["--size", "LANES=four"], "no whole number in LANES=four"),
    (["--size", "COLUMNS=4"], "no size COLUMNS=4; ACC_WIDTH, BUFFER_DEPTH"),
    (["--tool", "YOSYS=x"], "no tool YOSYS=x; .*NEXTPNR"),
    (["--clock", "123.4"], "no divisors make 123.4 MHz"),
])
def test_mistakes_are_told(no_tools, build, arguments, message):
    with pytest.raises(PynqBnnError, match=message):
        build(*arguments)


@pytest.mark.parametrize("clock", ["9", "400", "fast"])
def test_clocks_that_no_board_makes_are_refused(build, clock, capsys):
    with pytest.raises(SystemExit):
        build("--clock", clock)
    assert "--clock" in capsys.readouterr().err


def test_everything_that_openxc7_misses_is_named_at_once(no_tools, tmp_path):
    with pytest.raises(PynqBnnError) as raised:
        choose_flow("openxc7", {"CHIPDB": str(tmp_path / "no.chipdb"), "PRJXRAY_DB": str(tmp_path)})
    for word in ("nextpnr-xilinx", "fasm2frames", "xc7frames2bit", "bit2fasm", "no.chipdb", "part.yaml"):
        assert word in str(raised.value)


def test_vivado_gives_an_overlay_and_the_model_beside_it(build, tmp_path, capsys):
    save_network(fc_network(5, 64), tmp_path / "mine.bnn")
    status = build("--flow", "vivado", "--tool", f"VIVADO={fake_vivado(tmp_path)}", "--clock", "125", "--size",
                   "LANES=4", "--size", "PE=16", "--model", str(tmp_path / "mine.bnn"))
    assert status == 0
    about = check(tmp_path / "overlays" / "pynq-bnn.bit")
    assert (about["config"]["lanes"], about["config"]["pe"], about["clock_mhz"]) == (4, 16, 125)
    assert (about["lut"], about["bram36"], about["worst_slack_ns"], about["fmax_mhz"]) == (30000, 92, 0.25, 129.0)
    assert about["tools"] == {"vivado": "2020.1"}
    assert "not been loaded into a device" in about["note"]
    assert load_network(tmp_path / "overlays" / "tiny.bnn").name == "tiny"
    words = (tmp_path / "build" / "vivado" / "arguments.txt").read_text().split("\n")
    assert words[words.index("-tclargs") + 2] == "8.000"
    assert {"LANES=4", "PE=16", "SIMD=64"} < set(words[words.index("--"):])
    assert "not loaded into a device" in capsys.readouterr().out


@pytest.mark.parametrize(("body", "facts", "message"), [
    ("print('INFO: fine'); print('ERROR: [Synth 8-1] no such thing'); print('bye'); sys.exit(1)", FACTS,
     "vivado failed with status 1: ERROR: .Synth 8-1. no such thing; the whole log is .*vivado.log"),
    ("import os; os.kill(os.getpid(), 9)", FACTS, "vivado was ended by signal 9: it said nothing"),
    ("sys.exit(0)", FACTS, "Vivado ended without pynq-bnn.bit"),
    ("", "worst_slack_ns many\n", "Vivado ended without pynq-bnn.bit and facts.txt"),
])
def test_a_flow_that_fails_is_told_and_leaves_the_overlay_as_it_was(build, tmp_path, body, facts, message):
    build("--flow", "vivado", "--tool", f"VIVADO={fake_vivado(tmp_path)}")
    before = {file.name: file.read_bytes() for file in (tmp_path / "overlays").iterdir()}
    assert set(before) == {"pynq-bnn.bit", "pynq-bnn.hwh", "pynq-bnn.json"}
    with pytest.raises(PynqBnnError, match=message):
        build("--flow", "vivado", "--tool", f"VIVADO={fake_vivado(tmp_path, body, facts)}", "--clock", "50")
    assert {file.name: file.read_bytes() for file in (tmp_path / "overlays").iterdir()} == before


def test_a_model_that_does_not_fit_or_cannot_be_read_ends_it_before_the_flow_runs(build, tmp_path):
    save_network(fc_network(10, 2000), tmp_path / "wide.bnn")
    (tmp_path / "broken.bnn").write_bytes(b"something else")
    vivado = f"VIVADO={fake_vivado(tmp_path)}"
    for model, sizes, message in (("wide.bnn", ["--size", "RING_DEPTH=8"], "34 rows of the parameter ring's 8"),
                                  ("broken.bnn", [], "broken.bnn"), ("missing.bnn", [], "missing.bnn"),
                                  ("missing", [], "missing")):
        with pytest.raises(PynqBnnError, match=message):
            build("--flow", "vivado", "--tool", vivado, *sizes, "--model", str(tmp_path / model))
    assert not (tmp_path / "build").exists()


def test_a_program_that_does_not_start_is_told(tmp_path):
    (tmp_path / "script").write_text("no program")
    with pytest.raises(PynqBnnError, match="script does not run: Permission denied"):
        tools.run([tmp_path / "script"], tmp_path / "log")
    assert tools.version([str(tmp_path / "script")]) == "unknown"
