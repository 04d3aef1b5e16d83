"""Live answers inside a notebook."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ..classify.drawing import frame_picture
from ..classify.live import LiveResult
from ..errors import OutputError
from .history import History

_NO_FRAME = np.zeros((0, 0, 3), np.uint8)


def show_live(results: Generator[LiveResult, None, None], width: int = 480, pause: float = 0.1) -> History:
    """Show live answers below the cell, each replacing the last, until they end or the kernel is interrupted.

    Parameters
    ----------
    results : generator
        ``classifier.stream(source)``; it is closed at the end, so that the camera is free again.
    width : int
        Width of the picture in pixels.
    pause : float
        Minimum seconds between two pictures; every frame is classified, but not every one is shown.

    Returns
    -------
    History

    Raises
    ------
    OutputError
        IPython is missing, so this is not a notebook.
    CameraError
        The camera is gone.
    """
    try:
        from IPython.display import Image as Shown
        from IPython.display import display
    except ImportError:
        raise OutputError("show_live is for notebooks, and IPython is missing; on a terminal: pynq-bnn camera"
                          ) from None
    view, due = None, 0.0
    seen: list[LiveResult] = []
    last: LiveResult | None = None
    with closing(results):
        try:
            for last in results:
                seen.append(replace(last, frame=_NO_FRAME))
                if time.monotonic() >= due:
                    view = _update(view, Shown(_jpeg(frame_picture(last, width)), format="jpeg"), display)
                    due, last = time.monotonic() + pause, None
        except KeyboardInterrupt:
            pass  # interrupting the kernel is the normal way to stop a camera
    if last is not None:
        _update(view, Shown(_jpeg(frame_picture(last, width)), format="jpeg"), display)
    return History.of(seen)


def _update(view: Any, shown: object, display: Callable[..., Any]) -> Any:
    if view is None:
        return display(shown, display_id=True)
    view.update(shown)
    return view


def _jpeg(picture: Image.Image) -> bytes:
    memory = io.BytesIO()
    picture.save(memory, "JPEG", quality=85)
    return memory.getvalue()
