"""A simulated core: what is right passes under every timing, what is wrong is caught and named."""

import gc
import logging
import shutil

import numpy as np
import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation import DECODE_ERROR, NO_ANSWER, SLAVE_ERROR, MemoryTiming, SimulatedCore

TIMINGS = [MemoryTiming.ideal(), MemoryTiming(), MemoryTiming(latency=3, jitter=60, rate=0.3, ready_drop=0.5),
           MemoryTiming(stall_probability=0.1, stall_cycles=90, outstanding_reads=1, outstanding_writes=1)]


def run(core, **values):
    core.set(**values, start=1)
    core.run(1000)


@pytest.mark.parametrize("seed", range(25))
def test_a_right_core_copies_under_every_timing(new_core, seed):
    timing = TIMINGS[seed % len(TIMINGS)]
    core = new_core(seed, timing=timing)
    for words in (1, 5, 17, 1024 - seed):
        core.target[:] = 0
        assert core.copy(words) is not None, f"seed {seed}, {timing}, {words} words"
        assert np.array_equal(core.target[:words], core.source[:words]), f"seed {seed}, {timing}, {words} words"
        assert not core.target[words:].any()
        assert core.get("status") == 2  # done, no error response


def test_the_seed_decides_everything(new_core):
    assert [(core.copy(), core.get("never_set")) for core in (new_core(5), new_core(5))] == \
           [(new_core(5).copy(), new_core(5).get("never_set"))] * 2
    assert new_core(5).copy() != new_core(6).copy()
    assert len({new_core(seed).get("never_set") for seed in range(8)}) == 8


@pytest.mark.parametrize(("fault", "message"), [
    ("ReadAddressChanges", "read address changed while waiting for m_arready_i: 0x1000"),
    ("ReadValidFalls", "m_arvalid_o fell before m_arready_i"),
    ("WriteAddressChanges", "write address changed while waiting for m_awready_i: 0x2000"),
    ("WriteDataChange", "write data, strobes or last changed while waiting for m_wready_i"),
    ("CrossesBorder", r"read burst of 128 bytes at 0x10000f88 crosses a 4 KB border"),
    ("LastEarly", "m_wlast_o is 1 in beat 15 of a burst of 16"),
    ("LastMissing", "m_wlast_o is 0 in beat 16 of a burst of 16"),
    ("DataFirst", "write data before their address: no burst is open"),
    ("Misaligned", "read address 0x10000f8c is not a multiple of 8"),
    ("ResponseUnasked", "s_bvalid_o is high before a write's address and data were taken"),
    ("DataUnasked", "s_rvalid_o is high before a read's address was taken"),
    ("ResponseFalls", "s_bvalid_o fell or s_bresp_o changed before s_bready_i"),
    ("AssertionFails", "copy_core.sv:.*a_no_failing.*: asked to fail with 40 words"),
    ("Fatal", "copy_core.sv:.*: the core gives up"),
    ("Finish", r"copy_core.sv:\d+: \$finish"),
])
def test_a_wrong_core_is_caught(new_core, fault, message):
    core = new_core(3)

    def provoke():
        core.set(fault=fault, source=0x1000_0F88, target=0x2000_0F80, words=40, start=1)
        for _ in range(20):  # some faults show only if the processor's ready comes late
            core.set(start=1)
            core.run(2000)

    with pytest.raises(BackendError, match=r"the simulated core did something wrong in cycle \d+: .*" + message):
        provoke()
    assert core.violation.startswith("cycle ")
    before = core.cycles
    with pytest.raises(BackendError, match="did something wrong"):
        core.run(10)
    assert core.cycles == before


def test_a_reset_clears_a_violation(new_core):
    core = new_core(1)
    core.set(fault="Misaligned")
    with pytest.raises(BackendError, match="not a multiple of 8"):
        core.copy()
    core.reset()
    core.set(fault="None")
    assert core.violation is None
    assert core.copy() is not None
    assert np.array_equal(core.target, core.source)


def test_valid_in_reset_is_caught(new_core):
    core = new_core()
    core.set(fault="ValidInReset")
    with pytest.raises(BackendError, match=r"cycle \d+: m_awvalid_o is high in reset"):
        core.reset()


@pytest.mark.parametrize("fault", ["ReadNotAnswered", "WriteNotAnswered"])
def test_a_register_that_never_answers_times_out(new_core, fault):
    core = new_core()
    core.set(fault=fault)
    access = core.read if fault == "ReadNotAnswered" else lambda offset, **values: core.write(offset, 1, **values)
    before = core.cycles
    with pytest.raises(BackendError, match="did not answer the (read|write) of register 0x8.* within 50 cycles"):
        access(8, timeout=50)
    assert core.cycles == before + 50
    with pytest.raises(BackendError, match="did not answer"):
        core.read(0)
    core.reset()
    if fault == "ReadNotAnswered":
        core.set(fault="None")
        assert core.copy() is not None


def test_an_error_response_of_a_register_is_told(new_core):
    core = new_core()
    with pytest.raises(BackendError, match="answered the write of register 0x10 with an error"):
        core.set(fault="ErrorResponse")
    with pytest.raises(BackendError, match="answered the read of register 0x8 with an error"):
        core.read(8)
    with pytest.raises(BackendError, match="no register 0x1000"):
        core.write(0x1000, 0)


def test_memory_outside_every_region_is_a_violation_or_only_an_error_response(new_core):
    core = new_core()
    with pytest.raises(BackendError, match="read of 120 bytes at 0x10002000 lies in no readable region"):
        run(core, source=0x1000_1FF8, target=0x2000_0F80, words=16)
    core.reset()
    core.allow_outside()
    before = core.source.copy()
    run(core, source=0x1000_1F80, target=0x1000_0000, words=32)  # reads and writes are refused from the 2nd, 1st on
    assert core.get("status") == 2 | DECODE_ERROR << 2 | DECODE_ERROR << 4
    assert np.array_equal(core.source, before)
    core.allow_outside(False)
    with pytest.raises(BackendError, match="write of 8 bytes at 0x10000000 lies in no writable region"):
        run(core, source=0x1000_0000, target=0x1000_0000, words=1)


@pytest.mark.parametrize("response", [SLAVE_ERROR, DECODE_ERROR])
def test_faults_hit_the_burst_they_name_and_no_other(new_core, response):
    core = new_core()
    core.copy(64)
    core.target[:] = 0
    core.fault_read(1, response, beat=3)
    core.copy(64)
    assert core.get("status") == 2 | response << 2
    assert np.flatnonzero(core.target[:64] != core.source[:64]).tolist() == [16 + 3]
    core.fault_read(0, response)
    core.copy(64)
    assert (core.target[:16] != core.source[:16]).all()
    assert np.array_equal(core.target[16:64], core.source[16:64])
    core.clear_faults()
    core.target[:] = 0
    core.fault_write(2, response)
    core.copy(64)
    assert core.get("status") == 2 | response << 4
    assert np.flatnonzero(core.target[:64]).tolist() == [*range(32), *range(48, 64)]


@pytest.mark.parametrize("order", ["fault_read", "fault_write"])
def test_a_memory_that_dies_never_answers_again(new_core, order):
    core = new_core()
    getattr(core, order)(2, NO_ANSWER)
    assert core.copy(100) is None
    assert core.get("status") == 1
    assert np.flatnonzero(core.target).tolist() == [*range(32)]
    core.clear_faults()
    core.run(5000)
    assert core.irq
    assert np.array_equal(core.target[:100], core.source[:100])


def test_an_unknown_response_is_refused(new_core):
    with pytest.raises(BackendError, match="no response 1; SLAVE_ERROR"):
        new_core().fault_read(0, 1)


def test_written_data_are_there_no_sooner_than_the_response(new_core):
    core = new_core(timing=MemoryTiming(latency=200))
    core.set(fault="DoneTooEarly")
    core.copy(64)
    assert not np.array_equal(core.target[:64], core.source[:64])
    core.run(1000, until_irq=False)
    assert np.array_equal(core.target[:64], core.source[:64])


def test_arrays_of_any_type_are_used_in_place_and_kept_alive(library):
    with SimulatedCore(library) as core:
        target = np.zeros((4, 9, 2), np.float32)
        core.add_memory(0, np.arange(72, dtype=np.float32).reshape(8, 9))
        core.add_memory(2**32 - 288, target, writable=True)
        gc.collect()
        for offset, value in ((0, 0), (4, 2**32 - 288), (8, 36), (12, 1)):
            core.write(offset, value)
        core.run(2000)
        assert target.ravel().tolist() == list(range(72))
        core.clear_memory()
        core.allow_outside()
        core.write(12, 1)
        core.run(2000)
        assert core.read(12) == 2 | DECODE_ERROR << 2 | DECODE_ERROR << 4


@pytest.mark.parametrize(("base", "array", "writable", "message"), [
    (0x1000_1000, np.zeros(8, np.uint8), False, "overlaps no other memory"),
    (0x0FFF_FFF8, np.zeros(9, np.uint8), False, "overlaps no other memory"),
    (4, np.zeros(8, np.uint8), False, "choose a multiple of 8"),
    (2**32 - 8, np.zeros(16, np.uint8), False, "below 4 GB"),
    (2**32, np.zeros(16, np.uint8), False, "below 4 GB"),
    (-8, np.zeros(8, np.uint8), False, "choose a multiple of 8"),
    (0, np.zeros((4, 4))[:, :2], False, r"memory of \(4, 2\), float64; a contiguous array"),
    (0, np.zeros(0), False, "that is not empty fits"),
    (0, [1, 2], False, "a memory of list"),
    (0, np.frombuffer(bytes(16), np.uint8), True, "the array is read-only"),
])
def test_memories_that_do_not_fit_are_refused(new_core, base, array, writable, message):
    with pytest.raises(BackendError, match=message):
        new_core().add_memory(base, array, writable=writable)


@pytest.mark.parametrize("values", [{"latency": 0}, {"rate": 0.0}, {"rate": 1.5}, {"stall_probability": 1.0},
                                    {"ready_drop": -0.1}, {"outstanding_reads": 0}, {"jitter": -1}])
def test_timings_out_of_range_are_refused(new_core, values):
    with pytest.raises(BackendError, match="latency and outstanding bursts from 1"):
        new_core().set_timing(MemoryTiming(**values))


def test_cores_of_several_libraries_live_side_by_side(new_core, tracing_library, library, tmp_path):
    copied = shutil.copy(library, tmp_path / "other.so")
    with SimulatedCore(copied) as other, SimulatedCore(tracing_library) as third:
        cores = [new_core(1), other, new_core(1), third]
        for number, core in enumerate(cores):
            core.write(8, number)
        cores[0].set(fault="AssertionFails")
        with pytest.raises(BackendError, match="asked to fail with 0 words"):
            cores[0].set(start=1)
        assert [core.read(8) for core in cores[1:]] == [1, 2, 3]


def test_what_the_model_prints_is_logged_not_printed(new_core, caplog, capfd):
    core = new_core()
    with caplog.at_level(logging.INFO, "pynq_bnn"):
        core.set(fault="Prints")
        core.begin(77)
        core.run(2000)
        core.set(fault="Fatal")
        with pytest.raises(BackendError):
            core.begin(77)
    assert caplog.messages[0] == "start of 77 words"
    assert "the core gives up" in caplog.messages[1]
    assert capfd.readouterr() == ("", "")


def test_closing_twice_is_fine_and_using_a_closed_core_is_told(library):
    core = SimulatedCore(library)
    core.close()
    core.close()
    with pytest.raises(BackendError, match="the simulated core is closed"):
        core.run(1)


def test_run_stops_at_the_interrupt_or_goes_on(new_core):
    core = new_core()
    core.begin(8)
    before = core.cycles
    ran = core.run(10_000)
    assert core.irq
    assert ran < 200
    assert core.cycles == before + ran
    assert core.run(10_000) == 0
    assert core.run(10_000, until_irq=False) == 10_000


def test_what_is_no_library_is_told(tmp_path):
    (tmp_path / "bad.so").write_bytes(b"nothing")
    for name in ("bad.so", "missing.so"):
        with pytest.raises(BackendError, match=f"{name} is no simulator that loads here.*build it again"):
            SimulatedCore(tmp_path / name)
