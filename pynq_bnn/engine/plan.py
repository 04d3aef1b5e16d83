"""Layers ready to run: the work is shared among threads by blocks of images."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from .layers import Shape
from .native import LayerStruct, Library

# Maps of the images that go through the layers together take about this much: a core's second cache.
_ARENA_BYTES = 1 << 20
_MOST_IMAGES = 256
# Words compared with weights that are worth another thread: a fraction of a millisecond.
_THREAD_WORDS = 1 << 21


@dataclass(eq=False)
class Plan:
    """Layers ready to run; any number of threads may run it at once.

    Parameters
    ----------
    library, number
        The library and its number of the instruction set.
    structs : array of LayerStruct
    keep : list
        What the structs point to.
    shapes : list of (height, width, channels)
        Of each layer's map; the last is (1, 1, classes).
    places : list of int
        Where in the arena each layer's map lies, in words an image.
    arena_words : int
        Words that the maps of one image take.
    offset : int
        1 where a step that packs pixels comes before the first layer.
    work_words : int
        Words that a call needs in addition to the maps.
    words_compared : int
        Of one image with weights; bytes of pixels count as words.
    """

    library: Library
    number: int
    structs: ctypes.Array[LayerStruct]
    keep: list[object]
    shapes: list[Shape]
    places: list[int]
    arena_words: int
    offset: int
    work_words: int = field(init=False)
    words_compared: int = field(init=False)

    def __post_init__(self) -> None:
        self.work_words = self.library.work_words(self.structs)
        self.words_compared = sum(layer.out_height * layer.out_width * layer.pool**2 * layer.channels * layer.row_words
                                  for layer in self.structs)

    def scores(self, pixels: Array, threads: int = 1) -> Array:
        """(N, K) int32 of (N, H, W, C) uint8; the same for any number of threads, of which small batches get fewer.

        Memory does not grow with N, except for the scores.
        """
        threads = max(1, min(threads, len(pixels) * self.words_compared // _THREAD_WORDS))
        scores = np.empty((len(pixels), self.shapes[-1][2]), np.int32)
        most = max(1, min(_MOST_IMAGES, _ARENA_BYTES // (8 * max(1, self.arena_words)), -(-len(pixels) // threads)))
        starts = range(0, len(pixels), most)

        def work(numbers: Iterator[int]) -> None:
            arena, room = self._memory(min(most, len(pixels)))
            for number in numbers:
                part = slice(starts[number], starts[number] + most)
                self.library.run(self.number, self.structs, 0, len(self.structs), np.ascontiguousarray(pixels[part]),
                                 arena, room, scores[part])

        _share(work, len(starts), threads)
        return scores

    def states(self, pixels: Array) -> Iterator[Array]:
        """The map after each layer, (N, H, W, ceil(C/8)) uint8, or the (N, K) int32 scores."""
        pixels = np.ascontiguousarray(pixels)
        arena, room = self._memory(len(pixels))
        scores = np.empty((len(pixels), self.shapes[-1][2]), np.int32)
        done = 0
        for layer, shape in enumerate(self.shapes):
            until = layer + 1 + self.offset
            self.library.run(self.number, self.structs, done, until - done, pixels, arena, room, scores)
            done = until
            yield scores if layer == len(self.shapes) - 1 else self._map(arena, layer, shape, len(pixels))

    def _map(self, arena: Array, layer: int, shape: Shape, images: int) -> Array:
        size = words(shape)
        start = self.places[layer] * images
        bits = arena[start:start + size * images].view(np.uint8).reshape(images, 8 * size)
        if shape[2] % 8 == 0:
            return bits[:, :int(np.prod(shape)) // 8].reshape(images, *shape[:2], shape[2] // 8).copy()
        flat = np.unpackbits(bits, axis=1, count=int(np.prod(shape)), bitorder="little")
        return np.packbits(flat.reshape(images, *shape), axis=-1, bitorder="little")

    def _memory(self, images: int) -> tuple[Array, Array]:
        return np.empty(max(1, self.arena_words * images), np.uint64), np.empty(self.work_words, np.uint64)


def _share(work: Callable[[Iterator[int]], None], count: int, threads: int) -> None:
    """``work(numbers)`` in several threads that take 0 … count − 1 among them; the first error is raised."""
    threads = min(threads, count)
    if threads <= 1:
        work(iter(range(count)))
        return
    numbers, errors = itertools.count(), list[BaseException]()

    def take() -> Iterator[int]:
        while not errors and (number := next(numbers)) < count:
            yield number

    def guarded() -> None:
        try:
            work(take())
        except BaseException as error:  # an interrupt too: the others stop at their next number
            errors.append(error)

    helpers: list[threading.Thread] = []
    with contextlib.suppress(RuntimeError):  # the system gives no more threads: those that there are do it all
        while len(helpers) < threads - 1:
            helper = threading.Thread(target=guarded, daemon=True)
            helper.start()
            helpers.append(helper)
    guarded()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def words(shape: Shape) -> int:
    """uint64 words of the map of one image."""
    return -(-shape[0] * shape[1] * shape[2] // 64)
