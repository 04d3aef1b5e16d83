"""Layers as the engine takes them: a graph of sums, without a word on files or networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from ..arrays import Array

PICTURE = -1


@dataclass(frozen=True, eq=False)
class Source:
    """One term of a sum: a convolution of one map.

    Parameters
    ----------
    map : int
        The layer that made the map; :data:`PICTURE` for a picture of one-bit pixels.
    weights : (out, ky, kx, channels) uint8
        0 for −1, 1 for +1. A fully connected layer has the map's height and width as kernel.
    stride, padding : int
    fill : int or None
        The bit of padded taps; None: they add nothing.
    """

    map: int
    weights: Array
    stride: int = 1
    padding: int = 0
    fill: int | None = None


@dataclass(frozen=True, eq=False)
class BitLayer:
    """``bit = invert XOR OR over the pool window of (acc ≥ T[x])``, ``acc`` the sum over all ``sources``.

    Parameters
    ----------
    sources : sequence of Source
        All with the same positions.
    thresholds : (out,) or (2, out) int32, or None
        With two rows ``x``, the bit of the map ``shortcut`` at the same place, chooses; ``pool`` is 1 then. None: the
        sums are the scores.
    invert : (out,) bool or None
    pool : int
    shortcut : int or None
        A layer whose map has this layer's shape.
    """

    sources: Sequence[Source]
    thresholds: Array | None = None
    invert: Array | None = None
    pool: int = 1
    shortcut: int | None = None


@dataclass(frozen=True, eq=False)
class PixelLayer:
    """The same on codes of pixels, one convolution whose padded taps have the code 0.

    Parameters
    ----------
    weights : (out, ky, kx, channels) uint8
    codes : (256,) int16
        The code of each pixel value, all within −128…127 or all within 0…255.
    thresholds, invert, pool
        See :class:`BitLayer`.
    """

    weights: Array
    codes: Array
    thresholds: Array | None = None
    invert: Array | None = None
    stride: int = 1
    padding: int = 0
    pool: int = 1


AnyLayer = Union[BitLayer, PixelLayer]
Shape = tuple[int, int, int]


def output_shape(layer: AnyLayer, shapes: dict[int, Shape]) -> Shape:
    """(height, width, channels) of what leaves ``layer``; ``shapes`` are those of the maps before it."""
    first = layer if isinstance(layer, PixelLayer) else layer.sources[0]
    shape = shapes[PICTURE if isinstance(first, PixelLayer) else first.map]
    height, width = (((size + 2 * first.padding - kernel) // first.stride + 1) // layer.pool
                     for size, kernel in zip(shape[:2], first.weights.shape[1:3]))
    return height, width, len(first.weights)
