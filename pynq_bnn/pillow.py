"""Pillow's resampling filters and transpositions, under the same names for old and new versions.

The boards' Pillow 9.0 lacks these enumerations; the type stubs of later versions lack the bare names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from PIL.Image import Resampling, Transpose
else:
    Resampling, Transpose = getattr(Image, "Resampling", Image), getattr(Image, "Transpose", Image)

__all__ = ["Resampling", "Transpose"]
