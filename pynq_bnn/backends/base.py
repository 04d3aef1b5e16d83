"""What every backend offers: cpu, rtl and overlay give the same integers for the same pixels."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..errors import BackendError
from ..network import LayerNode, Network
from ..network.graph import PICTURE

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


@dataclass(frozen=True)
class BackendTime:
    """Seconds of the last call: moving data to and from the device, and computing.

    What the processor does while a device computes is not counted as computing.
    """

    transfer: float = 0.0
    compute: float = 0.0


class Stopwatch:
    """Counts the seconds that an iterable takes to give its items, not those its user takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, items: Iterable[T]) -> Iterator[T]:
        """``items``, with the time of each added to ``seconds``."""
        iterator = iter(items)
        while True:
            began = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - began
            yield item


def run_nodes(network: Network, picture: np.ndarray,
              step: Callable[[LayerNode, list[np.ndarray]], np.ndarray]) -> Iterator[np.ndarray]:
    """What leaves each node in turn, by ``step`` of the node and the maps it reads; they are kept until their last use.

    The maps come in the order of ``node.reads``: the layer's own, those of its terms, that of its shortcut.
    """
    maps = {PICTURE: picture}
    for node, unused in zip(network.nodes, network.unused_after):
        maps[node.index] = state = step(node, [maps[source] for source in node.reads])
        for index in unused:
            del maps[index]
        yield state


class Backend(ABC):
    """A network made ready on one kind of machine.

    A backend is a context manager; :meth:`close` frees what it holds and may be called twice.
    """

    name: str

    def __init__(self, network: Network) -> None:
        self.network = network
        self.last_time = BackendTime()

    @abstractmethod
    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """(N, K) int32 sums of the last layer for (N, H, W, C) uint8 pixels."""

    def stream(self, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Scores of batch after batch; a device computes one while the next is taken from ``pieces``.

        ``last_time`` is that of the whole stream so far, without what ``pieces`` takes. A stream is taken to its end,
        or closed, before anything else is asked of the backend.

        Parameters
        ----------
        pieces : iterable of (n, H, W, C) uint8

        Yields
        ------
        (n, K) int32, in order; of a large piece perhaps in several parts.
        """
        transfer = compute = 0.0
        self.last_time = BackendTime()
        for piece in pieces:
            scores = self.scores(piece)
            transfer, compute = transfer + self.last_time.transfer, compute + self.last_time.compute
            self.last_time = BackendTime(transfer, compute)
            yield scores

    @abstractmethod
    def states(self, pixels: np.ndarray) -> Iterator[np.ndarray]:
        """What is behind each layer, first layer first.

        For a hidden layer its map, (N, H, W, ceil(C/8)) uint8, channels least significant bit first; for the
        last layer the (N, K) int32 scores.
        """

    def map_bits(self, pixels: np.ndarray, layer: int) -> np.ndarray:
        """The map behind hidden layer ``layer``, as :meth:`states` gives it.

        Raises
        ------
        BackendError
            When ``layer`` is no hidden layer.
        """
        hidden = len(self.network.layers) - 1
        if not 0 <= layer < hidden:
            raise BackendError(f"layer {layer} has no map; hidden layers are 0 to {hidden - 1}")
        return next(islice(self.states(pixels), layer, None))

    def close(self) -> None:  # noqa: B027 - most backends hold nothing
        """Free what the backend holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def check_pixels(self, pixels: np.ndarray) -> None:
        """Raise BackendError unless ``pixels`` is a (N, H, W, C) uint8 array of the network's input."""
        expected = self.network.input.shape
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            found = f"{pixels.shape}, {pixels.dtype}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise BackendError(f"pixels of {found}; (count, {', '.join(map(str, expected))}) uint8 fits")
