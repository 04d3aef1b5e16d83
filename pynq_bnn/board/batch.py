"""A batch on the accelerator: run by run, from the images in memory to the scores."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import BackendError
from ..program.registers import Counters
from ..program.schedule import Program
from .buffers import Buffer
from .run import Run

if TYPE_CHECKING:
    from .loaded_network import LoadedNetwork


@dataclass
class LoadedProgram:
    """A program in memory, with its predicted cycles for each number of images."""

    program: Program
    words: Buffer
    costs: dict[int, float] = field(default_factory=dict)


@dataclass
class Workspace:
    """Programs and buffers for batches of up to ``capacity`` images.

    ``images`` gets a second buffer when it is needed: one is packed while the other is computed. ``pack`` writes images
    to an (N, words) uint64 array, ``unpack`` reads results from one. A workspace that is not ``kept`` is freed after
    its batch.
    """

    capacity: int
    programs: list[LoadedProgram]
    pack: Callable[[Array, Array], object]
    unpack: Callable[[Array], Array]
    kept: bool = True
    images: list[Buffer] = field(default_factory=list)
    results: list[Buffer] = field(default_factory=list)

    @property
    def buffers(self) -> list[Buffer]:
        return [*self.images, *self.results]


class Batch:
    """A batch that was started by :meth:`LoadedNetwork.start`.

    It is split into parts where memory is limited, and passes through several programs where the network is cut. Each
    of these is a run; whoever waits for the batch starts the next one.

    Attributes
    ----------
    done : bool
        Whether the batch has finished or failed.
    cycles : tuple of int
        Cycles of each run.
    counters : tuple of Counters
        Counters of each run, with ``RunOptions(counters=True)``.
    seconds, compute : float
        Time spent on this batch, and the part of it in which the processor waited for the accelerator.
    """

    def __init__(self, network: LoadedNetwork) -> None:
        self.done = False
        self.cycles: tuple[int, ...] = ()
        self.counters: tuple[Counters, ...] = ()
        self.seconds = self.compute = 0.0
        self.workspace: Workspace  # set by prepare()
        self._network = network
        self._rest: list[Array] = []  # parts that are not packed yet, in reverse order
        # (image buffer, number of images) of the part that is packed, and of the one that is being computed.
        self._ready = self._running = (0, 0)
        self._place = 0  # index of the running program
        self._run: Run | None = None
        self._results: list[Array] = []
        self._failure: str | None = None

    def wait(self) -> Array:
        """The results of all images: (N, K) int32 scores, or (N, words) uint64 map words; may be called again.

        Raises
        ------
        BackendError
            A run failed or timed out, or the batch was cancelled.
        """
        if not self.done:
            with self._network.turn():
                self.finish()
        if self._failure is not None:
            raise BackendError(self._failure)
        if len(self._results) > 1:
            self._results = [np.concatenate(self._results)]
        self._network.note(self.cycles, self.counters)
        return self._results[0]

    def step(self) -> None:
        """Wait for the current run, and start the next."""
        with self._network.turn():
            if not self.done:
                self._advance()

    def cancel(self) -> None:
        """Give up the rest of the batch; :meth:`wait` then raises BackendError. Memory is kept for the next batch."""
        network = self._network
        if self.done or network.accelerator.foreign:
            return
        with network.turn():
            if not self.done:
                self._give_up("the batch was cancelled; start it again")
                if network.accelerator.may_write(network):  # it could not be reset
                    network.free()
                else:
                    network.release(self.workspace)

    # The following are called by the network, which holds its lock.

    @property
    def failed(self) -> bool:
        return self._failure is not None

    @property
    def free_side(self) -> int:
        """The image buffer that the accelerator does not read."""
        return 1 - self._running[0]

    def prepare(self, workspace: Workspace, images: Array, side: int) -> None:
        """Pack the first part into image buffer ``side`` of ``workspace``."""
        self.workspace, step = workspace, workspace.capacity
        self._rest = [images[start:start + step] for start in range(0, len(images), step)][::-1]
        with self.timed():
            self._pack_next(side)

    def begin(self) -> None:
        """Start the first run."""
        with self._or_end(), self.timed():
            self._start_part()

    def pack_all(self) -> None:
        """Advance until the last part is packed and running."""
        while self._rest or self._ready[1]:
            self._advance()

    def finish(self) -> None:
        """Wait for all runs."""
        while not self.done:
            self._advance()

    def _give_up(self, why: str) -> None:
        """Mark the batch as failed, and reset the accelerator if it is running this batch."""
        self._failure, self.done = why, True
        run, self._run = self._run, None
        if run is not None:
            with contextlib.suppress(BackendError):  # not reset: free() then keeps the memory reserved
                run.cancel()

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time spent within a ``with`` statement to ``seconds``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began

    @contextlib.contextmanager
    def _or_end(self) -> Iterator[None]:
        """On any exception, stop the run and free all memory of the network."""
        try:
            yield
        except BaseException as error:
            own = isinstance(error, BackendError)
            self._give_up(str(error) if own else "the batch was interrupted; start it again")
            self._network.free()
            raise

    def _advance(self) -> None:
        with self._or_end(), self.timed():
            if not self._place and self._rest:  # while the first program runs
                self._pack_next(self.free_side)
            self._take_run()
            self._place += 1
            if self._place < len(self.workspace.programs):
                self._start_run()
                return
            self._take_results()
            if self._ready[1]:
                self._start_part()
            else:
                self.done = True
                self._network.release(self.workspace)

    def _pack_next(self, side: int) -> None:
        images, workspace = self._rest.pop(), self.workspace
        words = workspace.programs[0].program.in_words
        while len(workspace.images) <= side:
            workspace.images.append(self._network.buffers.allocate(workspace.capacity * words))
        buffer = workspace.images[side]
        workspace.pack(images, buffer.rows(len(images), words))
        buffer.flush(len(images) * words)
        self._ready = side, len(images)

    def _start_part(self) -> None:
        self._running, self._ready, self._place = self._ready, (0, 0), 0
        self._start_run()

    def _start_run(self) -> None:
        (side, count), workspace = self._running, self.workspace
        source = workspace.results[self._place - 1] if self._place else workspace.images[side]
        began = time.perf_counter()
        self._run = self._network.start_run(workspace.programs[self._place], source, workspace.results[self._place],
                                            count)
        self.compute += time.perf_counter() - began

    def _take_run(self) -> None:
        assert self._run is not None, "begin() has started one"
        began = time.perf_counter()
        outcome = self._run.wait()
        self.compute += time.perf_counter() - began
        self._run = None
        if isinstance(outcome, Counters):
            self.counters += (outcome,)
        self.cycles += (outcome.cycles if isinstance(outcome, Counters) else outcome,)

    def _take_results(self) -> None:
        count, words = self._running[1], self.workspace.programs[-1].program.out_words
        target = self.workspace.results[-1]
        target.invalidate(count * words)
        self._results.append(self.workspace.unpack(target.rows(count, words)))
