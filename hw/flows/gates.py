"""Netlists as simulators: Yosys's models of the device's cells, our block RAM, and the bench of the board's top."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pynq_bnn.errors import PynqBnnError
from pynq_bnn.simulation import build

from .netlist import HW, TOP, run_yosys

BENCH = "bnn_board_bench"
NETLIST = "`define BNN_NETLIST\n"  # has the bench leave out the sizes, which a netlist has in itself
_CONTENTS = [f"INIT_{n:02X}" for n in range(128)] + [f"INITP_{n:02X}" for n in range(16)] + ["INIT_A", "INIT_B"]


def simulator(netlist: Path, folder: Path, cache: Path | None = None) -> Path:
    """The library that simulates a netlist of the board's top (JSON), for ``SimulatedCore``.

    Raises
    ------
    PynqBnnError
        Yosys or Verilator is missing or fails.
    """
    verilog = folder / f"{netlist.stem}_gates.v"
    run_yosys(_script(netlist, verilog), folder / "gates")
    verilog.write_text(NETLIST + verilog.read_text(encoding="utf-8"), encoding="utf-8")
    return verilog_simulator(verilog, cache)


def verilog_simulator(verilog: Path, cache: Path | None = None) -> Path:
    """The library that simulates a netlist in Verilog, which begins with ``NETLIST``.

    Raises
    ------
    PynqBnnError
        Yosys, whose models it takes, or Verilator is missing or fails.
    """
    models = [HW / "sim" / "ramb36e1.sv", HW / "sim" / "ramd.sv", cell_models()]
    bench = [HW / "sim" / "ps7.sv", HW / "sim" / f"{BENCH}.sv"]
    return build([HW / "rtl" / "bnn_pkg.sv", *models, verilog, *bench], {}, top=BENCH, cache=cache,
                 fast=False)


def cell_models() -> Path:
    """Yosys's own models of the device's cells, from its Python package.

    Raises
    ------
    PynqBnnError
        It is not installed.
    """
    spec = importlib.util.find_spec("pyosys")
    for place in spec.submodule_search_locations or () if spec else ():
        models = Path(place) / "share" / "xilinx" / "cells_sim.v"
        if models.is_file():
            return models
    raise PynqBnnError("no models of the device's cells: they come with Yosys; pip install pyosys")


def _script(netlist: Path, verilog: Path) -> str:
    # What block RAMs hold at first is nowhere used, and the model has no such parameters.
    unset = " ".join(f"-unset {name}" for name in _CONTENTS)
    commands = [f"read_json {netlist}", f"select {TOP}", f"setparam {unset} {TOP}/t:RAMB36E1",
                f"write_verilog -noattr -selected {verilog}"]
    return f"""from pyosys import libyosys
design = libyosys.Design()
for command in {commands!r}:
    libyosys.run_pass(command, design)
"""
