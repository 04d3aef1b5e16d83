"""Time as the driver waits in it, and the clock of the programmable logic."""

from __future__ import annotations

import time
from typing import Any, Protocol

_SLCR_BASE, _SLCR_SIZE = 0xF800_0000, 0x200
_PLLS = {0: 0x108, 1: 0x108, 2: 0x100, 3: 0x104}  # by the source field: I/O, I/O, ARM, DDR
_FCLK0 = 0x170
_OSCILLATOR_MHZ = 50.0  # of PYNQ-Z1 and Z2


class Clock(Protocol):
    """Seconds, and sleeping. ``patience`` is what a run may take beyond a multiple of its predicted time."""

    patience: float

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class WallClock:
    """The time of the computer; a run may be delayed by all that goes on beside it."""

    patience = 1.0
    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


def device_clock(device: Any) -> Clock:
    """The clock that the device brings (a simulated one has its own), else that of the computer."""
    return getattr(device, "driver_clock", None) or WallClock()


class FabricClock:
    """FCLK0, as the processing system is set.

    pynq's ``Clocks`` would tell the same, but of the device for which it was first asked.
    """

    def __init__(self, device: Any) -> None:
        from pynq import MMIO

        self._registers = MMIO(_SLCR_BASE, _SLCR_SIZE, device=device)

    def setting(self) -> int:
        """The register of source and divisors; one read."""
        return self._registers.read(_FCLK0)

    def mhz(self, setting: int) -> float:
        """The clock by ``setting``."""
        multiplier = self._registers.read(_PLLS[setting >> 4 & 3]) >> 12 & 0x7F
        return _OSCILLATOR_MHZ * multiplier / max(1, (setting >> 8 & 0x3F) * (setting >> 20 & 0x3F))
