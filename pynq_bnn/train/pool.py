"""A pool of augmented copies of the training pictures, each made once, with the teacher's answers to it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from ..data.split import Split
from ..model.chain import Chain
from ..network.spec import InputSpec
from .augment import augment
from .batches import Batches
from .config import TrainConfig
from .processes import Processes
from .step import teacher_answers

# Pictures that are augmented, or answered to, at a time.
_PART = 4000
# What decides how a copy looks.
_AUGMENTATION = ("crop", "flip", "cutout", "distort", "seed")


class Pool:
    """Augmented copies of some pictures, and what teachers answer to them; each is made when it is first asked for.

    A copy is (N, H, W, C) uint8, an answer (N, classes) float32.
    """

    def __init__(self) -> None:
        self.copies: dict[int, Tensor] = {}
        self.answers: dict[tuple[str, int], Tensor] = {}

    def copy(self, number: int, batches: Batches, config: TrainConfig) -> Tensor:
        """The pictures of ``batches``, augmented; all of it follows from seed, number and kind of device alone."""
        if number not in self.copies:
            generator = torch.Generator(batches.device).manual_seed(config.seed * 1_000_003 + number)
            self.copies[number] = _finished([augment(part, config, batches.fill, generator)
                                             for part in batches.images.split(_PART)])
        return self.copies[number]

    def answer(self, number: int, batches: Batches, config: TrainConfig, teacher: Chain, key: str) -> Tensor:
        """The teacher's logits to a copy."""
        if (key, number) not in self.answers:
            self.answers[key, number] = _finished([teacher_answers(teacher, batches.encode(part))
                                                   for part in self.copy(number, batches, config).split(_PART)])
        return self.answers[key, number]


def _finished(parts: list[Tensor]) -> Tensor:
    """The parts as one, computed to the end: a training on another stream may be the next to read it."""
    whole = torch.cat(parts)
    if whole.is_cuda:
        torch.cuda.current_stream(whole.device).synchronize()
    return whole


# Trainings of one process with the same pictures and augmentation share a pool while one of them lasts.
_pools: WeakValueDictionary[tuple[Any, ...], Pool] = WeakValueDictionary()


class PooledBatches(Batches):
    """Batches out of a pool: epoch e takes the pictures of copy e modulo the pool's size, in random order."""

    def __init__(self, split: Split, spec: InputSpec, config: TrainConfig, device: torch.device,
                 processes: Processes | None = None) -> None:
        super().__init__(split, spec, config.batch, device, processes)
        # Two kinds of networks may read the same pixels as other codes, which answers depend on.
        key = (zlib.crc32(split.images.tobytes()), split.images.shape, spec.background, spec.bits, str(device),
               *(getattr(config, name) for name in _AUGMENTATION))
        self.pool = _pools.setdefault(key, Pool())
        self.teacher: tuple[Chain, str] | None = None

    def teach(self, teacher: Chain, key: str) -> None:
        """Let every batch bring the answers of ``teacher``; ``key`` is the checksum of its weights."""
        self.teacher = teacher, key

    def shuffled(self, config: TrainConfig, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        number = epoch % config.pool
        pictures = self.pool.copy(number, self, config)
        answers = self.pool.answer(number, self, config, *self.teacher) if self.teacher else None
        for chosen in self.drawn(config.seed * 1_000_003 + epoch):
            batch = self.encode(pictures[chosen]), self.labels[chosen]
            yield batch if answers is None else (*batch, answers[chosen])
