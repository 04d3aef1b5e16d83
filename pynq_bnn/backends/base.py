"""What every backend offers: cpu, rtl and overlay give the same integers for the same pixels."""

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

    What the processor does while a device computes is not counted as computing.
    """

    transfer: float = 0.0
    compute: float = 0.0

    def __add__(self, other: BackendTime) -> BackendTime:
        return BackendTime(self.transfer + other.transfer, self.compute + other.compute)


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


def run_nodes(network: Network, picture: Array,
              step: Callable[[LayerNode, list[Array]], Array]) -> Iterator[Array]:
    """What leaves each node in turn, by ``step`` of the node and the maps it reads; they are kept until their last use.

    The maps come in the order of ``node.reads``: the layer's own, those of its terms, that of its shortcut.
    """
    maps = {PICTURE: picture}
    for node, unused in zip(network.nodes, network.unused_after):
        maps[node.index] = state = step(node, [maps[source] for source in node.reads])
        for index in unused:
            del maps[index]
        yield state


class Pending(ABC):
    """The scores of a batch that was started with :meth:`Backend.start`.

    One that nobody refers to any more is given up, as by :meth:`cancel`.
    """

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether :meth:`wait` returns at once."""

    @property
    @abstractmethod
    def time(self) -> BackendTime:
        """What the batch has taken so far."""

    @abstractmethod
    def wait(self) -> Array:
        """(N, K) int32 sums of the last layer; may be called again.

        Raises
        ------
        BackendError
            The batch went wrong, or was given up.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Give up a batch that is not done, so that the device is free for another; :meth:`wait` then raises."""


class Computed(Pending):
    """Scores that are there already, as those of a processor are."""

    done = True

    def __init__(self, scores: Array, taken: BackendTime) -> None:
        self._scores, self._taken = scores, taken

    @property
    def time(self) -> BackendTime:
        return self._taken

    def wait(self) -> Array:
        return self._scores

    def cancel(self) -> None:
        """Nothing is left to give up."""


class Backend(ABC):
    """A network made ready on one kind of machine.

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
        """Start a batch: a device computes on, a processor is done when this returns.

        Nothing is locked while a batch is under way. A device that is asked for another one, by whatever network or
        thread, makes it ready, finishes this one, whose handle keeps its scores, and then starts the other.

        Parameters
        ----------
        pixels : (N, H, W, C) uint8
            May be changed when this returns.

        Raises
        ------
        BackendError
            ``pixels`` do not fit, or the device cannot be had.
        """
        return Computed(self.scores(pixels), self.last_time)

    def stream(self, pieces: Iterable[Array]) -> Generator[Array, None, None]:
        """Scores of batch after batch.

        On a device the next batch is under way when a result is given: the device computes while the piece after that
        is taken from ``pieces``, and while the result is used. ``last_time`` is that of the stream so far, without what
        ``pieces`` and the user of the results take. When a stream is closed, or ``pieces`` raises an exception, what is
        under way is given up.

        Parameters
        ----------
        pieces : iterable of (n, H, W, C) uint8

        Yields
        ------
        (n, K) int32, in order, for each piece that is not empty.
        """
        taken, waiting = BackendTime(), deque[Pending]()

        def results(most: int) -> Iterator[Array]:
            """Those that are there, and the oldest while more than ``most`` are waiting."""
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
        """What is behind each layer, first layer first.

        For a hidden layer its map, (N, H, W, ceil(C/8)) uint8, channels least significant bit first; for the
        last layer the (N, K) int32 scores.
        """

    def map_bits(self, pixels: Array, layer: int) -> Array:
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

    def check_pixels(self, pixels: Array) -> None:
        """Raise BackendError unless ``pixels`` is a (N, H, W, C) uint8 array of the network's input."""
        expected = self.network.input.shape
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            found = f"{pixels.shape}, {pixels.dtype}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise BackendError(f"pixels of {found}; (count, {', '.join(map(str, expected))}) uint8 fits")
