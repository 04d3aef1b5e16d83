"""How a classifier prepares pictures for its network: by the network's rule, by another, or as BNN-PYNQ did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..arrays import Array
from ..errors import NetworkError
from ..network import InputSpec
from ..network.spec import FITS
from .bnn_pynq import bnn_pynq_box, bnn_pynq_digit, bnn_pynq_pixels
from .preprocess import Picture, blank, fitted, network_input, seen_box

# Preprocessing of BNN-PYNQ, for 32×32 colour networks and for 28×28 grey ones.
BNN_PYNQ_FITS = ("bnn-pynq", "bnn-pynq-64", "bnn-pynq-chars")
_COLOUR, _GREY = (32, 32, 3), (28, 28, 1)
_OLD = {
    ("bnn-pynq", _COLOUR): partial(bnn_pynq_pixels, via_64=False),
    ("bnn-pynq-64", _COLOUR): partial(bnn_pynq_pixels, via_64=True),
    ("bnn-pynq", _GREY): partial(bnn_pynq_digit, characters=False),
    ("bnn-pynq-chars", _GREY): partial(bnn_pynq_digit, characters=True),
}

# With fewer classes, one-character names may be labels of anything, such as 0 and 1 for X-rays.
_FEWEST_SIGNS = 10


def default_fit(channels: int, classes: Sequence[str]) -> str:
    """The fitting rule for a network to be trained: "digit" for grey pictures of handwriting, else "extend".

    Pictures count as handwriting if there are ten or more classes and each name is one letter or digit.
    """
    signs = len(classes) >= _FEWEST_SIGNS and all(len(name) == 1 and name.isalnum() for name in classes)
    return "digit" if channels == 1 and signs else "extend"


class Preparation:
    """From pictures to the pixels of a network's input.

    Parameters
    ----------
    spec : InputSpec
    fit : str, optional
        A rule instead of the network's: one of ``network.spec.FITS`` or ``BNN_PYNQ_FITS``.

    Raises
    ------
    NetworkError
        There is no such rule, or it does not make pictures of this size.
    """

    def __init__(self, spec: InputSpec, fit: str | None = None) -> None:
        self._old = None
        if isinstance(fit, str) and fit in BNN_PYNQ_FITS:
            self._old = _OLD.get((fit, spec.shape))
            if self._old is None:
                sizes = " or ".join(f"{h}×{w}×{c}" for name, (h, w, c) in _OLD if name == fit)
                raise NetworkError(f"{fit!r} makes pictures of {sizes}, the network takes {spec.shape}; leave it out"
                                   f" or choose one of {FITS}")
            fit = "stretch"
        self.spec = spec if fit is None else replace(spec, fit=fit)

    def one(self, picture: Picture) -> Array:
        """(H, W, C) uint8 of one picture."""
        return network_input(picture, self.spec) if self._old is None else self._old(picture)

    def many(self, pictures: Array) -> Array:
        """(N, H, W, C) uint8 of an array of pictures."""
        return fitted(pictures, self.spec, self.one)

    def box(self, picture: Picture) -> tuple[int, int, int, int]:
        """The part of ``picture`` that its pixels are made from: (left, top, right, bottom)."""
        if self._old is not None and self.spec.shape == _GREY:
            return bnn_pynq_box(picture, self._old.keywords["characters"])
        return seen_box(picture, self.spec)

    def blank(self, pixels: Array) -> Array:
        """(N,) bool: which of (N, H, W, C) prepared pictures show nothing."""
        # BNN-PYNQ padded pictures with white.
        return blank(pixels, self.spec if self._old is None else replace(self.spec, fit="letterbox", background=255))
