"""Register accesses of a run; the same for the simulated core and the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import BackendError
from .config import Config
from .fields import ERROR_TEXT, IDENTITY, REGISTERS, VERSION, Error, Register

_REGISTERS: Mapping[str, Register] = {register.name: register for register in REGISTERS}
OFFSETS: Mapping[str, int] = {register.name: register.offset for register in REGISTERS}
START, RESET = (_REGISTERS["CONTROL"][name].mask for name in ("START", "RESET"))
BUSY, DONE, FAILED = (_REGISTERS["STATUS"][name].mask for name in ("BUSY", "DONE", "FAILED"))
_ERROR, _LAYER = (_REGISTERS["STATUS"][name] for name in ("ERROR", "LAYER"))
_COUNTERS = ("CYCLES", "STEPS", "WAIT_PARAMETERS", "WAIT_IMAGES", "WAIT_RESULTS")


class Registers(Protocol):
    """32-bit registers by byte offset."""

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


@dataclass(frozen=True)
class Counters:
    """Cycles of a run: total, with the array computing, and waiting for parameters, images and results."""

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
    """The sizes of the accelerator, read from ``registers``.

    Raises
    ------
    BackendError
        There is no accelerator, or one of another version.
    """
    identity, version = registers.read(OFFSETS["ID"]), registers.read(OFFSETS["VERSION"])
    if identity != IDENTITY:
        raise BackendError(f"no pynq-bnn accelerator answers: its ID register reads {identity:#010x} instead of "
                           f"{IDENTITY:#010x}; load the pynq-bnn overlay")
    if version != VERSION:
        raise BackendError(f"the accelerator is of version {version}, this package of {VERSION}; "
                           f"take the overlay that came with it")
    sizes = {}
    for name in ("ARRAY", "MEMORY"):
        value = registers.read(OFFSETS[name])
        sizes.update({bits.name.lower(): bits.of(value) for bits in _REGISTERS[name].bits})
    return Config(**sizes)


def array_word(config: Config) -> int:
    """The value of the register ARRAY for this configuration."""
    parameters = config.parameters
    return sum(bits.at(parameters[bits.name]) for bits in _REGISTERS["ARRAY"].bits)


def stage_of(status: int) -> int:
    """The stage that STATUS reports: the active one, or the one that failed."""
    return _LAYER.of(status)


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
    """Raise BackendError if STATUS reports a failed run."""
    if status & FAILED:
        code = _ERROR.of(status)
        text = ERROR_TEXT.get(Error(code), "") if code in set(Error) else f"error {code}"
        raise BackendError(f"the accelerator stopped in stage {stage_of(status)}: {text}")


def read_counters(registers: Registers) -> Counters:
    """The counters of the last run."""
    return Counters(*(registers.read(OFFSETS[name]) for name in _COUNTERS))
