"""Time as the driver waits in it, and the clock of the programmable logic."""

from __future__ import annotations

import time
from typing import Any, Protocol

from .facts import PYNQ_Z


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
    clock: Clock = getattr(device, "driver_clock", None) or WallClock()
    return clock


class FabricClock:
    """FCLK0, as the processing system is set.

    pynq's ``Clocks`` would tell the same, but of the device for which it was first asked.
    """

    def __init__(self, device: Any) -> None:
        from pynq import MMIO

        self._registers = MMIO(PYNQ_Z.slcr_base, PYNQ_Z.slcr_size, device=device)

    def setting(self) -> int:
        """The register of source and divisors; one read."""
        register: int = self._registers.read(PYNQ_Z.fclk0)
        return register

    def mhz(self, setting: int) -> float:
        """The clock by ``setting``."""
        multiplier: int = self._registers.read(PYNQ_Z.plls[setting >> 4 & 3]) >> 12 & 0x7F
        return PYNQ_Z.oscillator_mhz * multiplier / max(1, (setting >> 8 & 0x3F) * (setting >> 20 & 0x3F))
