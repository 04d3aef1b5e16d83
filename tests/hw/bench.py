"""Builds a module of the core, in several sizes at once, and runs cocotb coroutines against its ports.

A top is written that holds one instance for each set of parameters, with the module's own ports under the instance's
name. A test file ``test_<module>.py`` says which instances there are (:class:`Bench`), holds the coroutines, and asks
the fixture ``simulate`` to run them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from pynq_bnn.errors import BackendError
from pynq_bnn.simulation.build import core_sources, find_compiler, find_verilator, hw_directory

TOP = "bench_top"
# Registers without reset start at random, and only ports can be seen. The C++ is one file, since Verilator's makefiles
# make precompiled headers for several, wrongly in some packages; nothing runs long enough to be worth optimising.
VERILATOR_FLAGS = ("--no-public-flat-rw", "--public-depth", "1", "--output-split", "0", "--assert", "--no-timing",
                   "--x-initial", "unique", "--x-assign", "fast", "-Wno-fatal", "-O1", "-CFLAGS", "-O0")
RUNTIME = "verilated*.o"


@dataclass(frozen=True)
class Port:
    """A port of a module; ``record`` names its packed struct and is empty for plain vectors."""

    name: str
    output: bool
    record: str
    bounds: str

    @property
    def type(self) -> str:
        """Its type as a plain vector."""
        return f"logic [$bits({self.record})-1:0]" if self.record else f"logic {self.bounds}"


def wire(instance: str, port: str) -> str:
    """The top's port that leads to an instance's."""
    return f"u_{instance}_{port}"


@dataclass(frozen=True)
class Bench:
    """Instances of a module: name → values of its parameters."""

    module: str
    instances: Mapping[str, Mapping[str, int]]

    @property
    def file(self) -> Path:
        """Where the module's source lies."""
        return next(hw_directory() / folder / f"{self.module}.sv" for folder in ("rtl", "board")
                    if (hw_directory() / folder / f"{self.module}.sv").exists())

    @property
    def sources(self) -> list[Path]:
        return [*core_sources(), *([] if self.file in core_sources() else [self.file])]

    @cached_property
    def _header(self) -> tuple[dict[str, str], list[Port]]:
        """Parameters with their default expressions, and ports, from the module's source."""
        text = re.sub(r"//.*", "", self.file.read_text(encoding="utf-8"))
        match = re.search(rf"module {self.module}\s*(?:#\((.*?)\n\))?\s*\((.*?)\n\);", text, re.DOTALL)
        assert match, f"no header of {self.module} that this parser knows"
        parameters = re.findall(r"(?:parameter|localparam) int (\w+)\s*=\s*([^,\n]+)", match[1] or "")
        found = re.findall(r"(input|output)\s+([\w:]+)(?: signed)?\s*(\[.*?\])?\s*(\w+)", match[2])
        ports = [Port(name, direction == "output", "" if kind == "logic" else kind, bounds)
                 for direction, kind, bounds, name in found]
        return dict(parameters), ports

    @property
    def ports(self) -> dict[str, Port]:
        return {port.name: port for port in self._header[1]}

    def _resolve(self, text: str, values: Mapping[str, int]) -> str:
        """``text`` with parameters replaced by what they stand for."""
        defaults = self._header[0]
        for _ in defaults:
            text = re.sub(r"\b[A-Z_]+\b", lambda word: f"({values.get(word[0], defaults.get(word[0], word[0]))})"
                          if word[0] in defaults else word[0], text)
        return text

    def source(self) -> str:
        """The top: all ports of all instances."""
        ports, instances = [], []
        for name, values in self.instances.items():
            for port in self.ports.values():
                direction = "output" if port.output else "input"
                ports.append(f"  {direction} {self._resolve(port.type, values)} {wire(name, port.name)}")
            sizes = ", ".join(f".{parameter}({value})" for parameter, value in values.items())
            wires = ", ".join(f".{port}({wire(name, port)})" for port in self.ports)
            instances.append(f"  {self.module} {f'#({sizes}) ' if sizes else ''}u_{name} ({wires});")
        return "\n".join([f"module {TOP} (", ",\n".join(ports), ");", *instances, "endmodule", ""])


def require_tools() -> None:
    """Skips the test where a tool is missing; fails it where PYNQ_BNN_STRICT promises them."""
    missing = [tool for tool in ("perl", "make", "g++") if shutil.which(tool) is None]
    try:
        find_verilator()
        find_compiler()
    except BackendError as error:
        missing.append(str(error))
    if missing:
        stop = pytest.fail if os.environ.get("PYNQ_BNN_STRICT") else pytest.skip
        stop(f"missing to simulate modules: {', '.join(missing)}")


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Verilator's Perl front end on the search path, where Verilator came as a Python package; one job for make."""
    before = dict(os.environ)
    root = next((word.partition("=")[2] for word in find_verilator().command if word.startswith("VERILATOR_ROOT=")), "")
    if root:
        os.environ.update(VERILATOR_ROOT=root, PATH=f"{root}/bin{os.pathsep}{os.environ['PATH']}")
    os.environ.pop("MAKEFLAGS", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(bench: Bench, test_module: str, folder: Path, runtime: Path) -> None:
    """Build the instances of ``bench`` in ``folder`` and run the coroutines of ``test_module``.

    Parameters
    ----------
    runtime
        A folder that keeps Verilator's own compiled files, which are the same for all benches.

    Raises
    ------
    AssertionError
        Names the coroutines that failed, with what they said.
    """
    from cocotb_tools import runner as cocotb_runner

    folder.mkdir(parents=True, exist_ok=True)
    runtime.mkdir(exist_ok=True)
    (folder / f"{TOP}.sv").write_text(bench.source(), encoding="utf-8")
    for file in runtime.glob(RUNTIME):
        shutil.copy(file, folder)
        os.utime(folder / file.name, times=(time.time() + 3600,) * 2)  # newer than all that make will compare it with
    cocotb_runner.MAX_PARALLEL_BUILD_JOBS = 1
    runner, built, ran = cocotb_runner.get_runner("verilator"), folder / "build.log", folder / "run.log"
    try:
        with _environment():
            runner.build(sources=[*bench.sources, folder / f"{TOP}.sv"], hdl_toplevel=TOP, build_dir=folder,
                         build_args=VERILATOR_FLAGS, timescale=("1ns", "1ns"), log_file=built)
            for file in folder.glob(RUNTIME):
                shutil.copy(file, runtime)
            runner.test(test_module=test_module, hdl_toplevel=TOP, build_dir=folder, log_file=ran, seed=1,
                        results_xml=str(folder / "results.xml"), plusargs=["+verilator+rand+reset+2"])
    except (SystemExit, RuntimeError):  # the runner's ways to say that something failed; the results say what
        pass
    failures = _failures(folder / "results.xml")
    assert failures is not None, f"{bench.module} did not run to its end:\n{_tail(ran if ran.exists() else built)}"
    assert not failures, f"{bench.module}: {len(failures)} coroutines failed\n" + "\n".join(failures)


def _failures(results: Path) -> list[str] | None:
    """What each failed coroutine said; None where there are no results."""
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None
    failed = [(case, mark) for case in cases for mark in case if mark.tag in ("failure", "error")]
    said = [f"{case.get('name')}: {mark.get('message') or mark.get('error_msg') or mark.text}" for case, mark in failed]
    return said if cases else None


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else [f"no {log}"]
    told = [line for line in lines if re.search(r"%Error|error:|Error:", line)]
    return "\n".join([*told[:10], *lines[-20:]])


def module_name(file: str) -> str:
    """The name under which the simulator's Python imports a test file."""
    assert str(Path(__file__).parents[1]) in sys.path
    return f"hw.{Path(file).stem}"
