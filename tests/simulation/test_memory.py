"""The memory behind the core is as slow as it is told to be, counted in cycles of the core."""

import numpy as np
import pytest

from pynq_bnn.simulation import MemoryTiming, Traffic

COPIES, READS, WRITES = 1, 2, 3
STEADY = {"stall_probability": 0.0, "ready_drop": 0.0, "jitter": 0}


@pytest.mark.parametrize("latency", [1, 2, 30, 100])
def test_the_first_beat_comes_after_the_latency_and_the_jitter(new_core, latency):
    core = new_core(timing=MemoryTiming(latency=latency, **STEADY))
    core.copy(16)
    assert core.get("latency") + 1 == latency  # the core counts the cycles between address and beat
    core.set_timing(MemoryTiming(latency=latency, jitter=9, stall_probability=0.0))
    seen = set()
    for _ in range(200):
        core.copy(16)
        seen.add(core.get("latency") + 1 - latency)
    assert seen == set(range(10))


@pytest.mark.parametrize("mode", [READS, WRITES])
@pytest.mark.parametrize("rate", [0.25, 0.5, 0.8, 1.0])
def test_beats_come_at_the_rate(new_core, mode, rate):
    core = new_core(timing=MemoryTiming(latency=1, rate=rate, **STEADY))
    took = core.copy(1024, mode)
    # The little core's writes cost one cycle a burst besides; 8 outstanding reads hide a latency of 1.
    overhead = 0 if mode == READS or rate < 1 else 1024 // 16
    assert 1024 / rate - 4 <= took <= 1024 / rate + overhead + 12


@pytest.mark.parametrize("seed", range(5))
def test_the_default_is_below_its_rate_and_not_far_below(new_core, seed):
    core = new_core(seed)
    for mode in (READS, WRITES):
        beats = 1024 / core.copy(1024, mode)
        assert (0.6 if mode == READS else 0.4) < beats <= 0.8, f"seed {seed}, mode {mode}"


def test_stalls_slow_it_down(new_core):
    core = new_core(timing=MemoryTiming(**STEADY))
    steady = core.copy(1024, READS)
    core.set_timing(MemoryTiming(**{**STEADY, "stall_probability": 0.02, "stall_cycles": 40}))
    assert core.copy(1024, READS) > 1.2 * steady


@pytest.mark.parametrize("outstanding", [1, 2, 4])
def test_outstanding_reads_bound_the_throughput(new_core, outstanding):
    core = new_core(timing=MemoryTiming(latency=100, rate=1.0, outstanding_reads=outstanding, **STEADY))
    took = core.copy(1024, READS)
    bursts = 1024 // 16
    assert took >= bursts / outstanding * 100
    assert took <= bursts / outstanding * (100 + 16 * outstanding + 4)


def test_traffic_is_counted(new_core):
    core = new_core()
    core.copy(1024)
    # The target begins 16 words below a border, the source on one: 64 whole bursts each.
    assert core.traffic == Traffic(64, 1024, 64, 1024)
    core.copy(20, READS)
    assert core.traffic == Traffic(66, 1044, 64, 1024)


def test_reads_and_writes_do_not_wait_for_each_other(new_core):
    core = new_core(timing=MemoryTiming(latency=20, rate=0.5, **STEADY))
    both = core.copy(1024, COPIES)
    assert np.array_equal(core.target, core.source)
    assert both < 1.2 * max(core.copy(1024, READS), core.copy(1024, WRITES))
