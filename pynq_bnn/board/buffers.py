"""Contiguous memory shared by processor and accelerator, freed explicitly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..errors import BackendError, first_line

if TYPE_CHECKING:
    from typing_extensions import Self


class Buffer:
    """A block of 64-bit words in contiguous memory.

    Parameters
    ----------
    memory : PynqBuffer of uint64

    Attributes
    ----------
    address : int
        As the accelerator sees it.
    words : (n,) uint64
        As the processor sees them; after :meth:`Buffers.free` they must not be touched.
    """

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.address = int(memory.device_address)
        self.words: Array = memory.view(Array)  # slicing pynq's own class is ten times slower

    def rows(self, count: int, words: int) -> Array:
        """The first ``count`` rows of ``words``, (count, words) uint64."""
        return self.words[:count * words].reshape(count, words)

    def flush(self, words: int) -> None:
        """Make what the processor has written to the first ``words`` visible to the accelerator."""
        self.memory[:words].flush()

    def invalidate(self, words: int) -> None:
        """Make what the accelerator has written to the first ``words`` visible to the processor."""
        self.memory[:words].invalidate()


class Buffers:
    """Buffers on one device; a context manager that frees them all.

    Parameters
    ----------
    device : pynq.Device
    cacheable : bool
        Whether the processor's cache may hold them, which makes packing and reading faster. Each buffer is used in one
        direction only, so that flushing or invalidating all of it (as pynq 3.1 does) loses nothing.
    """

    def __init__(self, device: Any, cacheable: bool) -> None:
        self._device, self._cacheable = device, cacheable
        self._held: list[Buffer] = []

    @property
    def bytes(self) -> int:
        """Bytes in use."""
        return sum(buffer.words.nbytes for buffer in self._held)

    def allocate(self, words: int) -> Buffer:
        """A buffer of ``words``, with no dirty lines left in the processor's cache.

        Raises
        ------
        BackendError
            Not enough contiguous memory is left.
        """
        from pynq import allocate

        try:
            memory = allocate((words,), "u8", target=self._device, cacheable=int(self._cacheable))
        except (RuntimeError, MemoryError, OSError) as error:
            raise BackendError(f"no {8 * words / 2**20:.1f} MB of contiguous memory are left ({first_line(error)}; "
                               f"this network holds {self.bytes / 2**20:.1f} MB); close other Classifiers, or "
                               f"restart the board") from None
        buffer = Buffer(memory)
        self._held.append(buffer)
        # The system clears new memory through the cache; a line left there would overwrite a result later.
        buffer.flush(words)
        return buffer

    def free(self, buffers: Sequence[Buffer]) -> None:
        """Free these buffers."""
        for buffer in buffers:
            if buffer in self._held:
                self._held.remove(buffer)
                memory, buffer.memory, buffer.words = buffer.memory, None, np.empty(0, np.uint64)
                memory.freebuffer()

    def close(self) -> None:
        """Free all buffers; may be called twice."""
        self.free(list(self._held))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
