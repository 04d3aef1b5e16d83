"""The little core of copy_core.sv, built once for all tests of this folder."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation import SimulatedCore, build
from pynq_bnn.simulation.build import find_compiler, find_verilator

COPY_CORE = Path(__file__).parent / "copy_core.sv"
SOURCE, TARGET = 0x1000_0000, 0x2000_0F80  # the target's first burst meets a 4 KB border after 16 words
FAULTS = re.findall(r"\w+", re.search(r"enum logic \[4:0\] \{(.*?)\}", COPY_CORE.read_text(), re.DOTALL)[1])


class CopyCore(SimulatedCore):
    """The little core's registers by name, and two memories of 8 KB."""

    REGISTERS = {"source": 0, "target": 4, "words": 8, "start": 12, "status": 12, "fault": 16, "never_set": 20,
                 "latency": 24, "cycles_taken": 28}

    def __init__(self, library, seed=0, **values):
        super().__init__(library, seed=seed, **values)
        self.source = np.random.default_rng(seed).integers(0, 1 << 64, 1024, dtype=np.uint64)
        self.target = np.zeros_like(self.source)
        self.add_memory(SOURCE, self.source)
        self.add_memory(TARGET, self.target, writable=True)

    def set(self, **values):
        for name, value in values.items():
            self.write(self.REGISTERS[name], FAULTS.index(value) if isinstance(value, str) else value)

    def get(self, name):
        return self.read(self.REGISTERS[name])

    def begin(self, words=1024, mode=1):
        self.set(source=SOURCE, target=TARGET, words=words, start=mode)

    def copy(self, words=1024, mode=1, cycles=50_000):
        """The cycles that the core took, or None if it is not done in time."""
        self.begin(words, mode)
        self.run(cycles)
        return self.get("cycles_taken") if self.irq else None


@pytest.fixture(scope="session")
def tools():
    """Fails or skips where no simulator can be built."""
    try:
        find_verilator()
        find_compiler()
    except BackendError as error:
        (pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip)(str(error))


@pytest.fixture(scope="session")
def cache(tools, tmp_path_factory):
    return tmp_path_factory.mktemp("simulators")


@pytest.fixture(scope="session")
def library(cache):
    return build([COPY_CORE], {}, cache=cache)


@pytest.fixture(scope="session")
def tracing_library(cache):
    return build([COPY_CORE], {}, cache=cache, trace=True)


@pytest.fixture
def new_core(library):
    """``new_core(seed, timing=...)``: the little core, closed after the test."""
    cores = []

    def make(seed=0, **values):
        cores.append(CopyCore(library, seed, **values))
        return cores[-1]

    yield make
    for core in cores:
        core.close()
