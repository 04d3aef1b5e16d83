"""The accelerator's SystemVerilog, simulated by Verilator as a device in this process."""

from .build import build, core_sources, hw_directory
from .core import DECODE_ERROR, NO_ANSWER, SLAVE_ERROR, MemoryTiming, SimulatedCore, Traffic

__all__ = ["DECODE_ERROR", "NO_ANSWER", "SLAVE_ERROR", "MemoryTiming", "SimulatedCore", "Traffic", "build",
           "core_sources", "hw_directory"]
