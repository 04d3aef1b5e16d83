"""Traces: the file is a whole FST with the core's signals, and the compression in it is real LZ4."""

import ctypes
import re
import struct
import subprocess

import numpy as np
import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation import SimulatedCore, hw_directory
from pynq_bnn.simulation.build import find_compiler

HEADER, HIERARCHY_LZ4 = 0, 6  # kinds of FST blocks


def blocks(data):
    """(kind, content) of each block: a byte, then the length of what follows, itself included, in 8 bytes."""
    place = 0
    while place < len(data):
        (length,) = struct.unpack_from(">Q", data, place + 1)
        yield data[place], data[place + 9:place + 1 + length]
        place += 1 + length
    assert place == len(data)


def lz4_decompressed(data):
    """The LZ4 block format, straight from its description."""
    out, place = bytearray(), 0

    def count(nibble):
        nonlocal place
        total, more = nibble, nibble == 15
        while more:
            total, more, place = total + data[place], data[place] == 255, place + 1
        return total

    while True:
        token, place = data[place], place + 1
        literals = count(token >> 4)
        out += data[place:place + literals]
        place += literals
        if place == len(data):
            return bytes(out)
        offset, place = data[place] | data[place + 1] << 8, place + 2
        assert 0 < offset <= len(out)
        for _ in range(count(token & 15) + 4):
            out.append(out[-offset])


def test_a_trace_is_a_whole_fst_file_with_the_signals(tracing_library, tmp_path):
    path = tmp_path / "run ü.fst"
    with SimulatedCore(tracing_library, trace=path) as core:
        core.write(8, 1)
        core.run(500)
        core.flush()
        cycles = core.cycles
    content = dict(blocks(path.read_bytes()))
    first, last = struct.unpack_from(">QQ", content[HEADER])
    assert len(content[HEADER]) == 329 - 8
    assert (first, last) == (0, 10 * cycles - 5)  # 10 ns a cycle, an edge every 5
    hierarchy = lz4_decompressed(content[HIERARCHY_LZ4][8:])
    assert len(hierarchy) == struct.unpack_from(">Q", content[HIERARCHY_LZ4])[0]
    for name in (b"clk_i", b"m_araddr_o", b"words_in_q"):
        assert name in hierarchy


def test_a_trace_needs_a_library_for_it_and_a_place(library, tracing_library, tmp_path):
    with pytest.raises(BackendError, match="cannot write a trace; build it with trace=True"):
        SimulatedCore(library, trace=tmp_path / "run.fst")
    with pytest.raises(BackendError, match="cannot write a trace to .*run.fst; choose another place"):
        SimulatedCore(tracing_library, trace=tmp_path / "missing" / "run.fst")


def test_a_library_for_traces_works_without_one(tracing_library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SimulatedCore(tracing_library) as core:
        core.write(8, 5)
        assert core.read(8) == 5
    assert list(tmp_path.iterdir()) == []


def test_lz4_gives_back_what_went_in(tools, tmp_path):
    (tmp_path / "lz4.cpp").write_text('#include "lz4.h"\nextern "C" int compress(const char* a, char* b, int n, int m) '
                                      '{ return LZ4_compress_default(a, b, n, m); }\n'
                                      'extern "C" int bound(int n) { return LZ4_compressBound(n); }\n')
    subprocess.run([find_compiler(), "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-fsanitize=undefined", "-fno-sanitize-recover", f"-I{hw_directory() / 'sim'}",
                    "lz4.cpp", "-o", "lz4.so"], cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "lz4.so"))
    for seed in range(300):
        rng = np.random.default_rng(seed)
        kinds = int(rng.choice([1, 2, 4, 256]))
        data = rng.integers(0, kinds, int(rng.integers(0, 40 if seed % 2 else 3000)), dtype=np.uint8).tobytes()
        data += data[:int(rng.integers(0, len(data) + 1))] * int(rng.integers(0, 40))
        room = library.bound(len(data))
        target = ctypes.create_string_buffer(room)
        size = library.compress(data, target, len(data), room)
        assert 0 < size <= room, f"seed {seed}"
        assert lz4_decompressed(target.raw[:size]) == data, f"seed {seed}"
        assert library.compress(data, target, len(data), room - 1) == 0
        if re.fullmatch(rb"(.)\1{200,}", data, re.DOTALL):
            assert size < len(data) / 10 + 20
