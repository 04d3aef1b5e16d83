"""The compiled engine as a backend: what a network's layers are to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Union

from ..arrays import Array
from ..engine import BitLayer, Library, PixelLayer, Plan, Source, default_threads, find_library, make_plan
from ..errors import BackendError
from ..network import BinConv, BinFc, ConvTerm, FcTerm, FpConv, LayerNode, Network, Scores
from ..network.graph import Part
from ..network.handlers import Handlers
from ..network.layers import LAYER_KINDS, TERM_KINDS
from ..network.spec import Encoding
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

    def scores(self, pixels: Array) -> Array:
        self.check_pixels(pixels)
        began = time.perf_counter()
        scores = self._plan.scores(pixels, self.threads)
        self.last_time = BackendTime(compute=time.perf_counter() - began)
        return scores

    def states(self, pixels: Array) -> Iterator[Array]:
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
    encoding = network.input.encoding
    layers = [_lower_node(node, encoding) for node in network.nodes]
    one_bit = encoding.codes > 0 if encoding.bits == 1 else None
    return make_plan(library, network.input.shape, layers, one_bit=one_bit, instruction_set=instruction_set)


# The engine's arguments for a part of a sum: its window's weights, stride, padding and the bit of padded taps.
_Window = tuple[Array, int, int, Union[int, None]]
_WINDOWS: Handlers[Callable[[Part], _Window]] = Handlers("windows of the compiled engine", LAYER_KINDS + TERM_KINDS)


@_WINDOWS.for_(BinFc, Scores, FcTerm)
def _dense_window(part: Part) -> _Window:
    return part.layer.weights.reshape(-1, *part.input.shape), 1, 0, None  # a window as large as the map


@_WINDOWS.for_(FpConv, BinConv, ConvTerm)
def _conv_window(part: Part) -> _Window:
    layer = part.layer
    return layer.weights, layer.stride, layer.padding, 1 if layer.pad_value == "one" else None


def _lower_node(node: LayerNode, encoding: Encoding) -> BitLayer | PixelLayer:
    layer = node.layer
    thresholds, invert = (None, None) if isinstance(layer, Scores) else (layer.thresholds, layer.invert)
    if node.input.bits == 8:
        weights, stride, padding, _ = _WINDOWS[layer](node.parts[0])
        return PixelLayer(weights, encoding.codes, thresholds, invert, stride, padding, layer.pool)
    sources = [Source(part.source, *_WINDOWS[part.layer](part)) for part in node.parts]
    return BitLayer(sources, thresholds, invert, layer.pool, node.shortcut)
