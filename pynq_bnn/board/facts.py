"""Constants of PYNQ-Z1 and PYNQ-Z2: chip, clocks, memory and registers of the processing system.

Source: the boards' reference manuals and the Zynq-7000 technical reference manual (UG585).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Board:
    """A board, or several that are the same for this package.

    Attributes
    ----------
    family, chip, package, speed : str
        Names of the device, as in a handoff file and a bitstream.
    oscillator_mhz, io_pll_mhz : float
        Clocks of the processing system; pynq and the boot loader derive FCLK0 from the I/O PLL.
    memory_bytes : int
        Size of the DDR memory.
    base_address, address_size : int
        The accelerator's registers in the processor's address space.
    slcr_base, slcr_size, plls, fclk0 : int
        System-level control registers: offsets of the PLLs by the source field of a clock (I/O, I/O, ARM, DDR), and
        of the register with FCLK0's source and divisors.
    afi_base, afi_size, afi_controls : int
        Registers of port S_AXI_HP0: offsets of the control registers of its two channels.
    """

    family: str = "zynq"
    chip: str = "7z020"
    package: str = "clg400"
    speed: str = "-1"
    oscillator_mhz: float = 50.0
    io_pll_mhz: float = 1000.0
    memory_bytes: int = 512 << 20
    base_address: int = 0x43C0_0000
    address_size: int = 0x1_0000
    slcr_base: int = 0xF800_0000
    slcr_size: int = 0x200
    plls: Mapping[int, int] = field(default_factory=lambda: {0: 0x108, 1: 0x108, 2: 0x100, 3: 0x104})
    fclk0: int = 0x170
    afi_base: int = 0xF800_8000
    afi_size: int = 0x20
    afi_controls: Mapping[str, int] = field(default_factory=lambda: {"read": 0x00, "write": 0x14})

    @property
    def part(self) -> str:
        """The device's full name, such as xc7z020clg400-1."""
        return f"xc{self.chip}{self.package}{self.speed}"


PYNQ_Z = Board()
