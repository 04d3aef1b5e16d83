"""The array type used in annotations; docstrings give shapes and element types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:  # boards with an old NumPy have no numpy.typing
    Array = np.ndarray
