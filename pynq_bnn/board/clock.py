"""The time source of the driver's waits, and the clock of the programmable logic."""

from __future__ import annotations

import time
from typing import Any, Protocol

from .facts import PYNQ_Z


class Clock(Protocol):
    """A time source in seconds. ``patience`` is the constant part of a timeout, beyond a multiple of the prediction."""

    patience: float

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class WallClock:
    """The computer's time; other processes may delay a run."""

    patience = 1.0
    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


def device_clock(device: Any) -> Clock:
    """The device's own clock if it has one (a simulated device does), else that of the computer."""
    clock: Clock = getattr(device, "driver_clock", None) or WallClock()
    return clock


class FabricClock:
    """FCLK0, as set in the processing system.

    pynq's ``Clocks`` reports the same, but always for the device it was first used with.
    """

    def __init__(self, device: Any) -> None:
        from pynq import MMIO

        self._registers = MMIO(PYNQ_Z.slcr_base, PYNQ_Z.slcr_size, device=device)

    def setting(self) -> int:
        """The register with clock source and divisors; one read."""
        register: int = self._registers.read(PYNQ_Z.fclk0)
        return register

    def mhz(self, setting: int) -> float:
        """The frequency that ``setting`` selects."""
        multiplier: int = self._registers.read(PYNQ_Z.plls[setting >> 4 & 3]) >> 12 & 0x7F
        return PYNQ_Z.oscillator_mhz * multiplier / max(1, (setting >> 8 & 0x3F) * (setting >> 20 & 0x3F))
