"""A network in the accelerator's memory: its programs, and buffers for batches."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from weakref import ref

import numpy as np

from ..arrays import Array
from ..errors import BackendError
from ..network import Network
from ..program.pack import pack_images, pack_program, unpack_scores
from ..program.predict import batch_cost
from ..program.registers import Counters
from ..program.schedule import DDR_LIMIT, Program, Schedule, schedule
from .accelerator import Accelerator
from .batch import Batch, LoadedProgram, Workspace
from .buffers import Buffer, Buffers
from .run import Run
from .turn import Turn

log = logging.getLogger(__name__)

_COSTS_KEPT = 256
_CLOSED = "this backend is closed; make a new one"
# Memory that an accelerator which could not be reset may still write to; kept until the process ends.
_abandoned: list[Buffers] = []


@dataclass(frozen=True)
class RunOptions:
    """How batches are run.

    Parameters
    ----------
    cacheable : bool
        Whether buffers go through the processor's cache.
    timeout : float, optional
        Seconds that a run may take; default: 8 × prediction + 1 s (:attr:`Clock.patience`).
    memory_limit : int
        Bytes for images, maps and results; larger batches are split into parts.
    slots, cuts : optional
        Parameters of :func:`~pynq_bnn.program.schedule.schedule`.
    counters : bool
        Read all counters of each run, not only its cycles: four more register accesses.
    """

    cacheable: bool = True
    timeout: float | None = None
    memory_limit: int = DDR_LIMIT
    slots: int | None = None
    cuts: tuple[int, ...] | None = None
    counters: bool = False


def _no_batch() -> None:
    """Stands for the reference to the last batch before there is one."""


def _copy_in(images: Array, words: Array) -> None:
    words[...] = images


class LoadedNetwork:
    """Runs a network on an accelerator.

    Batch sizes are rounded up to powers of two. The schedule, programs and buffers for a size are made when it is first
    used and kept while memory lasts.

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
        self._workspaces: dict[int, Workspace] = {}
        self._programs: list[LoadedProgram] = []
        self._largest: int | None = None
        self._last: Callable[[], Batch | None] = _no_batch  # weak reference to the last one started
        self._turn = Turn("another call to this network is active in this thread, which a signal handler or a "
                          "finalizer has interrupted; let it finish, then start the next batch")
        self._closed = False
        # Raises an error if the network does not fit.
        schedule(network, accelerator.config, 1, cuts=options.cuts, slots=options.slots)

    def close(self) -> None:
        """Free all memory once the current batch has ended, which keeps its results; may be called twice."""
        if self.accelerator.foreign:  # the memory belongs to the parent process too
            self._closed = True
            _abandoned.append(self.buffers)
        elif self._turn.mine:  # called by a signal handler within another call, which frees the memory at its end
            self._closed = True
        else:
            with self.turn():
                self._closed = True

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Lock the buffers for one call; other threads wait."""
        self.accelerator.require_own()  # before the lock, which a thread of the parent may have held at the fork
        with self._turn.take():
            try:
                yield
            finally:
                if self._closed:
                    self._settle(self._under_way())
                    self.free()

    @staticmethod
    def _settle(batch: Batch | None) -> None:
        """Finish a batch that was started earlier; its errors are stored in it for those who wait for it."""
        if batch is not None:
            with contextlib.suppress(BackendError):
                batch.finish()

    def free(self) -> None:
        """Free all memory; the next batch allocates what it needs again."""
        self._workspaces.clear()
        self._programs.clear()
        self.accelerator.settle(self)
        if not self.accelerator.may_write(self):
            self.buffers.close()
        elif self.buffers.bytes:
            log.warning("%.1f MB stay reserved: the accelerator does not become idle and may write there",
                        self.buffers.bytes / 2**20)
            _abandoned.append(self.buffers)
            self.buffers = Buffers(self.accelerator.device, self.options.cacheable)

    def start(self, pixels: Array) -> Batch:
        """Start a batch once the current one has ended; it is packed while that one is computed.

        Parameters
        ----------
        pixels : (N, H, W, C) uint8
            At least one image; the array may be changed after the call. A batch too large for the memory limit is split
            into parts; the call then returns when the last part is being computed.
        """
        with self.turn():
            batch = self._start(pixels, partial(self._workspace, len(pixels)), self._workspace_at_hand(len(pixels)))
            batch.pack_all()
            return batch

    def _start(self, images: Array, make: Callable[[], Workspace], workspace: Workspace | None = None) -> Batch:
        """Start a batch in ``workspace``, or else in one that ``make`` allocates once no other batch is active."""
        self._require_open()
        batch, before = Batch(self), self._under_way()
        try:
            if workspace is not None:  # pack while the accelerator computes
                shared = before is not None and before.workspace is workspace
                batch.prepare(workspace, images, before.free_side if before is not None and shared else 0)
            self._settle(before)
            if workspace is None or (before is not None and before.failed):  # a failed batch has freed all memory
                with batch.timed():
                    workspace = make()
                batch.prepare(workspace, images, 0)
        except BaseException:
            if self._under_way() is None:
                self.free()
            raise
        self._last = ref(batch)
        batch.begin()
        return batch

    def _under_way(self) -> Batch | None:
        batch = self._last()
        return None if batch is None or batch.done else batch

    def _require_open(self) -> None:
        if self._closed:
            raise BackendError(_CLOSED)

    def layers(self, pixels: Array) -> Iterator[tuple[Program, Array]]:
        """Run each layer as a program of its own; yields it with its output, (N, words) uint64."""
        self._require_open()
        cuts = tuple(range(len(self.network.layers) - 1))
        plan = schedule(self.network, self.accelerator.config, len(pixels), cuts=cuts, slots=self.options.slots)
        words = pack_images(self.network, pixels)
        cycles: tuple[int, ...] = ()
        counters: tuple[Counters, ...] = ()
        for program in plan.programs:
            if len(words):
                batch = self.start_program(program, words)
                words = batch.wait()
                cycles, counters = cycles + batch.cycles, counters + batch.counters
            else:
                words = np.zeros((0, program.out_words), np.uint64)
            self.note(cycles, counters)
            yield program, words

    def start_program(self, program: Program, images: Array) -> Batch:
        """Start one program on packed images or maps.

        Parameters
        ----------
        images : (N, words) uint64
            At least one.

        Returns
        -------
        Batch
            Its results are (N, words) uint64.
        """
        def workspace() -> Workspace:
            size = self.options.memory_limit // (8 * (2 * program.in_words + program.out_words))
            made = Workspace(max(1, min(size, len(images))), [self._load(program)], _copy_in, np.copy, kept=False)
            self._allocate(made)
            return made

        with self.turn():
            return self._start(images, workspace)

    def start_run(self, loaded: LoadedProgram, source: Buffer, target: Buffer, count: int) -> Run:
        """Start a run of a batch."""
        program, words = loaded.program, loaded.words
        return self.accelerator.start(
            (words.address, len(words.words)), (source.address, count), (target.address, count * program.out_words),
            self._cycles(loaded, count), self, timeout=self.options.timeout, counters=self.options.counters)

    def note(self, cycles: tuple[int, ...], counters: tuple[Counters, ...]) -> None:
        """Store what the last batch that was waited for took."""
        self.last_cycles, self.last_counters = cycles, counters

    def release(self, workspace: Workspace) -> None:
        """Free ``workspace`` if it was made for one batch only."""
        if not workspace.kept:
            self.buffers.free([*workspace.buffers, *(loaded.words for loaded in workspace.programs)])

    def _workspace_at_hand(self, count: int) -> Workspace | None:
        """A workspace for ``count`` images, if that needs no allocation.

        The workspace of the current batch also serves smaller batches; the last of a series is often smaller.
        """
        before = self._under_way()
        if before is not None and before.workspace.kept and count <= before.workspace.capacity:
            return before.workspace
        return self._workspaces.get(self._size(count))

    def _size(self, count: int) -> int:
        size = 1 << (count - 1).bit_length()
        return size if self._largest is None else min(size, self._largest)

    def _workspace(self, count: int) -> Workspace:
        """The workspace for ``count`` images, allocated if needed; smaller than ``count`` where memory is limited."""
        size = self._size(count)
        if size not in self._workspaces:
            self._workspaces[size] = self._make_workspace(size)
        return self._workspaces[size]

    def _make_workspace(self, size: int) -> Workspace:
        plan = schedule(self.network, self.accelerator.config, size, cuts=self.options.cuts, slots=self.options.slots)
        # Image memory counts twice: one part is packed while another is computed.
        image_bytes = plan.image_bytes + 8 * plan.programs[0].in_words
        capacity = min(size, self.options.memory_limit // image_bytes)
        if not capacity:
            raise BackendError(f"{self.network.name} needs {image_bytes:,} bytes of memory for an image, with a limit "
                               f"of {self.options.memory_limit:,}; raise memory_limit")
        if capacity < size:
            group = max(program.layout.slots for program in plan.programs) * plan.config.lanes
            capacity -= capacity % group if capacity > group else 0
            self._largest = size
        self._free_workspaces_except(capacity * image_bytes)
        try:
            return self._fill_workspace(plan, capacity)
        except BackendError:
            if not self._workspaces:
                raise
        self._free_workspaces()
        return self._fill_workspace(plan, capacity)

    def _fill_workspace(self, plan: Schedule, capacity: int) -> Workspace:
        workspace = Workspace(capacity, [self._resident(program) for program in plan.programs],
                    partial(pack_images, self.network), partial(unpack_scores, classes=plan.programs[-1].classes))
        self._allocate(workspace)
        return workspace

    def _allocate(self, workspace: Workspace) -> None:
        programs = [loaded.program for loaded in workspace.programs]
        try:
            workspace.images.append(self.buffers.allocate(workspace.capacity * programs[0].in_words))
            for program in programs:
                workspace.results.append(self.buffers.allocate(workspace.capacity * program.out_words))
        except BaseException:
            self.buffers.free(workspace.buffers)
            raise

    def _free_workspaces_except(self, size: int) -> None:
        """Free all workspaces if they and another ``size`` bytes exceed the limit."""
        held = sum(buffer.words.nbytes for workspace in self._workspaces.values() for buffer in workspace.buffers)
        if size + held > self.options.memory_limit:
            self._free_workspaces()

    def _free_workspaces(self) -> None:
        self.accelerator.settle(self)
        for workspace in self._workspaces.values():
            self.buffers.free(workspace.buffers)
        self._workspaces.clear()

    def _resident(self, program: Program) -> LoadedProgram:
        """``program`` in memory; batch sizes with the same program share it."""
        for loaded in self._programs:
            if loaded.program == program:
                return loaded
        self._programs.append(self._load(program))
        return self._programs[-1]

    def _load(self, program: Program) -> LoadedProgram:
        packed = pack_program(self.network, program, self.accelerator.config)
        buffer = self.buffers.allocate(len(packed))
        buffer.words[...] = packed
        buffer.flush(len(packed))
        return LoadedProgram(program, buffer)

    def _cycles(self, loaded: LoadedProgram, count: int) -> float:
        """Predicted cycles of a run."""
        if count not in loaded.costs:
            if len(loaded.costs) >= _COSTS_KEPT:
                loaded.costs.clear()
            program = loaded.program
            loaded.costs[count] = batch_cost(program.stages, program.layout, self.accelerator.config, count,
                                             (program.in_words, program.out_words)).cycles
        return loaded.costs[count]
