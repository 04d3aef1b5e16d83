"""The register sequence of a batch, on registers that a dictionary holds, by the table of hw/README.md."""

from __future__ import annotations

import re

import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.program import registers as batch
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import hw_directory


@pytest.fixture(scope="module")
def offsets():
    """Name of a register to its offset, as the README prints them."""
    readme = (hw_directory() / "README.md").read_text(encoding="utf-8")
    return {name: int(offset, 16) for offset, name in re.findall(r"^\| (0x[0-9a-f]+) \| ([A-Z_]+) \|", readme, re.M)}


class Memory:
    def __init__(self, values=()):
        self.values, self.writes = dict(values), []

    def read(self, offset):
        return self.values[offset]

    def write(self, offset, value):
        self.writes.append((offset, value))


def identified(offsets, **changes):
    values = {"ID": 0x504E_424E, "VERSION": batch.VERSION, "ARRAY": 20 << 24 | 32 << 16 | 64 << 8 | 7,
              "MEMORY": 512 << 16 | 4096, **changes}
    return Memory({offsets[name]: value for name, value in values.items()})


def test_sizes_come_out_of_their_bits(offsets):
    assert batch.read_config(identified(offsets)) == Config(7, 64, 32, 4096, 512, 20)
    other = identified(offsets, ARRAY=0x0D_10_08_01, MEMORY=0x1000_2000)
    assert batch.read_config(other) == Config(lanes=1, pe=8, simd=16, buffer_depth=8192, ring_depth=4096, acc_width=13)


def test_something_else_and_another_version_are_refused_by_what_was_read(offsets):
    with pytest.raises(BackendError, match="reads 0x00000000 instead of 0x504e424e; load the pynq-bnn overlay"):
        batch.read_config(identified(offsets, ID=0))
    with pytest.raises(BackendError, match=f"of version 77, this package of {batch.VERSION}"):
        batch.read_config(identified(offsets, VERSION=77))


def test_a_start_writes_places_and_counts_first_and_start_last(offsets):
    registers = Memory()
    batch.start(registers, (0x1000, 11), (0x2000, 12), (0x3000, 13))
    expected = {"PROGRAM_ADDRESS": 0x1000, "PROGRAM_WORDS": 11, "IMAGE_ADDRESS": 0x2000, "IMAGE_COUNT": 12,
                "RESULT_ADDRESS": 0x3000, "RESULT_WORDS": 13, "CONTROL": 1}
    assert dict(registers.writes) == {offsets[name]: value for name, value in expected.items()}
    assert len(registers.writes) == len(expected)
    assert registers.writes[-1] == (offsets["CONTROL"], 1)


@pytest.mark.parametrize("status", [0, 1, 2, 0x0005_0300, 0xFFFF_FFFB])
def test_a_status_without_the_bit_of_failure_is_none(status):
    batch.check_status(status)


@pytest.mark.parametrize(("status", "says"), [
    (0x0003_0704, "stopped in stage 3: the memory answered a read with an error"),
    (0x00FF_0506, "stopped in stage 255: a layer reads or writes beyond the lane buffers"),
    (0x0000_C804, "stopped in stage 0: error 200"),
])
def test_a_failure_names_stage_and_reason(status, says):
    with pytest.raises(BackendError, match=says):
        batch.check_status(status)


def test_counters_come_from_their_registers_and_add_up(offsets):
    names = ("CYCLES", "STEPS", "WAIT_PARAMETERS", "WAIT_IMAGES", "WAIT_RESULTS")
    counters = batch.read_counters(Memory({offsets[name]: 10 + i for i, name in enumerate(names)}))
    assert (counters.cycles, counters.steps, counters.wait_parameters, counters.wait_images,
            counters.wait_results) == (10, 11, 12, 13, 14)
    assert (counters + batch.Counters(1, 2, 3, 4, 5)).values == (11, 13, 15, 17, 19)
