"""The register sequence of a batch; the same for the simulated core and the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import BackendError
from .config import Config
from .fields import ERROR_TEXT, IDENTITY, REGISTERS, VERSION, Error

OFFSETS: Mapping[str, int] = {register.name: register.offset for register in REGISTERS}
START, RESET = 1, 2
BUSY, DONE, FAILED = 1, 2, 4


class Registers(Protocol):
    """32-bit registers by byte offset."""

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


@dataclass(frozen=True)
class Counters:
    """Cycles of a run: all, with the array computing, and waiting for parameters, images and results."""

    cycles: int
    steps: int
    wait_parameters: int
    wait_images: int
    wait_results: int

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(a + b for a, b in zip(self.values, other.values)))

    @property
    def values(self) -> tuple[int, ...]:
        return self.cycles, self.steps, self.wait_parameters, self.wait_images, self.wait_results


def read_config(registers: Registers) -> Config:
    """The sizes of the accelerator behind ``registers``.

    Raises
    ------
    BackendError
        When it is none, or of another version.
    """
    identity, version = registers.read(OFFSETS["ID"]), registers.read(OFFSETS["VERSION"])
    if identity != IDENTITY:
        raise BackendError(f"no pynq-bnn accelerator answers: its ID register reads {identity:#010x} instead of "
                           f"{IDENTITY:#010x}; load the pynq-bnn overlay")
    if version != VERSION:
        raise BackendError(f"the accelerator is of version {version}, this package of {VERSION}; "
                           f"take the overlay that came with it")
    array, memory = registers.read(OFFSETS["ARRAY"]), registers.read(OFFSETS["MEMORY"])
    return Config(array & 0xFF, array >> 8 & 0xFF, array >> 16 & 0xFF, memory & 0xFFFF, memory >> 16, array >> 24)


def start(registers: Registers, program: tuple[int, int], images: tuple[int, int], results: tuple[int, int]) -> None:
    """Start a run.

    Parameters
    ----------
    program, results : (address, 64-bit words)
    images : (address, count)
    """
    for name, value in (("PROGRAM_ADDRESS", program[0]), ("PROGRAM_WORDS", program[1]), ("IMAGE_ADDRESS", images[0]),
                        ("IMAGE_COUNT", images[1]), ("RESULT_ADDRESS", results[0]), ("RESULT_WORDS", results[1]),
                        ("CONTROL", START)):
        registers.write(OFFSETS[name], value)


def check_status(status: int) -> None:
    """Raise BackendError when STATUS tells of a run that failed."""
    if status & FAILED:
        code, layer = status >> 8 & 0xFF, status >> 16 & 0xFF
        text = ERROR_TEXT.get(Error(code), "") if code in set(Error) else f"error {code}"
        raise BackendError(f"the accelerator stopped in stage {layer}: {text}")


def read_counters(registers: Registers) -> Counters:
    """The counters of the last run."""
    names = ("CYCLES", "STEPS", "WAIT_PARAMETERS", "WAIT_IMAGES", "WAIT_RESULTS")
    return Counters(*(registers.read(OFFSETS[name]) for name in names))
