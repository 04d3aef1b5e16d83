"""bnn_board: whole networks through the processing system's ports, with resets in the middle; faults are noticed."""

import re

import numpy as np
import pytest
from flows.runs import PROGRAM, TINY, assert_equals_cpu, begin, bench_sources, noise, small_network
from tools import needs_simulator

from pynq_bnn.board.hwh import BASE_ADDRESS
from pynq_bnn.errors import BackendError
from pynq_bnn.program.fields import IDENTITY
from pynq_bnn.program.pack import pack_images
from pynq_bnn.program.registers import BUSY, OFFSETS, RESET, read_config
from pynq_bnn.program.schedule import schedule
from pynq_bnn.simulation import MemoryTiming, SimulatedCore, build, core_sources, hw_directory

pytestmark = needs_simulator
BOARD = [hw_directory() / "board" / name for name in ("bnn_axi3_lite.sv", "bnn_board.sv")]
AROUND = [hw_directory() / "sim" / "bufg.sv", *bench_sources()]


@pytest.fixture(scope="module")
def library():
    return build([*core_sources(), *BOARD, *AROUND], TINY.parameters, top="bnn_board_bench")


def begin_run(core, network, images, seed):
    """A run that is under way."""
    (program,) = schedule(network, TINY, images).programs
    return begin(core, network, TINY, program, pack_images(network, noise(network, images, seed)))


@pytest.mark.parametrize("seed", range(8))
def test_networks_give_the_scores_of_the_cpu_backend(library, seed):
    timing = MemoryTiming.ideal() if seed == 0 else MemoryTiming(rate=0.3 + 0.08 * seed, ready_drop=0.5)
    with SimulatedCore(library, seed, timing=timing) as core:
        assert read_config(core) == TINY
        assert_equals_cpu(core, TINY, seed, 1 + seed)


def test_registers_are_reached_by_single_transfers_and_within_bursts(library):
    rng = np.random.default_rng(5)
    with SimulatedCore(library, 5) as core:
        kept = dict.fromkeys(("PROGRAM_ADDRESS", "PROGRAM_WORDS", "IMAGE_ADDRESS", "IMAGE_COUNT", "RESULT_WORDS"), 0)
        for _ in range(200):
            name, value = rng.choice(list(kept)), int(rng.integers(1 << 32))
            core.write(OFFSETS[name], value)
            kept[name] = value
            assert {name: core.read(OFFSETS[name]) for name in kept} == kept
            assert core.read(OFFSETS["ID"]) == IDENTITY
        assert not core.irq


@pytest.mark.parametrize("cycles", [1, 300, 1000, 3000, 5000])
def test_a_reset_in_the_middle_of_a_run_is_recovered_from(library, cycles):
    network = small_network(1)
    with SimulatedCore(library, cycles) as core:
        begin_run(core, network, 6, cycles)
        core.run(cycles)
        assert core.read(OFFSETS["STATUS"]) & BUSY
        core.reset()
        assert not core.read(OFFSETS["STATUS"])
        assert_equals_cpu(core, TINY, cycles, 4)


def test_a_soft_reset_in_the_middle_of_a_run_is_recovered_from(library):
    network = small_network(2)
    with SimulatedCore(library, 2) as core:
        begin_run(core, network, 6, 2)
        core.run(2000)
        core.write(OFFSETS["CONTROL"], RESET)
        core.run(2000)
        assert not core.read(OFFSETS["STATUS"])
        assert_equals_cpu(core, TINY, 2, 4)


def test_the_interrupt_waits_for_its_enable(library):
    with SimulatedCore(library, 3) as core:
        begin_run(core, small_network(3), 2, 3)
        core.write(OFFSETS["INTERRUPT"], 0)
        core.run(20_000)
        assert not core.irq
        core.write(OFFSETS["INTERRUPT"], 1)
        core.run(20)
        assert core.irq


def test_the_address_is_the_handoff_file_s():
    assert re.search(r"BASE = 32'h(\w+)", BOARD[0].read_text())[1].replace("_", "") == f"{BASE_ADDRESS:08X}"


@pytest.fixture(scope="module")
def wrong_board(tmp_path_factory):
    """A board with one fault for each of the bench's checks, around the little core of tests/simulation."""
    folder = tmp_path_factory.mktemp("wrong")
    faults = {"bnn_axi3_lite.sv": [("s_bid_o       <= s_awid_i;", "s_bid_o <= s_awid_i[3:0] == 1 ? 0 : s_awid_i;"),
                                   ("s_rid_o      <= s_arid_i;", "s_rid_o <= s_arid_i[3:0] == 2 ? 0 : s_arid_i;"),
                                   ("s_rlast_o   = ", "s_rlast_o = s_rid_o[3:0] == 3 ^ ")],
              "bnn_board.sv": [(".SAXIHP0ARSIZE(2'd3)", ".SAXIHP0ARSIZE({1'b1, m_araddr[12]})"),
                               (".SAXIHP0WID(6'd0)", ".SAXIHP0WID(6'd1)")]}
    for file in BOARD:
        text = file.read_text()
        for right, wrong in faults[file.name]:
            assert right in text
            text = text.replace(right, wrong)
        (folder / file.name).write_text(re.sub(r"bnn_core #\(.*?\) u_core", "bnn_core u_core", text, flags=re.DOTALL))
    core = hw_directory().parent / "tests" / "simulation" / "copy_core.sv"
    sources = [hw_directory() / "rtl" / "bnn_pkg.sv", core, *(folder / file.name for file in BOARD), *AROUND]
    return build(sources, {}, top="bnn_board_bench")


def copy_words(core, source, target):
    for offset, value in ((0, source), (4, target), (8, 4), (12, 1)):
        core.read(offset)
        core.write(offset, value)
    core.run(1000, until_irq=False)


def test_a_wrong_board_is_noticed(wrong_board):
    seen, memory = set(), np.zeros(64, np.uint64)  # the little core heeds no strobes: it does other wrong things too
    for seed in range(200):
        with SimulatedCore(wrong_board, seed) as core:
            core.add_memory(PROGRAM, memory)
            core.add_memory(PROGRAM + 4096, memory, writable=True)
            with pytest.raises(BackendError) as raised:
                copy_words(core, PROGRAM + 4096 * (seed % 2), PROGRAM + 4096)
        seen.add(re.search(r"(?:GP|HP)0: .*(?=;)|$", str(raised.value))[0] or str(raised.value))
    assert seen >= {"GP0: BID is not AWID", "GP0: RID is not ARID", "GP0: RLAST in the wrong beat",
                    "HP0: a read that is no INCR burst of 8 bytes a beat", "HP0: WID is not AWID"}
