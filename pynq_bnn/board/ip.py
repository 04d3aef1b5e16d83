"""The accelerator's registers in an overlay: pynq binds this class to every IP of its type."""

from __future__ import annotations

from pynq import DefaultIP

from .hwh import VLNV


class BnnIp(DefaultIP):
    """32-bit registers by byte offset; ``register_map`` shows them by name.

    pynq creates it as ``overlay.bnn``. To run networks, use :class:`~pynq_bnn.backends.overlay.OverlayBackend`.
    """

    bindto = [VLNV]

    def read(self, offset: int = 0) -> int:
        """The register at byte ``offset`` (uint32)."""
        value: int = self.mmio.read(offset)
        return value

    def write(self, offset: int, value: int) -> None:
        """Write ``value`` (uint32) to the register at byte ``offset``."""
        self.mmio.write(offset, int(value))  # pynq does not accept NumPy integers
