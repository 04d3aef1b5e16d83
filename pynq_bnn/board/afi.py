"""The width of port S_AXI_HP0, which neither the bitstream nor pynq sets on a Zynq-7000."""

from __future__ import annotations

from typing import Any

from ..errors import BackendError
from .facts import PYNQ_Z

# Bit 0 of AFI_RDCHAN_CTRL and AFI_WRCHAN_CTRL makes the port 32 bits wide.
_NARROW = 1


def ensure_64_bit(device: Any) -> None:
    """Make both directions of S_AXI_HP0 64 bits wide, their width after a reset.

    Parameters
    ----------
    device : pynq.Device

    Raises
    ------
    BackendError
        The port stays 32 bits wide.
    """
    from pynq import MMIO

    registers = MMIO(PYNQ_Z.afi_base, PYNQ_Z.afi_size, device=device)
    for direction, offset in PYNQ_Z.afi_controls.items():
        value = registers.read(offset)
        if not value & _NARROW:
            continue
        registers.write(offset, value & ~_NARROW)
        if registers.read(offset) & _NARROW:
            raise BackendError(f"the {direction} channel of S_AXI_HP0 is 32 bits wide and stays so (register "
                               f"{PYNQ_Z.afi_base + offset:#x}); restart the board with an image of PYNQ-Z1 or Z2")
