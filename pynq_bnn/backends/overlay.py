"""The accelerator in the programmable logic of a PYNQ-Z1 or Z2, driven through pynq."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..board.accelerator import Accelerator, acquire
from ..board.batch import Batch
from ..board.loaded_network import LoadedNetwork, RunOptions
from ..board.loading import default_bitstream
from ..errors import BackendError
from ..network import Network
from ..program.config import Config
from ..program.pack import unpack_map, unpack_scores
from ..program.registers import Counters
from .base import Backend, BackendTime, Computed, Pending

__all__ = ["OverlayBackend", "RunOptions", "default_bitstream"]


class OverlayBackend(Backend):
    """Runs a network on an overlay; see :class:`~pynq_bnn.backends.base.Backend`.

    Several backends of one process share a device: each holds its own memory, and their runs take turns.

    Parameters
    ----------
    network : Network
    bitstream : path, optional
        A .bit file with its .hwh beside it; default: the one that comes with the package.
    overlay : pynq.Overlay, optional
        An overlay that is already loaded, instead of a bitstream.
    device : pynq.Device, optional
        Default: pynq's active device.
    options : RunOptions, optional

    Raises
    ------
    BackendError
        pynq, the board or the bitstream is missing, the bitstream is a wrong one, or the network does not fit.
    """

    name = "overlay"

    def __init__(self, network: Network, bitstream: str | Path | None = None, *, overlay: Any = None,
                 device: Any = None, options: RunOptions | None = None) -> None:
        super().__init__(network)
        self._accelerator: Accelerator | None = acquire(self, bitstream, overlay, device)
        try:
            self._resident = LoadedNetwork(self._accelerator, network, options or RunOptions())
        except BaseException:
            self.close()
            raise

    @property
    def config(self) -> Config:
        """Sizes of the accelerator."""
        return self._open.accelerator.config

    @property
    def last_cycles(self) -> tuple[int, ...]:
        """Cycles of each run of the batch last waited for, or of the layers that :meth:`states` has run so far."""
        return self._resident.last_cycles

    @property
    def last_counters(self) -> tuple[Counters, ...]:
        """Counters of the same runs; empty unless ``RunOptions(counters=True)``."""
        return self._resident.last_counters

    def start(self, pixels: Array) -> Pending:
        self.check_pixels(pixels)
        resident = self._open
        if not len(pixels):
            return Computed(np.zeros((0, self.network.layers[-1].outputs), np.int32), BackendTime())
        return _Started(self, resident.start(pixels))

    def scores(self, pixels: Array) -> Array:
        return self.start(pixels).wait()

    def states(self, pixels: Array) -> Iterator[Array]:
        """See :class:`Backend`: each layer is a program of its own, so every map passes through memory."""
        self.check_pixels(pixels)
        shapes = [node.output.shape for node in self.network.nodes]
        for program, words in self._open.layers(pixels):
            yield unpack_scores(words, program.classes) if program.classes else unpack_map(words, shapes[program.last])

    @property
    def _open(self) -> LoadedNetwork:
        if self._accelerator is None:
            raise BackendError("this backend is closed; make a new one")
        return self._resident

    def close(self) -> None:
        accelerator, self._accelerator = self._accelerator, None
        if accelerator is None:
            return
        try:
            if hasattr(self, "_resident"):
                self._resident.close()
        finally:
            accelerator.release(self)

    def __del__(self) -> None:
        if getattr(self, "_accelerator", None) is not None:
            with contextlib.suppress(Exception):  # the interpreter may be shutting down
                self.close()


class _Started(Pending):
    """A batch on the device; keeps a reference to the backend, whose memory it uses."""

    def __init__(self, backend: OverlayBackend, batch: Batch) -> None:
        self._backend, self._batch = backend, batch

    @property
    def done(self) -> bool:
        return self._batch.done

    @property
    def time(self) -> BackendTime:
        seconds, compute = self._batch.seconds, self._batch.compute
        return BackendTime(max(0.0, seconds - compute), compute)

    def wait(self) -> Array:
        scores = self._batch.wait()
        self._backend.last_time = self.time
        return scores

    def cancel(self) -> None:
        self._batch.cancel()
