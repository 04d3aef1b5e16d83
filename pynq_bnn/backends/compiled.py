"""The compiled engine as a backend: what a network's layers are to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from ..engine import PICTURE, BitLayer, Library, PixelLayer, Plan, Source, default_threads, find_library, make_plan
from ..errors import BackendError
from ..network import BinFc, Network
from ..network.layers import Layer
from ..network.spec import InputSpec
from .base import Backend, BackendTime
from .cpu import CpuBackend


class CompiledBackend(Backend):
    """XNOR and popcount in C, on all cores; see :class:`~pynq_bnn.backends.base.Backend`.

    Parameters
    ----------
    network : Network
    instruction_set : str, optional
        One of :attr:`~pynq_bnn.engine.Library.instruction_sets`; by default the fastest that this processor has.
    threads : int, optional
        Among which images are divided; by default one for each core, and one in a worker process.

    Raises
    ------
    BackendError
        The package was built without a compiler, or the processor lacks the instruction set.
    """

    name = "cpu"

    def __init__(self, network: Network, *, instruction_set: str | None = None, threads: int | None = None) -> None:
        super().__init__(network)
        if threads is not None and threads < 1:
            raise BackendError(f"{threads} threads; 1 and more fit")
        self._threads = threads
        self.library = _library()
        self.instruction_set = instruction_set or self.library.instruction_sets[0]
        self._plan = lower(network, self.library, self.instruction_set)

    @property
    def threads(self) -> int:
        """Among which a large batch is divided; asked in each call, which may be in a worker process by then."""
        return self._threads or default_threads()

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        self.check_pixels(pixels)
        began = time.perf_counter()
        scores = self._plan.scores(pixels, self.threads)
        self.last_time = BackendTime(compute=time.perf_counter() - began)
        return scores

    def states(self, pixels: np.ndarray) -> Iterator[np.ndarray]:
        self.check_pixels(pixels)
        return self._plan.states(pixels)


def cpu_backend(network: Network, *, threads: int | None = None) -> Backend:
    """The compiled engine, or NumPy's where the package was built without a compiler."""
    return CompiledBackend(network, threads=threads) if find_library() else CpuBackend(network)


def _library() -> Library:
    library = find_library()
    if library is None:
        raise BackendError("no compiled engine here: install pynq-bnn again where there is a C compiler, or take "
                           "NumPy's (pynq_bnn.backends.CpuBackend)")
    return library


def lower(network: Network, library: Library, instruction_set: str | None = None) -> Plan:
    """``network`` in the library's form."""
    spec = network.input
    layers = [_lower_layer(number, layer, shape, spec) for number, (layer, shape) in enumerate(network.walk())]
    one_bit = spec.codes > 0 if spec.bits == 1 else None
    return make_plan(library, spec.shape, layers, one_bit=one_bit, instruction_set=instruction_set)


def _lower_layer(number: int, layer: Layer, shape: tuple[int, int, int], spec: InputSpec) -> BitLayer | PixelLayer:
    weights, stride, padding, fill = layer.weights, 1, 0, None
    if isinstance(layer, BinFc):
        weights = weights.reshape(-1, *shape)  # a window as large as the map
    else:
        stride, padding, fill = layer.stride, layer.padding, 1 if layer.pad_value == "one" else None
    if number == 0 and spec.bits == 8:
        return PixelLayer(weights, spec.codes, layer.thresholds, layer.invert, stride, padding, layer.pool)
    source = Source(PICTURE if number == 0 else number - 1, weights, stride, padding, fill)
    return BitLayer([source], layer.thresholds, layer.invert, layer.pool)
