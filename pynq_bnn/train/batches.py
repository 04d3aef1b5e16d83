"""Batches of input codes, computed on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..data.split import Split
from ..network.spec import InputSpec
from .augment import augment
from .config import TrainConfig
from .processes import Processes


class Batches:
    """A split held on the device as uint8; yields (N, C, H, W) float32 codes q and int64 labels.

    Augmentation fills the borders with ``spec.background``: mid-grey (q = 0) for photographs, black for digits.
    With several processes, each gets its own part of every batch.
    """

    def __init__(self, split: Split, spec: InputSpec, batch: int, device: torch.device,
                 processes: Processes | None = None) -> None:
        self.images = torch.tensor(split.images, device=device)
        self.labels = torch.tensor(split.labels, device=device)
        self.codes = torch.from_numpy(spec.codes.astype(np.float32)).to(device)
        self.batch, self.device, self.fill = batch, device, spec.background
        self.processes = processes or Processes()

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch)

    def in_order(self, most: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The split in order (or its first ``most`` pictures), without augmentation; complete in every process."""
        images, labels = self.images[:most], self.labels[:most]
        for start in range(0, len(images), self.batch):
            yield self.encode(images[start:start + self.batch]), labels[start:start + self.batch]

    def shuffled(self, config: TrainConfig, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """The split in random order, augmented; determined by seed, epoch and kind of device."""
        seed = config.seed * 1_000_003 + epoch
        generator = torch.Generator(self.device).manual_seed(seed + (self.processes.rank << 40))
        for chosen in self.drawn(seed):
            pixels = augment(self.images[chosen], config, self.fill, generator)
            yield self.encode(pixels), self.labels[chosen]

    def drawn(self, seed: int) -> Iterator[Tensor]:
        """The picture indices of each batch, in the random order given by ``seed``; only this process's part."""
        rank, count = self.processes.rank, self.processes.count
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(seed)).to(self.device)
        for start in range(0, len(order), self.batch):
            chosen = order[start:start + self.batch]
            if len(chosen) < 2 * count:
                return  # batch norm needs two pictures
            yield chosen[rank::count]

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, H, W, C) uint8 pixels to (N, C, H, W) codes."""
        # NHWC memory viewed as NCHW is exactly channels_last.
        return self.codes[pixels.int()].permute(0, 3, 1, 2)
