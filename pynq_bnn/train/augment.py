"""Augmentation of a batch of uint8 pictures: independent draws for each picture, without a loop over pictures."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import TrainConfig

# At strength 1 (``config.distort``): maximum rotation in degrees, relative change of size, shear, shift in pixels; and
# the standard deviation, in pixels, by which the points of the elastic grid move.
ROTATION, SIZE, SHEAR, SHIFT, ELASTIC = 15.0, 0.15, 0.15, 2.0, 1.3
GRID = 6


def augment(pixels: Tensor, config: TrainConfig, fill: int, generator: torch.Generator) -> Tensor:
    """Distort, mirror, crop and cut out as set in ``config``.

    Parameters
    ----------
    pixels : (N, H, W, C) uint8
    fill : int
        Grey value where the picture does not reach: 128 (q = 0) for photographs, 0 for digits.
    generator : torch.Generator
        On the pictures' device; the source of all random numbers.
    """
    if config.distort:
        pixels = _distort(pixels, config.distort, fill, generator)
    if config.crop or config.flip:
        pixels = _crop_and_flip(pixels, config.crop, config.flip, fill, generator)
    if config.cutout:
        pixels = _cut_out(pixels, config.cutout, fill, generator)
    return pixels


def _integers(high: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(0, high, (count, 1), generator=generator, device=generator.device)


def _uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _crop_and_flip(pixels: Tensor, pad: int, flip: bool, fill: int, generator: torch.Generator) -> Tensor:
    n, h, w, c = pixels.shape
    ys = torch.arange(h, device=pixels.device).expand(n, h)
    xs = torch.arange(w, device=pixels.device).expand(n, w)
    if flip:
        xs = torch.where(_integers(2, n, generator).bool(), w - 1 - xs, xs)
    if pad:
        canvas = pixels.new_full((n, h + 2 * pad, w + 2 * pad, c), fill)
        canvas[:, pad:pad + h, pad:pad + w] = pixels
        pixels, ys = canvas, ys + _integers(2 * pad + 1, n, generator)
        xs = xs + _integers(2 * pad + 1, n, generator)
    rows = torch.arange(n, device=pixels.device)[:, None, None]
    return pixels[rows, ys[:, :, None], xs[:, None, :]]


def _cut_out(pixels: Tensor, side: int, fill: int, generator: torch.Generator) -> Tensor:
    """Set a square around a random centre to grey (DeVries & Taylor 2017); it may extend over the border."""
    n, h, w, _ = pixels.shape
    top, left = (_integers(s, n, generator) - side // 2 for s in (h, w))
    ys, xs = (torch.arange(s, device=pixels.device)[None] for s in (h, w))
    hole = (((ys >= top) & (ys < top + side))[:, :, None] & ((xs >= left) & (xs < left + side))[:, None, :])
    return pixels.masked_fill(hole[..., None], fill)


def _distort(pixels: Tensor, strength: float, fill: int, generator: torch.Generator) -> Tensor:
    """Apply a random affine map and an elastic field (Simard et al. 2003) with bilinear sampling.

    The field is drawn on a coarse grid and interpolated, which has the same effect as Simard's Gaussian smoothing.
    """
    n, h, w, _ = pixels.shape
    angle = _uniform(-1, 1, (n,), generator) * math.radians(ROTATION * strength)
    size = torch.exp(_uniform(-1, 1, (n, 2), generator) * SIZE * strength)
    shear = _uniform(-1, 1, (n,), generator) * SHEAR * strength
    shift = _uniform(-1, 1, (n, 2), generator) * SHIFT * strength * 2 / pixels.new_tensor([w, h], dtype=torch.float32)
    cos, sin = angle.cos(), angle.sin()
    rows = (torch.stack([cos, shear - sin, shift[:, 0] / size[:, 0]], 1) * size[:, :1],
            torch.stack([sin + shear, cos, shift[:, 1] / size[:, 1]], 1) * size[:, 1:])
    grid = F.affine_grid(torch.stack(rows, 1), [n, 1, h, w], align_corners=False)
    coarse = torch.randn((n, 2, GRID, GRID), generator=generator, device=generator.device)
    field = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    grid = grid + field * (ELASTIC * strength * 2) / pixels.new_tensor([w, h], dtype=torch.float32)
    moved = F.grid_sample(pixels.permute(0, 3, 1, 2).float() - fill, grid, align_corners=False)
    return (moved + fill).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
