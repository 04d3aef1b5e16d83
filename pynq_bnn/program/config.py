"""The accelerator's sizes: parameters of the SystemVerilog core, known to the scheduler and the driver."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..errors import BackendError

WORD_BITS = 64
# The lane buffers are written byte by byte, so PEs come in groups whose outputs fill a byte.
PE_GROUP = 8
MAX_WINDOW_BYTES = 64


@dataclass(frozen=True)
class Config:
    """Sizes of one build of the accelerator.

    Parameters
    ----------
    lanes : int
        Images computed in lockstep, 1 to 8.
    pe : int
        Output channels in parallel: 8, 16, 32 or 64.
    simd : int
        Input channels in parallel: 16, 32 or 64; words always have 64 bits.
    buffer_depth : int
        64-bit words of a lane's memory, which holds input and output map of a layer for all images of the lane.
    ring_depth : int
        Rows (one word per PE) of the parameter ring.
    acc_width : int
        Bits of an accumulator; 20 are enough for 1,024 8-bit inputs.

    Raises
    ------
    BackendError
        A size is out of range; the message names it.
    """

    lanes: int = 8
    pe: int = 32
    simd: int = 64
    buffer_depth: int = 4096
    ring_depth: int = 512
    acc_width: int = 20

    def __post_init__(self) -> None:
        fits = {"lanes": range(1, 9), "pe": (8, 16, 32, 64), "simd": (16, 32, 64),
                "buffer_depth": [1 << n for n in range(6, 14)], "ring_depth": [1 << n for n in range(3, 13)],
                "acc_width": range(12, 25)}
        for name, allowed in fits.items():
            value = getattr(self, name)
            if value not in allowed:
                raise BackendError(f"accelerator size {name}={value!r}; one of {', '.join(map(str, allowed))} fits")

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of ``bnn_core``."""
        return {name.upper(): value for name, value in asdict(self).items()}

    @property
    def bit_ops(self) -> int:
        """XNOR-popcount operations per cycle."""
        return self.lanes * self.pe * self.simd

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.parameters.items())
