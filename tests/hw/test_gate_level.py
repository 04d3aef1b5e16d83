"""The netlist that place and route reads, simulated cell by cell: it classifies as the cpu backend does."""

import os

import pytest
from flows.bits.simulate import write_netlist
from flows.bits.synthesized import read_synthesized
from flows.gates import simulator, verilog_simulator
from flows.netlist import synthesize
from flows.runs import assert_equals_cpu
from tools import needs_simulator

from pynq_bnn.program.config import Config
from pynq_bnn.program.registers import read_config
from pynq_bnn.simulation import SimulatedCore

pytestmark = needs_simulator
# Block RAMs of both kinds: rings of 72 bits, buffers of two ports.
CONFIG = Config(lanes=1, pe=8, simd=16, buffer_depth=1024, ring_depth=32, acc_width=16)

if not os.environ.get("PYNQ_BNN_STRICT"):
    pytest.importorskip("pyosys", reason="no pyosys, which synthesizes")


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    return synthesize(CONFIG, tmp_path_factory.mktemp("synthesis"), flat=True).json


@pytest.mark.parametrize("bits", [False, True], ids=["cells", "as read from bits"])
def test_the_synthesized_netlist_gives_the_scores_of_the_cpu_backend(netlist, tmp_path, bits):
    library = verilog_simulator(write_netlist(read_synthesized(netlist), tmp_path / "bits.v")) if bits else \
        simulator(netlist, tmp_path)
    for seed in (1, 2):
        with SimulatedCore(library, seed) as core:
            assert read_config(core) == CONFIG
            assert_equals_cpu(core, CONFIG, seed, 3)
