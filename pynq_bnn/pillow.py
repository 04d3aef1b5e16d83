"""Filters and turns of Pillow: the boards' 9.0 has no enumerations of them, the types of later ones no bare names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from PIL.Image import Resampling, Transpose
else:
    Resampling, Transpose = getattr(Image, "Resampling", Image), getattr(Image, "Transpose", Image)

__all__ = ["Resampling", "Transpose"]
