"""A network in the accelerator's memory: its programs, and buffers for batches."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numpy as np

from ..errors import BackendError
from ..network import Network
from ..program.batch import Counters
from ..program.pack import pack_images, pack_program, unpack_scores
from ..program.predict import batch_cost
from ..program.schedule import DDR_LIMIT, Program, Schedule, schedule
from .accelerator import Accelerator
from .buffers import Buffer, Buffers

log = logging.getLogger(__name__)

_COSTS_KEPT = 256
# Memory that an accelerator beyond control may still write to; kept until the process ends.
_abandoned: list[Buffers] = []


@dataclass(frozen=True)
class RunOptions:
    """How batches are run.

    Parameters
    ----------
    cacheable : bool
        Whether buffers go through the processor's cache.
    timeout : float, optional
        Seconds that a run may take; eight times what is predicted, and a second, where none is given.
    memory_limit : int
        Bytes for images, maps and results; larger batches go in chunks.
    slots, cuts : optional
        Of :func:`~pynq_bnn.program.schedule.schedule`.
    counters : bool
        Read all counters of each run, not its cycles alone: four more register accesses.
    """

    cacheable: bool = True
    timeout: float | None = None
    memory_limit: int = DDR_LIMIT
    slots: int | None = None
    cuts: tuple[int, ...] | None = None
    counters: bool = False


@dataclass
class _Loaded:
    """A program in memory, with its predicted cycles by number of images."""

    program: Program
    words: Buffer
    costs: dict[int, float] = field(default_factory=dict)


@dataclass
class _Batch:
    """Programs and buffers for batches of up to ``capacity`` images.

    ``images`` has a second buffer when there was a second chunk: one is packed while the other is computed.
    """

    capacity: int
    programs: list[_Loaded]
    images: list[Buffer] = field(default_factory=list)
    results: list[Buffer] = field(default_factory=list)

    @property
    def buffers(self) -> list[Buffer]:
        return [*self.images, *self.results]


class ResidentNetwork:
    """Runs a network on an accelerator.

    Batches fall into classes by powers of two. A class's schedule, programs and buffers are made when it is first used
    and kept while memory lasts.

    Raises
    ------
    BackendError
        The network does not fit the accelerator, or its memory.
    """

    def __init__(self, accelerator: Accelerator, network: Network, options: RunOptions) -> None:
        self.accelerator, self.network, self.options = accelerator, network, options
        self.buffers = Buffers(accelerator.device, options.cacheable)
        self.last_cycles: tuple[int, ...] = ()
        self.last_counters: tuple[Counters, ...] = ()
        self.seconds = 0.0
        self._batches: dict[int, _Batch] = {}
        self._programs: list[_Loaded] = []
        self._largest: int | None = None
        self._lock, self._closed = threading.Lock(), False
        self._thread = 0  # that holds the lock, while it is locked
        # Refuses a network that does not fit.
        schedule(network, accelerator.config, 1, cuts=options.cuts, slots=options.slots)

    def close(self) -> None:
        """Free all memory, after the call that is under way in another thread; may be called twice."""
        if self.accelerator.foreign:  # so is its memory
            self._closed = True
            _abandoned.append(self.buffers)
            return
        with self._turn(closing=True):
            self._closed = True
            self._free()

    def _free(self) -> None:
        """Free all memory; what is needed is made again with the next batch."""
        self._batches.clear()
        self._programs.clear()
        if not self.accelerator.may_write(self):
            self.buffers.close()
        elif self.buffers.bytes:
            log.warning("%.1f MB stay reserved: the accelerator does not come to rest and may write there",
                        self.buffers.bytes / 2**20)
            _abandoned.append(self.buffers)
            self.buffers = Buffers(self.accelerator.device, self.options.cacheable)

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """(N, K) int32 of (N, H, W, C) uint8."""
        return np.concatenate(list(self.stream([pixels], len(pixels))))

    def stream(self, pieces: Iterable[np.ndarray], expected: int | None = None) -> Iterator[np.ndarray]:
        """Scores of pieces of a batch, in order; a piece is taken and packed while the one before it is computed.

        Parameters
        ----------
        pieces : iterable of (n, H, W, C) uint8
            Pieces too large for the memory limit are divided.
        expected : int, optional
            Images of the largest piece; those of the first where none are given.
        """
        with self._turn():
            yield from self._stream((piece for piece in pieces if len(piece)), expected)

    def _stream(self, pieces: Iterator[np.ndarray], expected: int | None) -> Iterator[np.ndarray]:
        self._begin()
        first = next(pieces, None)
        if first is None:
            return
        number, ready = 0, [0]
        with self._freeing():
            batch = self._batch(max(expected or 0, len(first)))
        parts = (piece[start:start + batch.capacity] for piece in chain([first], pieces)
                 for start in range(0, len(piece), batch.capacity))

        def fill_next(side: int) -> None:
            part = next(parts, None)
            ready[0] = 0 if part is None else self._fill(batch, side, part)

        with self._freeing():
            fill_next(0)
        while ready[0]:
            side, number = number % 2, number + 1
            with self._freeing():
                scores = self._compute(batch, side, ready[0], partial(fill_next, 1 - side))
            yield scores
            self._require_open()

    def _begin(self) -> None:
        self._require_open()
        self.last_cycles, self.last_counters, self.seconds = (), (), 0.0

    def _require_open(self) -> None:
        if self._closed:
            raise BackendError("this backend is closed; make a new one")

    def layers(self, pixels: np.ndarray) -> Iterator[tuple[Program, np.ndarray]]:
        """Each layer as a program of its own, with what it writes: (N, words) uint64."""
        self._begin()
        cuts = tuple(range(len(self.network.layers) - 1))
        plan = schedule(self.network, self.accelerator.config, len(pixels), cuts=cuts, slots=self.options.slots)
        words = pack_images(self.network, pixels)
        for program in plan.programs:
            words = self.run_program(program, words)
            yield program, words

    def run_program(self, program: Program, images: np.ndarray,
                    meanwhile: Callable[[], None] | None = None) -> np.ndarray:
        """Run one program on packed images or maps.

        Parameters
        ----------
        images : (N, words) uint64
        meanwhile : callable, optional
            Called while the accelerator runs.

        Returns
        -------
        (N, words) uint64
        """
        with self._turn():
            self._require_open()
            return self._run_program(program, images, meanwhile)

    def _run_program(self, program: Program, images: np.ndarray, meanwhile: Callable[[], None] | None) -> np.ndarray:
        results = np.zeros((len(images), program.out_words), np.uint64)
        room = self.options.memory_limit // (8 * (program.in_words + program.out_words))
        step = max(1, min(room, len(images)))
        held = []
        try:
            loaded = self._load(program)
            held.append(loaded.words)
            for words in (program.in_words, program.out_words):
                held.append(self.buffers.allocate(step * words))
            for start in range(0, len(images), step):
                part = images[start:start + step]
                results[start:start + step] = self._run_words(loaded, held[1], held[2], part, meanwhile)
        finally:
            if not self.accelerator.may_write(self):
                self.buffers.free(held)
        return results

    def _run_words(self, loaded: _Loaded, source: Buffer, target: Buffer, images: np.ndarray,
                   meanwhile: Callable[[], None] | None) -> np.ndarray:
        out_words = loaded.program.out_words
        source.rows(*images.shape)[...] = images
        source.flush(images.size)
        self._run(loaded, source, target, len(images), meanwhile)
        target.invalidate(len(images) * out_words)
        return target.rows(len(images), out_words)

    @contextlib.contextmanager
    def _freeing(self) -> Iterator[None]:
        """Whatever goes wrong, no memory stays behind."""
        try:
            yield
        except BaseException:
            self._free()
            raise

    @contextlib.contextmanager
    def _turn(self, closing: bool = False) -> Iterator[None]:
        """One call at a time uses the buffers; other threads wait."""
        self.accelerator.require_own()  # a thread of the parent may have held the lock
        me = threading.get_ident()
        if self._lock.locked() and self._thread == me:
            if not closing:
                raise BackendError("a stream of this network is not at its end; take all of it, or close it, first")
            yield
            return
        with self._lock:
            self._thread = me
            yield

    def _batch(self, count: int) -> _Batch:
        """The class for ``count`` images, made now or found; larger batches than memory holds come in chunks."""
        size = 1 << (count - 1).bit_length()
        if self._largest is not None:
            size = min(size, self._largest)
        if size not in self._batches:
            self._batches[size] = self._make_batch(size)
        return self._batches[size]

    def _make_batch(self, size: int) -> _Batch:
        plan = schedule(self.network, self.accelerator.config, size, cuts=self.options.cuts, slots=self.options.slots)
        # Twice the images, for two chunks.
        image_bytes = plan.image_bytes + 8 * plan.programs[0].in_words
        capacity = min(size, self.options.memory_limit // image_bytes)
        if not capacity:
            raise BackendError(f"{self.network.name} needs {image_bytes:,} bytes of memory for an image, with a limit "
                               f"of {self.options.memory_limit:,}; raise memory_limit")
        if capacity < size:
            group = max(program.layout.slots for program in plan.programs) * plan.config.lanes
            capacity -= capacity % group if capacity > group else 0
            self._largest = size
        self._make_room(capacity * image_bytes)
        try:
            return self._allocate(plan, capacity)
        except BackendError:
            if not self._batches:
                raise
        self._free_batches()
        return self._allocate(plan, capacity)

    def _allocate(self, plan: Schedule, capacity: int) -> _Batch:
        batch = _Batch(capacity, [self._resident(program) for program in plan.programs])
        try:
            batch.images.append(self.buffers.allocate(capacity * plan.programs[0].in_words))
            for program in plan.programs:
                batch.results.append(self.buffers.allocate(capacity * program.out_words))
        except BaseException:
            self.buffers.free(batch.buffers)
            raise
        return batch

    def _make_room(self, size: int) -> None:
        """Free the buffers of other classes where they and ``size`` exceed the limit."""
        held = sum(buffer.words.nbytes for batch in self._batches.values() for buffer in batch.buffers)
        if size + held > self.options.memory_limit:
            self._free_batches()

    def _free_batches(self) -> None:
        for batch in self._batches.values():
            self.buffers.free(batch.buffers)
        self._batches.clear()

    def _resident(self, program: Program) -> _Loaded:
        """``program`` in memory; classes of batches share those that are equal."""
        for loaded in self._programs:
            if loaded.program == program:
                return loaded
        self._programs.append(self._load(program))
        return self._programs[-1]

    def _load(self, program: Program) -> _Loaded:
        packed = pack_program(self.network, program, self.accelerator.config)
        buffer = self.buffers.allocate(len(packed))
        buffer.words[...] = packed
        buffer.flush(len(packed))
        return _Loaded(program, buffer)

    def _fill(self, batch: _Batch, side: int, pixels: np.ndarray) -> int:
        """Pack images into one of the two buffers; their number."""
        words = batch.programs[0].program.in_words
        while len(batch.images) <= side:
            batch.images.append(self.buffers.allocate(batch.capacity * words))
        buffer = batch.images[side]
        pack_images(self.network, pixels, buffer.rows(len(pixels), words))
        buffer.flush(len(pixels) * words)
        return len(pixels)

    def _compute(self, batch: _Batch, side: int, count: int, meanwhile: Callable[[], None]) -> np.ndarray:
        """Scores of what lies in image buffer ``side``; ``meanwhile`` is called while the first program runs."""
        source, then = batch.images[side], meanwhile
        for loaded, target in zip(batch.programs, batch.results):
            self._run(loaded, source, target, count, then)
            source, then = target, None
        last = batch.programs[-1].program
        target.invalidate(count * last.out_words)
        return unpack_scores(target.rows(count, last.out_words), last.classes)

    def _run(self, loaded: _Loaded, source: Buffer, target: Buffer, count: int,
             meanwhile: Callable[[], None] | None) -> None:
        program, words, spent = loaded.program, loaded.words, [0.0]

        def work() -> None:
            began = time.perf_counter()
            meanwhile()
            spent[0] = time.perf_counter() - began

        began = time.perf_counter()
        result = self.accelerator.run(
            (words.address, len(words.words)), (source.address, count), (target.address, count * program.out_words),
            self._cycles(loaded, count), self, timeout=self.options.timeout, meanwhile=work if meanwhile else None,
            counters=self.options.counters)
        self.seconds += time.perf_counter() - began - spent[0]
        if isinstance(result, Counters):
            self.last_counters += (result,)
        self.last_cycles += (result.cycles if isinstance(result, Counters) else result,)

    def _cycles(self, loaded: _Loaded, count: int) -> float:
        """Predicted cycles of a run."""
        if count not in loaded.costs:
            if len(loaded.costs) >= _COSTS_KEPT:
                loaded.costs.clear()
            program = loaded.program
            loaded.costs[count] = batch_cost(program.stages, program.layout, self.accelerator.config, count,
                                             (program.in_words, program.out_words)).cycles
        return loaded.costs[count]
