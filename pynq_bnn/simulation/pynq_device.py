"""The simulated core as a pynq device, on which the board's driver runs unchanged.

Registers are accessed through the core's AXI-Lite slave, contiguous memory is what its AXI master accesses, and time is
counted by its clock. In addition there are the registers of a Zynq-7000 that pynq and the driver use: clocks, PLLs and
the width of S_AXI_HP0. This module imports pynq; elsewhere in the package pynq is only imported on demand.
"""

from __future__ import annotations

import ctypes
import struct
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device

from ..arrays import Array
from ..board.hwh import ADDRESS_SIZE, BASE_ADDRESS, PLL_MHZ, hwh_text
from ..board.pynq_globals import enter, leave, make_active
from ..program.config import Config
from ..program.registers import OFFSETS
from .build import build, core_sources
from .core import MemoryTiming, SimulatedCore

if TYPE_CHECKING:
    from typing_extensions import Self

DRAM_START, DRAM_BYTES = 0x1000_0000, 128 << 20  # contiguous memory of the boards' images
_PAGE = 4096
_DRAM_END = 0x3FFF_FFFF
_POLL_CYCLES = 256  # cycles that pass with each read of STATUS, in addition to those of the bus
# State of a Zynq-7000 after its boot loader: PLLs, FCLKs derived from 1 GHz, a port of 64 bits.
_SYSTEM_REGISTERS = {0xF800_0100: 0x0002_8008, 0xF800_0104: 0x0002_0008, 0xF800_0108: 0x0001_4008,
                     0xF800_0120: 0x1F00_0200, **{0xF800_0170 + 16 * n: 0x0020_0500 for n in range(4)},
                     0xF800_8000: 0x0000_0000, 0xF800_8014: 0x0000_0F00}
_FCLK0 = 0xF800_0170
_LOG_KEPT = 10_000
_NAMES = {offset: name for name, offset in OFFSETS.items()}


class SimulatedBuffer(PynqBuffer):
    """Contiguous memory of a simulated device; only the whole buffer frees it, not a slice, and only once."""

    owner: SimulatedDevice | None

    def freebuffer(self) -> None:
        device, self.owner = getattr(self, "owner", None), None
        if device is not None:
            device.free(self.device_address)


class SimulatedClock:
    """Seconds of the simulated clock. Sleeping runs the core, at most until it raises its interrupt."""

    patience = 1e-3

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device

    def now(self) -> float:
        return self._device.core.cycles / (self._device.mhz * 1e6)

    def sleep(self, seconds: float) -> None:
        device = self._device
        cycles = max(1, int(seconds * device.mhz * 1e6))
        with device.alone:
            if not device.core.run(cycles, until_irq=True):  # the interrupt is high already, but time must pass
                device.core.run(1, until_irq=False)


class SimulatedDevice(Device):
    """A simulated board with this package's accelerator.

    A context manager; :meth:`close` frees it and restores pynq's global state.

    Parameters
    ----------
    config : Config
        Sizes of the accelerator.
    timing : MemoryTiming
        Timing of its memory.
    seed : int
        Seed of random stalls and of the initial contents of registers and memories.
    trace : str or Path, optional
        FST file for all waves.
    cache : str or Path, optional
        Folder for compiled simulators.
    mhz : float
        The clock that the handoff file requests.
    memory : int
        Bytes of contiguous memory.
    active : bool
        Whether it is pynq's active device while it is open; otherwise it is used only where it is passed explicitly.

    Attributes
    ----------
    bitstream : str
        A .bit file in a temporary folder, with its .hwh, that turns this device into the accelerator when loaded.
    log : deque
        ("read" or "write", register, value) for each access of the accelerator's registers; may be cleared.
    allocations : int
        Number of buffers allocated since the device was created.
    buffers : dict
        Bytes of each buffer in use, by address.
    alone : RLock
        Held by the thread that uses the simulated core or its memory.
    """

    name = "simulated"
    arch = "armv7l"

    def __init__(self, config: Config | None = None, timing: MemoryTiming | None = None, seed: int = 1,
                 trace: str | Path | None = None, cache: str | Path | None = None, *, mhz: float = 100.0,
                 memory: int = DRAM_BYTES, active: bool = True) -> None:
        super().__init__("pynq-bnn simulated")
        self.config, self.memory_bytes = config or Config(), memory
        self.capabilities = {"REGISTER_RW": True, "MEMORY_MAPPED": False, "CALLABLE": False}
        self.bitfile_name = self.timestamp = None
        self.log: deque[tuple[str, str, int]] = deque(maxlen=_LOG_KEPT)
        self.allocations = self.downloads = 0
        self.buffers: dict[int, int] = {}
        self.system_registers = dict(_SYSTEM_REGISTERS)
        self._copies: dict[int, Array] = {}
        self.alone = threading.RLock()
        self._loaded, self._is_accelerator = b"", False
        self._noise = np.random.default_rng(seed)
        library = build(core_sources(), self.config.parameters, trace=trace is not None, cache=cache)
        self.core = SimulatedCore(library, seed, trace, timing or MemoryTiming())
        self.driver_clock = SimulatedClock(self)
        self._folder = tempfile.TemporaryDirectory(prefix="pynq-bnn-")
        self.bitstream = str(write_bitstream(Path(self._folder.name) / "pynq-bnn.bit", self.config, mhz))
        if active:
            enter(self)

    @property
    def mhz(self) -> float:
        """FCLK0 according to the clock registers."""
        control = self.system_registers[_FCLK0]
        return PLL_MHZ / max(1, (control >> 8 & 0x3F) * (control >> 20 & 0x3F))

    # Registers, called by pynq.MMIO.

    def read_registers(self, address: int, length: int) -> bytes:
        with self.alone:
            return b"".join(struct.pack("<I", self._read(address + 4 * n)) for n in range(length // 4))

    def write_registers(self, address: int, data: bytes) -> None:
        with self.alone:
            for n, (value,) in enumerate(struct.iter_unpack("<I", bytes(data))):
                self._write(address + 4 * n, value)

    def _read(self, address: int) -> int:
        if address in self.system_registers:
            return self.system_registers[address]
        name = self._register(address)
        if not self._is_accelerator:
            return 0  # some other design answers
        if name == "STATUS":
            self.core.run(_POLL_CYCLES, until_irq=True)
        value = self.core.read(address - BASE_ADDRESS)
        self.log.append(("read", name, value))
        return value

    def _write(self, address: int, value: int) -> None:
        if address in self.system_registers:
            self.system_registers[address] = value
            return
        name = self._register(address)
        if not self._is_accelerator:
            return
        self.log.append(("write", name, value))
        self.core.write(address - BASE_ADDRESS, value)
        if name in ("CONTROL", "INTERRUPT"):
            self._watch_done()

    def _register(self, address: int) -> str:
        offset = address - BASE_ADDRESS
        if not 0 <= offset < ADDRESS_SIZE:
            raise RuntimeError(f"bus error: nothing answers at {address:#x}")
        if not self._loaded:
            raise RuntimeError(f"the processor hangs: it asks for {address:#x} before a bitstream is loaded")
        return _NAMES.get(offset) or f"{offset:#x}"

    def _watch_done(self) -> None:
        """Keep the core's interrupt enabled, which shows the end of a run here, whether the driver uses it or not."""
        self.core.write(OFFSETS["INTERRUPT"], 1)

    # Memory.

    def allocate(self, shape: Any, dtype: Any = "u4", cacheable: int = 0, **_: Any) -> SimulatedBuffer:
        with self.alone:
            return self._allocate(shape, np.dtype(dtype), cacheable)

    def _allocate(self, shape: Any, dtype: np.dtype[Any], cacheable: int) -> SimulatedBuffer:
        size = int(np.prod(shape)) * dtype.itemsize
        address = self._find_room(size)
        held = np.zeros(-(-size // 8) * 8, np.uint8)
        # The processor's view (cache) and the accelerator's (memory) differ until they are flushed or invalidated.
        seen = self._noise.integers(0, 256, held.size, np.uint8) if cacheable else held
        buffer = SimulatedBuffer(shape, dtype, buffer=held.data, bo=address, device=self, device_address=address,
                                 coherent=False)
        buffer.owner = self
        self.buffers[address], self._copies[address] = held.size, seen
        self.core.add_memory(address, seen, writable=True)
        self.allocations += 1
        return buffer

    def _find_room(self, size: int) -> int:
        if size <= 0 or sum(self.buffers.values()) + size > self.memory_bytes:
            raise RuntimeError(f"Allocate failed: {size} bytes")
        address = DRAM_START
        for start in sorted(self.buffers):
            if address + size + _PAGE <= start:
                break
            # A page between buffers stays unmapped, so that an access beyond a buffer is detected.
            address = start + -(-self.buffers[start] // _PAGE) * _PAGE + _PAGE
        if address + size > _DRAM_END:
            raise RuntimeError(f"Allocate failed: {size} bytes")
        return address

    def free(self, address: int) -> None:
        """Free the buffer at ``address``."""
        with self.alone:
            if self.buffers.pop(address, None) is None:
                return
            del self._copies[address]
            if self.core is not None:
                self.core.clear_memory()
                for start, seen in self._copies.items():
                    self.core.add_memory(start, seen, writable=True)

    def flush(self, bo: int, offset: int, pointer: int, size: int) -> None:
        self._part(bo, offset, size)[...] = _bytes_at(pointer, size)

    def invalidate(self, bo: int, offset: int, pointer: int, size: int) -> None:
        _bytes_at(pointer, size)[...] = self._part(bo, offset, size)

    def _part(self, bo: int, offset: int, size: int) -> Array:
        if bo not in self._copies:
            raise RuntimeError(f"the buffer at {bo:#x} is freed")
        return self._copies[bo][offset:offset + size]

    @property
    def default_memory(self) -> SimulatedDevice:
        return self

    def get_memory(self, description: Any) -> SimulatedDevice:
        return self

    # Bitstreams.

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
        from pynqmetadata.frontends import Metadata

        make_active(self)
        parser = RuntimeMetadataParser(Metadata(input=str(Path(bitfile_name).with_suffix(".hwh"))))
        parser.mem_dict["PSDDR"] = {"base_address": 0, "size": self.memory_bytes, "type": "PSDDR", "used": 1, "idx": 0,
                                    "raw_type": 0, "fullpath": "PSDDR", "streaming": False, "tag": "PSDDR"}
        parser.refresh_hierarchy_dict()
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        self._loaded = Path(bitstream.bitfile_name).read_bytes()
        self._is_accelerator = self._loaded == _content(self.config)
        self.downloads += 1
        self.core.reset()
        self._watch_done()
        self.post_download(bitstream, parser)

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """Does nothing: nothing is cached."""

    def insert_device_tree(self, abs_dtbo: str) -> None:
        """Does nothing: there is no device tree."""

    def remove_device_tree(self, abs_dtbo: str) -> None:
        """Does nothing: there is no device tree."""

    def shutdown(self) -> None:
        """Does nothing: no bus transfer outlives a bitstream."""

    def close(self) -> None:
        """Free the simulator and restore pynq's global state; may be called twice."""
        core, self.core = getattr(self, "core", None), None  # type: ignore[assignment]  # closed
        if core is None:
            return
        leave(self)
        core.close()
        self.buffers.clear()
        self._copies.clear()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _bytes_at(pointer: int, size: int) -> Array:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(pointer))


def _content(config: Config) -> bytes:
    """A .bit file that stands for the accelerator of ``config``: header and name, but no logic."""
    data = f"simulated accelerator, {config}".encode()
    data += bytes(-len(data) % 4)
    fields = b"".join(key + struct.pack(">H", len(text)) + text
                      for key, text in ((b"a", b"pynq_bnn\0"), (b"b", b"7z020clg400\0")))
    return b"\0\x09" + bytes(9) + b"\0\1" + fields + b"e" + struct.pack(">I", len(data)) + data


def write_bitstream(path: Path, config: Config, mhz: float = 100.0) -> Path:
    """Write a .bit file that turns a simulated device into the accelerator of ``config``, and its .hwh."""
    path.write_bytes(_content(config))
    path.with_suffix(".hwh").write_text(hwh_text(config, mhz, _content(config)), encoding="utf-8")
    return path
