"""The kinds of layers, folded and as rows of a table before training; independent of torch and hardware.

A bit is 1 for +1 and 0 for −1. With ``acc`` the signed dot product of a window, a hidden layer is

    bit = invert ⊕ OR over the pool window of (acc ≥ threshold)

per output channel; a score layer has no thresholds and its ``acc`` are the scores. A layer may add terms, sums over
other maps, to ``acc``; with a shortcut, the bit of another map at the same position and channel selects one of two
thresholds.

Each kind is declared only here: its attributes (keys of the file and of tables), what it can read, its shapes, and the
layer that a row becomes. The engines, the accelerator and the model register what they do for each kind, see
:mod:`.handlers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, ClassVar, Union

import numpy as np

from ..arrays import Array
from .attributes import OneOf, Range, attribute, check_attributes
from .checks import need
from .geometry import (
    MAX_CHANNELS,
    MAX_KERNEL,
    Dense,
    Map,
    Shape,
    Windows,
    kernel,
    pad_value,
    padding,
    pool,
    stride,
)
from .graph import ACC_LIMIT, Node


def source() -> Any:
    """The field of every layer for the layer whose map it reads; −1 is the picture, None the previous layer."""
    return field(default=None, kw_only=True)


def terms() -> Any:
    """The field of a layer for the terms that are added to its sums."""
    return field(default=(), kw_only=True)


def shortcut() -> Any:
    """The field of a layer for the index of the map whose bit selects one of two thresholds, or None."""
    return field(default=None, kw_only=True)


class _Weights:
    """Base of all kinds: weight bits, one row per output."""

    kind: ClassVar[str]
    weights: Array

    @property
    def outputs(self) -> int:
        """Output channels, units or scores."""
        return int(self.weights.shape[0])

    @property
    def fan_in(self) -> int:
        """Inputs per sum."""
        return prod(self.weights.shape[1:])


class _ConvWeights(Windows, _Weights):
    """Weights (out, ky, kx, cin)."""

    def __post_init__(self) -> None:
        _check_weights(self, 4)
        need(self.weights.shape[2] == self.kernel and self.kernel <= MAX_KERNEL,
             f"kernel {self.weights.shape[1:3]}; squares of side 1 to {MAX_KERNEL} fit")
        self.check_windows()

    @property
    def kernel(self) -> int:  # type: ignore[override]
        return int(self.weights.shape[1])

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError unless the channels fit."""
        channels = source.shape[2]
        need(channels == self.weights.shape[3], f"{channels} channels come in, the weights take"
                                                f" {self.weights.shape[3]}")


class _FcWeights(Dense, _Weights):
    """Weights (out, fan-in)."""

    def __post_init__(self) -> None:
        _check_weights(self, 2)

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError unless the map has as many values as the fan-in; they may be bits or 8-bit codes."""
        need(source.values == self.fan_in,
             f"a map of {source.shape} comes in, the weights take {self.fan_in} inputs")


# --- terms, which are added to the sums of a layer -------------------------------------------------------

@dataclass(frozen=True, eq=False)
class ConvTerm(_ConvWeights):
    """A convolution of another map of bits; padded taps count as +1, so that each sum has the same number of inputs.

    weights : (out, ky, kx, cin) uint8 of 0 and 1.
    """

    weights: Array
    source: int
    stride: int = stride()
    padding: int = padding()
    pad_value: str = pad_value("one")
    pool = 1


@dataclass(frozen=True, eq=False)
class FcTerm(_FcWeights):
    """A product with another map of bits.

    weights : (out, fan-in) uint8 of 0 and 1.
    """

    weights: Array
    source: int


Term = Union[ConvTerm, FcTerm]
TERM_KINDS: tuple[type[Term], ...] = (ConvTerm, FcTerm)


# --- folded layers ---------------------------------------------------------------------------------------

class _Thresholds:
    """Base of hidden layers: for each output a threshold (two with a shortcut) and an invert bit."""

    thresholds: Array
    invert: Array
    terms: tuple[Any, ...]
    shortcut: int | None
    term_kind: ClassVar[type[Term]]

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[misc]
        _check_terms(self)
        _check_thresholds(self)


@dataclass(frozen=True, eq=False)
class FpConv(_Thresholds, _ConvWeights):
    """Convolution of the picture's 8-bit codes q; padded taps have q = 0.

    weights : (out, ky, kx, cin) uint8 of 0 and 1; thresholds : (out,) int32; invert : (out,) bool.
    """

    weights: Array
    thresholds: Array
    invert: Array
    stride: int = stride()
    padding: int = padding()
    pool: int = pool()
    pad_value: str = pad_value("zero")
    source: int | None = source()
    terms = ()
    shortcut = None
    kind = "fp_conv"

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError unless it reads the picture, as 8-bit codes, and the number of channels fits."""
        need(is_picture and source.bits == 8, "fp_conv reads the picture, and 8-bit codes")
        super().check_input(source, is_picture)


@dataclass(frozen=True, eq=False)
class BinConv(_Thresholds, _ConvWeights):
    """Convolution of bits; a padded tap adds nothing (``pad_value`` "zero") or counts as +1 ("one").

    weights : (out, ky, kx, cin) uint8 of 0 and 1; thresholds : (out,) int32; invert : (out,) bool.
    terms : tuple of ConvTerm, added to the sums.
    shortcut : index of a layer whose map has the same shape, or None. With a shortcut, thresholds are (2, out): those
    for its bit 0, then those for its bit 1.
    """

    weights: Array
    thresholds: Array
    invert: Array
    stride: int = stride()
    padding: int = padding()
    pool: int = pool()
    pad_value: str = pad_value()
    source: int | None = source()
    terms: tuple[ConvTerm, ...] = terms()
    shortcut: int | None = shortcut()
    term_kind = ConvTerm
    kind = "bin_conv"

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError unless it reads bits and the number of channels fits."""
        need(source.bits == 1, "a convolution of 8-bit input is an fp_conv")
        need(self.pad_value == "zero" or not is_picture, "padding with +1 is for hidden layers")
        super().check_input(source, is_picture)


@dataclass(frozen=True, eq=False)
class BinFc(_Thresholds, _FcWeights):
    """Fully connected layer; a map is flattened as (y, x, channel). It may read the picture's 8-bit codes.

    weights : (out, fan-in) uint8 of 0 and 1; thresholds : (out,) int32; invert : (out,) bool.
    terms : tuple of FcTerm, added to the sums; shortcut : as in :class:`BinConv`.
    """

    weights: Array
    thresholds: Array
    invert: Array
    source: int | None = source()
    terms: tuple[FcTerm, ...] = terms()
    shortcut: int | None = shortcut()
    term_kind = FcTerm
    kind = "bin_fc"


@dataclass(frozen=True, eq=False)
class Scores(_FcWeights):
    """The last layer: fully connected; its sums are the scores.

    weights : (classes, fan-in) uint8 of 0 and 1; terms : tuple of FcTerm, added to the sums.
    """

    weights: Array
    source: int | None = source()
    terms: tuple[FcTerm, ...] = terms()
    shortcut = None
    term_kind = FcTerm
    kind = "scores"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_terms(self)


Hidden = Union[FpConv, BinConv, BinFc]
Layer = Union[FpConv, BinConv, BinFc, Scores]
LayerNode = Node[Layer]
LAYER_KINDS: tuple[type[Layer], ...] = (FpConv, BinConv, BinFc, Scores)


def _check_weights(layer: Any, rank: int) -> None:
    weights = np.asarray(layer.weights)
    need(weights.ndim == rank and weights.size > 0, f"weights of shape {weights.shape}; {rank} dimensions fit")
    need(weights.dtype in (np.uint8, np.bool_) and int(weights.max()) <= 1, "weights that are not bits")
    need(weights.shape[0] <= MAX_CHANNELS, f"{weights.shape[0]} output channels; up to {MAX_CHANNELS} fit")
    object.__setattr__(layer, "weights", weights.view(np.uint8) if weights.dtype == np.bool_ else weights)


def _check_terms(layer: Any) -> None:
    for term in layer.terms:
        need(isinstance(term, layer.term_kind),
             f"a term of type {type(term).__name__}; {layer.term_kind.__name__} fits")
        need(term.outputs == layer.outputs, f"a term of {term.outputs} outputs, the layer has {layer.outputs}")


def _check_thresholds(layer: Any) -> None:
    count = layer.weights.shape[0]
    shape = (count,) if layer.shortcut is None else (2, count)
    need(layer.shortcut is None or layer.pool == 1, "a layer with a shortcut has no pool")
    need(layer.thresholds is not None and layer.invert is not None, "thresholds or invert bits are missing")
    thresholds, invert = np.asarray(layer.thresholds), np.asarray(layer.invert)
    need(thresholds.shape == shape and thresholds.dtype.kind == "i",
         f"thresholds of shape {thresholds.shape}, {thresholds.dtype}; {shape} integers fit")
    need(bool(thresholds.min() >= -ACC_LIMIT and thresholds.max() <= ACC_LIMIT), "thresholds beyond ±2²⁴")
    need(invert.shape == (count,) and invert.dtype in (np.bool_, np.uint8) and int(invert.max()) <= 1,
         f"invert of shape {invert.shape}, {invert.dtype}; ({count},) bits fit")
    object.__setattr__(layer, "thresholds", thresholds.astype(np.int32))
    object.__setattr__(layer, "invert", invert.astype(bool))


# --- rows of a table, before training --------------------------------------------------------------------

ORDERS = ("sign-pool", "pool-sign")


@dataclass(frozen=True)
class TermRow(Windows):
    """A convolution of the map of an earlier row, added to the sums of a :class:`Conv`; it is padded with +1.

    source : the row whose map it reads ("input" in JSON); kernel, stride, padding : square window.
    """

    source: int
    kernel: int = attribute(Range(1, MAX_KERNEL), "side of the square window", 1)
    stride: int = stride()
    padding: int = padding()
    outputs: int = field(default=0, repr=False, compare=False)
    pad_value = "one"
    pool = 1

    def weights_shape(self, shape: Shape) -> tuple[int, ...]:
        """(out, ky, kx, cin) on a map of ``shape``."""
        return self.outputs, self.kernel, self.kernel, shape[2]

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Any map of bits fits."""


@dataclass(frozen=True)
class Conv(Windows):
    """One convolution row.

    channels : output channels.
    kernel, stride, padding : of a square window, the same in both directions.
    pad_value : "zero" (a padded tap adds nothing) or "one" (padded with +1).
    pool : side and stride of the max-pool window, 1 for none.
    order : "sign-pool" is conv → BN → sign → pool (CNV), "pool-sign" is conv → pool → BN → sign
        (BinaryNet, XNOR-Net).
    source : the row whose map it reads ("input" in JSON), −1 for the picture; the row before where none is given.
    terms : convolutions of other maps, added to the sums.
    shortcut : a row whose map has the shape of this one's; its bits, ±1, times ``shortcut_scale`` are added before BN.
    shortcut_scale : in units of the sums; 0 is 3·√channels, rounded.
    """

    channels: int = attribute(Range(1, MAX_CHANNELS), "output channels")
    kernel: int = kernel()
    stride: int = stride()
    padding: int = padding()
    pad_value: str = pad_value()
    pool: int = pool()
    order: str = attribute(OneOf(ORDERS), "whether the sign or the pool comes first", "sign-pool")
    source: int | None = source()
    terms: tuple[TermRow, ...] = terms()
    shortcut: int | None = shortcut()
    shortcut_scale: int = field(default=0, kw_only=True)
    kind: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        # A term has as many outputs as its row.
        object.__setattr__(self, "terms", tuple(replace(term, outputs=self.channels) for term in self.terms))

    @property
    def outputs(self) -> int:  # type: ignore[override]
        return self.channels

    @property
    def scale(self) -> int:
        """What a bit of the shortcut is worth, in units of the sums."""
        return self.shortcut_scale or round(3 * self.channels**0.5)

    def weights_shape(self, shape: Shape) -> tuple[int, ...]:
        """(out, ky, kx, cin) on a map of ``shape``."""
        return self.channels, self.kernel, self.kernel, shape[2]

    def check(self) -> None:
        """Raise NetworkError unless all attributes fit."""
        self.check_windows()
        for term in self.terms:
            term.check_windows()
        need(Range(0, ACC_LIMIT).allows(self.shortcut_scale),
             f"shortcut_scale is {self.shortcut_scale!r:.20}; 0 to {ACC_LIMIT} fit")
        need(self.shortcut is None or self.pool == 1, "a row with a shortcut has no pool")
        need(self.shortcut is not None or not self.shortcut_scale, "shortcut_scale without a shortcut")

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Raise NetworkError where +1 would be padded to a picture, or something joined to 8-bit input."""
        need(self.pad_value == "zero" or not is_picture,
             "pad_value 'one' is for hidden layers; the first layer pads with q = 0")
        need(source.bits == 1 or (not self.terms and self.shortcut is None),
             "a row that reads 8-bit input has no terms and no shortcut")

    @property
    def pools_first(self) -> bool:
        """Whether batch norm and sign follow the pool, and so see the largest sum of each window."""
        return self.pool > 1 and self.order == "pool-sign"

    def folded(self, source: Map, weights: Array, thresholds: Array, invert: Array,
               terms: Sequence[Array] = ()) -> FpConv | BinConv:
        """The layer that the row becomes on the map ``source``.

        Parameters
        ----------
        weights : (out, ky, kx, cin) uint8 of 0 and 1
        thresholds : (out,) int32, with a shortcut (2, out)
        invert : (out,) bool
        terms : weights of each term
        """
        if source.bits == 8:
            return FpConv(weights, thresholds, invert, self.stride, self.padding, self.pool, self.pad_value,
                          source=self.source)
        joined = tuple(ConvTerm(bits, term.source, term.stride, term.padding) for bits, term in zip(terms, self.terms))
        return BinConv(weights, thresholds, invert, self.stride, self.padding, self.pool, self.pad_value,
                       source=self.source, terms=joined, shortcut=self.shortcut)

    def widened(self, factor: int) -> Conv:
        """The row with ``factor`` times as many outputs."""
        return replace(self, channels=self.channels * factor)


@dataclass(frozen=True)
class Fc(Dense):
    """One fully connected row with ``units`` outputs; a map is flattened as (y, x, channel)."""

    units: int = attribute(Range(1, MAX_CHANNELS), "outputs")
    kind: ClassVar[str] = "fc"
    source: ClassVar[int | None] = None
    terms: ClassVar[tuple[Term, ...]] = ()
    shortcut: ClassVar[int | None] = None

    @property
    def outputs(self) -> int:  # type: ignore[override]
        return self.units

    def weights_shape(self, shape: Shape) -> tuple[int, ...]:
        """(out, fan-in) on a map of ``shape``."""
        return self.units, self.fan_in_on(shape)

    def check(self) -> None:
        """Raise NetworkError unless all attributes fit."""
        check_attributes(self)

    def check_input(self, source: Map, is_picture: bool) -> None:
        """Does nothing: any map fits."""

    @property
    def pools_first(self) -> bool:
        """False: there is no pool."""
        return False

    def folded(self, source: Map, weights: Array, thresholds: Array, invert: Array,
               terms: Sequence[Array] = ()) -> BinFc:
        """The layer that the row becomes; see :meth:`Conv.folded`. ``weights`` : (out, fan-in)."""
        return BinFc(weights, thresholds, invert)

    def widened(self, factor: int) -> Fc:
        """The row with ``factor`` times as many outputs."""
        return replace(self, units=self.units * factor)


Row = Union[Conv, Fc]
RowNode = Node[Row]
ROW_KINDS: tuple[type[Row], ...] = (Conv, Fc)
