"""The width of port S_AXI_HP0, which neither the bitstream nor pynq sets on a Zynq-7000."""

from __future__ import annotations

from typing import Any

from ..errors import BackendError

AFI_BASE, AFI_SIZE = 0xF800_8000, 0x20
# AFI_RDCHAN_CTRL and AFI_WRCHAN_CTRL: bit 0 makes the port 32 bits wide.
CONTROLS = {"read": 0x00, "write": 0x14}
_NARROW = 1


def ensure_64_bit(device: Any) -> None:
    """Make both directions of S_AXI_HP0 64 bits wide, as they are after a reset.

    Parameters
    ----------
    device : pynq.Device

    Raises
    ------
    BackendError
        The port stays 32 bits wide.
    """
    from pynq import MMIO

    registers = MMIO(AFI_BASE, AFI_SIZE, device=device)
    for direction, offset in CONTROLS.items():
        value = registers.read(offset)
        if not value & _NARROW:
            continue
        registers.write(offset, value & ~_NARROW)
        if registers.read(offset) & _NARROW:
            raise BackendError(f"the {direction} channel of S_AXI_HP0 is 32 bits wide and stays so (register "
                               f"{AFI_BASE + offset:#x}); restart the board with an image of PYNQ-Z1 or Z2")
