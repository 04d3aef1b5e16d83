"""Batches of input codes, augmented picture by picture without a Python loop over pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..data.split import Split
from ..network.spec import InputSpec
from .config import TrainConfig


class Batches:
    """A split held on the device as uint8; yields (N, C, H, W) float32 codes q and int64 labels.

    Padding of the random crop and the cutout square are grey ``spec.background``: mid-grey (q = 0) for
    photographs, black for digits.
    """

    def __init__(self, split: Split, spec: InputSpec, batch: int, device: torch.device) -> None:
        self.images = torch.tensor(split.images, device=device)
        self.labels = torch.tensor(split.labels, device=device)
        self.codes = torch.from_numpy(spec.codes.astype(np.float32)).to(device)
        self.batch, self.device, self.fill = batch, device, spec.background

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch)

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The split from first to last, not augmented."""
        for start in range(0, len(self.images), self.batch):
            yield (self._encode(self.images[start:start + self.batch]), self.labels[start:start + self.batch])

    def shuffled(self, config: TrainConfig, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The split in random order, augmented; the order and every crop follow from seed and epoch alone."""
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self.images), generator=generator)
        for start in range(0, len(order), self.batch):
            chosen = order[start:start + self.batch]
            if len(chosen) < 2:
                return  # batch norm needs two pictures
            pixels = self._augment(self.images[chosen.to(self.device)], config, generator)
            yield self._encode(pixels), self.labels[chosen.to(self.device)]

    def _encode(self, pixels: Tensor) -> Tensor:
        # NHWC memory seen as NCHW is exactly channels_last.
        return self.codes[pixels.int()].permute(0, 3, 1, 2)

    def _augment(self, pixels: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
        n, h, w, _ = pixels.shape

        def draw(high: int) -> Tensor:
            return torch.randint(0, high, (n, 1), generator=generator).to(self.device)

        ys = torch.arange(h, device=self.device).expand(n, h)
        xs = torch.arange(w, device=self.device).expand(n, w)
        if config.flip:
            xs = torch.where(draw(2).bool(), w - 1 - xs, xs)
        if config.crop:
            pad = config.crop
            canvas = pixels.new_full((n, h + 2 * pad, w + 2 * pad, pixels.shape[3]), self.fill)
            canvas[:, pad:pad + h, pad:pad + w] = pixels
            pixels, ys, xs = canvas, ys + draw(2 * pad + 1), xs + draw(2 * pad + 1)
        if config.crop or config.flip:
            rows = torch.arange(n, device=self.device)[:, None, None]
            pixels = pixels[rows, ys[:, :, None], xs[:, None, :]]
        if config.cutout:
            pixels = self._cut_out(pixels, config.cutout, draw)
        return pixels

    def _cut_out(self, pixels: Tensor, side: int, draw) -> Tensor:
        """A square around a random centre set to grey (DeVries & Taylor 2017); it may reach over the border."""
        _, h, w, _ = pixels.shape
        top, left = draw(h) - side // 2, draw(w) - side // 2
        ys, xs = (torch.arange(s, device=self.device)[None] for s in (h, w))
        hole = (((ys >= top) & (ys < top + side))[:, :, None] & ((xs >= left) & (xs < left + side))[:, None, :])
        return pixels.masked_fill(hole[..., None], self.fill)
