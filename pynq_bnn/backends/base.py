"""The interface of all backends, which return the same integers for the same pixels."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..arrays import Array
from ..errors import BackendError
from ..network import LayerNode, Network
from ..network.graph import PICTURE

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


@dataclass(frozen=True)
class BackendTime:
    """Seconds of the last call: moving data to and from the device, and computing.

    Work that the processor does while a device computes does not count as computing.
    """

    transfer: float = 0.0
    compute: float = 0.0

    def __add__(self, other: BackendTime) -> BackendTime:
        return BackendTime(self.transfer + other.transfer, self.compute + other.compute)


class Stopwatch:
    """Measures the seconds that an iterable takes to produce its items, without the time spent using them."""

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


def run_nodes(network: Network, picture: Array,
              step: Callable[[LayerNode, list[Array]], Array]) -> Iterator[Array]:
    """Run the nodes in order; yields the output of each, computed by ``step(node, maps it reads)``.

    The maps are in the order of ``node.reads``: the layer's own, those of its terms, that of its shortcut. Each map is
    kept until its last use.
    """
    maps = {PICTURE: picture}
    for node, unused in zip(network.nodes, network.unused_after):
        maps[node.index] = state = step(node, [maps[source] for source in node.reads])
        for index in unused:
            del maps[index]
        yield state


class Pending(ABC):
    """The scores of a batch that was started with :meth:`Backend.start`.

    When the last reference to it is gone, the batch is cancelled.
    """

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether :meth:`wait` returns at once."""

    @property
    @abstractmethod
    def time(self) -> BackendTime:
        """Time spent on the batch so far."""

    @abstractmethod
    def wait(self) -> Array:
        """(N, K) int32 sums of the last layer; may be called again.

        Raises
        ------
        BackendError
            The batch failed, or was cancelled.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Give up the batch if it is not done, so that the device is free; :meth:`wait` then raises BackendError."""


class Computed(Pending):
    """Scores that are already computed, as by the processor."""

    done = True

    def __init__(self, scores: Array, taken: BackendTime) -> None:
        self._scores, self._taken = scores, taken

    @property
    def time(self) -> BackendTime:
        return self._taken

    def wait(self) -> Array:
        return self._scores

    def cancel(self) -> None:
        """Does nothing: the batch is done."""


class Backend(ABC):
    """A network prepared for one kind of machine.

    A backend is a context manager; :meth:`close` frees what it holds and may be called twice.
    """

    name: str

    def __init__(self, network: Network) -> None:
        self.network = network
        self.last_time = BackendTime()

    @abstractmethod
    def scores(self, pixels: Array) -> Array:
        """(N, K) int32 sums of the last layer for (N, H, W, C) uint8 pixels."""

    def start(self, pixels: Array) -> Pending:
        """Start a batch. A device then computes in the background; on a processor the batch is done on return.

        Nothing is locked while a batch is running. If any network or thread starts another batch on the device, that
        one is packed, this one is finished (its handle keeps the scores), and then the other is started.

        Parameters
        ----------
        pixels : (N, H, W, C) uint8
            May be changed after the call.

        Raises
        ------
        BackendError
            ``pixels`` have the wrong shape or type, or the device is not available.
        """
        return Computed(self.scores(pixels), self.last_time)

    def stream(self, pieces: Iterable[Array]) -> Generator[Array, None, None]:
        """Scores of batch after batch.

        On a device the next batch is running when a result is yielded: the device computes while the result is used and
        while the following piece is taken from ``pieces``. ``last_time`` is that of the stream so far, without the time
        spent in ``pieces`` and by the user of the results. When the stream is closed, or ``pieces`` raises an
        exception, the running batches are cancelled.

        Parameters
        ----------
        pieces : iterable of (n, H, W, C) uint8

        Yields
        ------
        (n, K) int32, in order, for each piece that is not empty.
        """
        taken, waiting = BackendTime(), deque[Pending]()

        def results(most: int) -> Iterator[Array]:
            """The results that are done, and the oldest ones as long as more than ``most`` are waiting."""
            nonlocal taken
            while waiting and (len(waiting) > most or waiting[0].done):
                scores = waiting[0].wait()
                taken += waiting.popleft().time
                self.last_time = taken
                yield scores

        self.last_time = taken
        try:
            for pixels in pieces:
                self.check_pixels(pixels)
                if len(pixels):
                    waiting.append(self.start(pixels))
                    yield from results(most=1)
            yield from results(most=0)
        finally:
            for pending in waiting:
                pending.cancel()

    @abstractmethod
    def states(self, pixels: Array) -> Iterator[Array]:
        """The output of each layer, first layer first.

        For a hidden layer its map, (N, H, W, ceil(C/8)) uint8, channels least significant bit first; for the
        last layer the (N, K) int32 scores.
        """

    def map_bits(self, pixels: Array, layer: int) -> Array:
        """The output map of hidden layer ``layer``, as :meth:`states` yields it.

        Raises
        ------
        BackendError
            ``layer`` is not a hidden layer.
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

    def check_pixels(self, pixels: Array) -> None:
        """Raise BackendError unless ``pixels`` is a (N, H, W, C) uint8 array of the network's input."""
        expected = self.network.input.shape
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            found = f"{pixels.shape}, {pixels.dtype}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise BackendError(f"pixels of {found}; (count, {', '.join(map(str, expected))}) uint8 fits")
