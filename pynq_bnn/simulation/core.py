"""A simulated accelerator: its registers, its clock, and its memory, which are NumPy arrays."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..errors import BackendError

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger(__name__)

# These mirror hw/sim/simulator.h, whose comments explain each.
_INTERFACE = 1
_OK, _TIMEOUT, _VIOLATION, _ERROR_RESPONSE, _BAD_ARGUMENT = range(5)
SLAVE_ERROR, DECODE_ERROR, NO_ANSWER = 2, 3, -1
_CYCLES_A_CALL = 2048  # Ctrl-C is handled between two calls
_MESSAGES_LOGGED = 50  # per call; an assertion in a generate loop may fail hundreds of times in a cycle


class _Timing(ctypes.Structure):
    _fields_ = [("rate", c_double), ("stall_probability", c_double), ("ready_drop", c_double), ("latency", c_uint32),
                ("jitter", c_uint32), ("stall_cycles", c_uint32), ("outstanding_reads", c_uint32),
                ("outstanding_writes", c_uint32)]


class _Counts(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ("read_bursts", "read_beats", "write_bursts", "write_beats")]


_FUNCTIONS = {  # name: (result, arguments)
    "interface": (c_int, ()),
    "can_trace": (c_int, ()),
    "create": (c_void_p, (c_uint64, c_char_p)),
    "destroy": (None, (c_void_p,)),
    "set_timing": (c_int, (c_void_p, POINTER(_Timing))),
    "add_region": (c_int, (c_void_p, c_uint32, c_void_p, c_uint64, c_int, c_int)),
    "clear_regions": (None, (c_void_p,)),
    "allow_outside": (None, (c_void_p, c_int)),
    "fault_read": (c_int, (c_void_p, c_uint64, c_int32, c_int32)),
    "fault_write": (c_int, (c_void_p, c_uint64, c_int32)),
    "clear_faults": (None, (c_void_p,)),
    "get_counts": (None, (c_void_p, POINTER(_Counts))),
    "reset": (c_int, (c_void_p, c_uint32)),
    "write": (c_int, (c_void_p, c_uint32, c_uint32, c_uint64)),
    "read": (c_int, (c_void_p, c_uint32, POINTER(c_uint32), c_uint64)),
    "run": (c_uint64, (c_void_p, c_uint64, c_int)),
    "irq": (c_int, (c_void_p,)),
    "cycles": (c_uint64, (c_void_p,)),
    "violation": (c_char_p, (c_void_p,)),
    "messages": (c_char_p, (c_void_p,)),
    "flush": (None, (c_void_p,)),
}


@dataclass(frozen=True)
class MemoryTiming:
    """Timing of the memory at the core's AXI master; the defaults are like a Zynq-7000's HP port.

    Attributes
    ----------
    latency, jitter
        Cycles from a read's address to its first beat, or from a write's last beat to its response: ``latency``
        (at least 1) and up to ``jitter`` more, at random.
    rate
        Maximum beats per cycle, for reads and for writes; 0 < rate ≤ 1.
    stall_probability, stall_cycles
        In each cycle, the probability that a pause of 1 to ``stall_cycles`` cycles without beats begins.
    ready_drop
        In each cycle, the probability that a ready signal is low. With 0 the memory is ready whenever it has room;
        otherwise ready alternately comes before valid for a while, and then only after it.
    outstanding_reads, outstanding_writes
        Bursts that the memory accepts before it has answered the first of them.
    """

    latency: int = 30
    jitter: int = 8
    rate: float = 0.8
    stall_probability: float = 0.004
    stall_cycles: int = 16
    ready_drop: float = 0.1
    outstanding_reads: int = 8
    outstanding_writes: int = 8

    @classmethod
    def ideal(cls) -> MemoryTiming:
        """Every beat in the next cycle, and always ready."""
        return cls(latency=1, jitter=0, rate=1.0, stall_probability=0.0, stall_cycles=0, ready_drop=0.0)


@dataclass(frozen=True)
class Traffic:
    """Bursts and beats that the memory has accepted (addresses, written data) or sent (read data)."""

    read_bursts: int
    read_beats: int
    write_bursts: int
    write_beats: int


class SimulatedCore:
    """A simulated accelerator; the constructor resets it.

    A context manager; :meth:`close` may be called twice. All randomness comes from ``seed``. Every violation of a bus
    protocol by the core and every failing assertion stops the simulation and raises BackendError in the call that
    notices it; :meth:`reset` makes the core usable again.

    Parameters
    ----------
    library
        The result of :func:`~pynq_bnn.simulation.build.build`.
    seed
        0 to 2⁶⁴ − 1.
    trace
        An FST file to write all signals to; needs a library that was built with ``trace=True``.

    Raises
    ------
    BackendError
        The library does not load, or the trace cannot be written.
    """

    def __init__(self, library: str | Path, seed: int = 0, trace: str | Path | None = None,
                 timing: MemoryTiming | None = None) -> None:
        self._handle: int | None = None
        self._library = _load(Path(library))
        self._arrays: list[Array] = []
        if trace is not None and not self._library.bnn_sim_can_trace():
            raise BackendError(f"{library} cannot write a trace; build it with trace=True")
        self._handle = self._library.bnn_sim_create(seed % (1 << 64), None if trace is None else os.fsencode(trace))
        if not self._handle:
            raise BackendError(f"cannot write a trace to {trace}; choose another place" if trace is not None else
                               f"the model in {library} does not start; build it again")
        if timing is not None:
            self.set_timing(timing)
        self.reset()

    def add_memory(self, base: int, array: Array, *, readable: bool = True, writable: bool = False) -> None:
        """Map ``array`` into the core's address space from ``base`` on; it is read and written in place.

        Parameters
        ----------
        base
            A multiple of 8; the region ends at or below 2³².
        array
            Any shape and type, contiguous, not empty. It is kept alive until :meth:`clear_memory`. Only whole 8-byte
            words can be accessed, so its size should be a multiple of 8 bytes.

        Raises
        ------
        BackendError
            ``array`` or ``base`` is unsuitable, or the region overlaps another.
        """
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous or array.nbytes == 0:
            raise BackendError(f"a memory of {_describe(array)}; a contiguous array that is not empty fits")
        if writable and not array.flags.writeable:
            raise BackendError("the core may write to this memory, but the array is read-only; give a copy of it")
        status = _BAD_ARGUMENT
        if 0 <= base < 1 << 32:
            status = self._call("add_region", base, array.ctypes.data, array.nbytes, readable, writable)
        if status != _OK:
            raise BackendError(f"a memory of {array.nbytes} bytes at {base:#x} does not fit; choose a multiple of 8 "
                               f"below 4 GB that overlaps no other memory")
        self._arrays.append(array)

    def clear_memory(self) -> None:
        """Unmap all memory."""
        self._call("clear_regions")
        self._arrays.clear()

    def set_timing(self, timing: MemoryTiming) -> None:
        """Change the memory's timing from the next cycle on.

        Raises
        ------
        BackendError
            A value is out of range.
        """
        values = {field.name: getattr(timing, field.name) for field in fields(timing)}
        whole = [values[name] for name, kind, *_ in _Timing._fields_ if kind is c_uint32]
        if not all(0 <= value < 1 << 31 for value in whole) or self._call("set_timing", byref(_Timing(**values))):
            raise BackendError(f"{timing} does not fit; latency and outstanding bursts from 1, rate above 0 and up to "
                               f"1, probabilities from 0 and below 1")

    def allow_outside(self, allow: bool = True) -> None:
        """Set whether an access outside every region is only answered with DECERR, or also stops the simulation."""
        self._call("allow_outside", allow)

    def fault_read(self, burst: int, response: int, beat: int | None = None) -> None:
        """Answer a future read burst with an error: the one with index ``burst``, where 0 is the next.

        ``response`` is SLAVE_ERROR or DECODE_ERROR, in all beats or only in the ``beat``-th. With NO_ANSWER neither
        this burst nor any later one is answered. Only one such fault is set at a time, until :meth:`clear_faults`.
        """
        self._order("fault_read", response, burst, -1 if beat is None else beat, response)

    def fault_write(self, burst: int, response: int) -> None:
        """The same for a write burst; a burst answered with an error does not change the memory."""
        self._order("fault_write", response, burst, response)

    def clear_faults(self) -> None:
        """Undo :meth:`fault_read` and :meth:`fault_write`; a burst still waiting for an answer gets it."""
        self._call("clear_faults")

    def _order(self, name: str, response: int, *arguments: int) -> None:
        if self._call(name, *arguments) != _OK:
            raise BackendError(f"no response {response}; SLAVE_ERROR (2), DECODE_ERROR (3) and NO_ANSWER (-1) fit")

    def reset(self, cycles: int = 16) -> None:
        """Hold the reset for ``cycles`` cycles, at least 2. Active transfers are dropped, a violation is cleared.

        Assertions are off during the reset: registers without reset start at random and need some cycles to settle.

        Raises
        ------
        BackendError
            The core asserts a valid signal on a bus while in reset.
        """
        self._check(self._call("reset", cycles))

    def write(self, offset: int, value: int, timeout: int = 1000) -> None:
        """Write ``value`` (uint32) to the register at byte ``offset``, in at most ``timeout`` cycles.

        Raises
        ------
        BackendError
            The core does not answer in time, answers with an error, or violates a protocol or an assertion.
        """
        self._check(self._call("write", offset, value & 0xFFFFFFFF, timeout), "write", offset, timeout)

    def read(self, offset: int, timeout: int = 1000) -> int:
        """The register at byte ``offset`` (uint32); as :meth:`write` otherwise."""
        value = c_uint32()
        self._check(self._call("read", offset, byref(value), timeout), "read", offset, timeout)
        return value.value

    def run(self, max_cycles: int, until_irq: bool = True) -> int:
        """Run for ``max_cycles`` cycles, or until the interrupt is high; returns the number of cycles.

        Raises
        ------
        BackendError
            The core violates a protocol or an assertion.
        """
        done = 0
        while done < max_cycles:
            wanted = min(_CYCLES_A_CALL, max_cycles - done)
            ran = self._call("run", wanted, until_irq)
            self._check(_OK)
            done += ran
            if ran < wanted:
                break
        return done

    @property
    def irq(self) -> bool:
        """Whether the core's interrupt is high."""
        return bool(self._call("irq"))

    @property
    def cycles(self) -> int:
        """Cycles since the simulator was created, including those in reset."""
        return int(self._call("cycles"))

    @property
    def violation(self) -> str | None:
        """The first violation since the last reset, with its cycle."""
        text = self._call("violation")
        return text.decode(errors="replace") if text else None

    @property
    def traffic(self) -> Traffic:
        """The memory's traffic since the simulator was created."""
        counts = _Counts()
        self._call("get_counts", byref(counts))
        return Traffic(*(int(getattr(counts, name)) for name, *_ in _Counts._fields_))

    def flush(self) -> None:
        """Write the trace recorded so far to its file."""
        self._call("flush")

    def close(self) -> None:
        """Free the simulator and finish the trace."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            self._library.bnn_sim_destroy(handle)
        self._arrays = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter may be shutting down
            self.close()

    def _call(self, name: str, *arguments: object) -> Any:
        if not self._handle:
            raise BackendError("the simulated core is closed; make a new one")
        return getattr(self._library, f"bnn_sim_{name}")(self._handle, *arguments)

    def _check(self, status: int, what: str = "", offset: int = 0, timeout: int = 0) -> None:
        self._log_messages()
        violation = self.violation
        if violation is not None:
            raise BackendError(f"the simulated core did something wrong in {violation}; reset it to go on")
        if status == _TIMEOUT:
            raise BackendError(f"the simulated core did not answer the {what} of register {offset:#x} or an earlier "
                               f"one within {timeout} cycles; reset it to go on")
        if status == _ERROR_RESPONSE:
            raise BackendError(f"the simulated core answered the {what} of register {offset:#x} with an error; "
                               f"check the register map")
        if status == _BAD_ARGUMENT:
            raise BackendError(f"no register {offset:#x}; 0x0 to 0xffc in steps of 4 fit")

    def _log_messages(self) -> None:
        lines = self._call("messages").decode(errors="replace").splitlines()
        for line in lines[:_MESSAGES_LOGGED]:
            log.info("%s", line)
        if len(lines) > _MESSAGES_LOGGED:
            log.info("and %d lines more", len(lines) - _MESSAGES_LOGGED)


def _load(path: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"bnn_sim_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise BackendError(f"{path} is no simulator that loads here: {error}; delete it and build it again") from None
    if library.bnn_sim_interface() != _INTERFACE:
        raise BackendError(f"{path} was built from other sources than this version's; delete it and build it again")
    return library


def _describe(array: object) -> str:
    return f"{array.shape}, {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
