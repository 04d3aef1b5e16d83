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

# Number of pictures that are augmented, or shown to the teacher, at a time.
_PART = 4000
# The settings that determine a copy.
_AUGMENTATION = ("crop", "flip", "cutout", "distort", "seed")


class Pool:
    """Augmented copies of some pictures, and the answers of teachers to them; each is made when first needed.

    A copy is (N, H, W, C) uint8, an answer (N, classes) float32.
    """

    def __init__(self) -> None:
        self.copies: dict[int, Tensor] = {}
        self.answers: dict[tuple[str, int], Tensor] = {}

    def copy(self, number: int, batches: Batches, config: TrainConfig) -> Tensor:
        """The pictures of ``batches``, augmented; determined by seed, number and kind of device."""
        if number not in self.copies:
            generator = torch.Generator(batches.device).manual_seed(config.seed * 1_000_003 + number)
            self.copies[number] = _finished([augment(part, config, batches.fill, generator)
                                             for part in batches.images.split(_PART)])
        return self.copies[number]

    def answer(self, number: int, batches: Batches, config: TrainConfig, teacher: Chain, key: str) -> Tensor:
        """The teacher's logits for a copy."""
        if (key, number) not in self.answers:
            self.answers[key, number] = _finished([teacher_answers(teacher, batches.encode(part))
                                                   for part in self.copy(number, batches, config).split(_PART)])
        return self.answers[key, number]


def _finished(parts: list[Tensor]) -> Tensor:
    """The parts concatenated, with the computation finished, since a training on another stream may read it next."""
    whole = torch.cat(parts)
    if whole.is_cuda:
        torch.cuda.current_stream(whole.device).synchronize()
    return whole


# Trainings of one process with the same pictures and augmentation share a pool, as long as one of them exists.
_pools: WeakValueDictionary[tuple[Any, ...], Pool] = WeakValueDictionary()


class PooledBatches(Batches):
    """Batches from a pool: epoch e uses copy (e modulo the pool's size) in random order."""

    def __init__(self, split: Split, spec: InputSpec, config: TrainConfig, device: torch.device,
                 processes: Processes | None = None) -> None:
        super().__init__(split, spec, config.batch, device, processes)
        # Includes the encoding: networks may read the same pixels as different codes, and answers depend on these.
        key = (zlib.crc32(split.images.tobytes()), split.images.shape, spec.background, spec.bits, str(device),
               *(getattr(config, name) for name in _AUGMENTATION))
        self.pool = _pools.setdefault(key, Pool())
        self.teacher: tuple[Chain, str] | None = None

    def teach(self, teacher: Chain, key: str) -> None:
        """Add the answers of ``teacher`` to every batch; ``key`` is the checksum of its weights."""
        self.teacher = teacher, key

    def shuffled(self, config: TrainConfig, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        number = epoch % config.pool
        pictures = self.pool.copy(number, self, config)
        answers = self.pool.answer(number, self, config, *self.teacher) if self.teacher else None
        for chosen in self.drawn(config.seed * 1_000_003 + epoch):
            batch = self.encode(pictures[chosen]), self.labels[chosen]
            yield batch if answers is None else (*batch, answers[chosen])
