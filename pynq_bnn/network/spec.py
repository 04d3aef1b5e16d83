"""Input and output of a network: pixel codes, preprocessing, and how sums become labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Union

import numpy as np

from ..arrays import Array
from .checks import check_name, is_int, need
from .geometry import MAX_SIDE, Map, Shape

FITS = ("letterbox", "extend", "crop", "stretch", "digit")
DECISIONS = ("argmax", "highest_bit")
MAX_CLASSES = 1024
# With these limits, logits of sums up to 2²⁴ and logits / temperature stay finite in float32.
MAX_SCALE = 1e20
TEMPERATURES = (1e-6, 1e6)


class _Codes:
    """Base of encodings: the input code q of each pixel value, (256,) int16."""

    codes: Array
    bits: ClassVar[int]

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes)
        need(codes.shape == (256,) and codes.dtype.kind in "iu",
             f"input codes of shape {codes.shape}, {codes.dtype}; 256 integers fit")
        need(bool(codes.min() >= -128 and codes.max() <= 255), "input codes outside −128…255")
        object.__setattr__(self, "codes", codes.astype(np.int16))

    def encode(self, pixels: Array) -> Array:
        """Codes q, int16, of uint8 pixels of any shape."""
        encoded: Array = self.codes[pixels]
        return encoded

    @property
    def largest(self) -> int:
        """The largest |q| that the number format allows (which determines the bounds of sums)."""
        raise NotImplementedError

    def map(self, shape: Shape) -> Map:
        """The map that a first layer reads of an encoded picture of this shape."""
        return Map(shape, self.bits, self.largest)


@dataclass(frozen=True, eq=False)
class ByteCodes(_Codes):
    """Encodes a pixel as an 8-bit integer: −128…127 (signed) or 0…255.

    codes : (256,) integers.
    """

    codes: Array
    bits = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = (-128, 127) if self.signed else (0, 255)
        need(bool(self.codes.min() >= low and self.codes.max() <= high), f"8-bit input codes outside {low}…{high}")

    @property
    def signed(self) -> bool:
        """Whether codes go below zero, so that the hardware reads int8 rather than uint8."""
        return bool(self.codes.min() < 0)

    @property
    def largest(self) -> int:
        return 128 if self.signed else 255


@dataclass(frozen=True, eq=False)
class BitCodes(_Codes):
    """Encodes a pixel as one bit.

    codes : (256,) integers, +1 or −1.
    """

    codes: Array
    bits = 1
    signed = True

    def __post_init__(self) -> None:
        super().__post_init__()
        need(bool(np.all(np.abs(self.codes) == 1)), "1-bit input codes other than ±1")

    @property
    def largest(self) -> int:
        return 1


Encoding = Union[ByteCodes, BitCodes]
ENCODINGS: dict[int, type[Encoding]] = {8: ByteCodes, 1: BitCodes}


@dataclass(frozen=True, eq=False)
class InputSpec:
    """The input picture of a network.

    Parameters
    ----------
    height, width, channels : int
        Size in pixels; 1 channel is grey, 3 are RGB in this order.
    encoding : ByteCodes or BitCodes
        The code of each pixel value.
    fit : str
        How a picture of another size is fitted to this size, see ``pynq_bnn.pictures.preprocess``.
    background : int
        Grey value, 0…255, under transparent pixels and beside a letterboxed picture.
    """

    height: int
    width: int
    channels: int
    encoding: Encoding
    fit: str = "letterbox"
    background: int = 128

    def __post_init__(self) -> None:
        need(all(is_int(s, 1, MAX_SIDE) for s in (self.height, self.width)),
             f"input size {self.height!r}×{self.width!r}; sides from 1 to {MAX_SIDE} fit")
        need(is_int(self.channels, 1, 3) and self.channels != 2, f"input channels {self.channels!r}; 1 or 3 fit")
        need(isinstance(self.encoding, (ByteCodes, BitCodes)),
             f"input encoding of type {type(self.encoding).__name__}; ByteCodes or BitCodes fit")
        need(self.fit in FITS, f"input fit {self.fit!r}; one of {FITS} fits")
        need(is_int(self.background, 0, 255), f"input background {self.background!r}; 0 to 255 fit")

    @property
    def shape(self) -> Shape:
        """(height, width, channels)."""
        return int(self.height), int(self.width), int(self.channels)

    @property
    def bits(self) -> int:
        """Bits of an input value, 8 or 1."""
        return self.encoding.bits

    @property
    def codes(self) -> Array:
        """(256,) int16, the code q of each pixel value."""
        return self.encoding.codes

    def encode(self, pixels: Array) -> Array:
        """Codes q, int16, of uint8 pixels of any shape."""
        return self.encoding.encode(pixels)

    @property
    def map(self) -> Map:
        """The map that the first layer reads."""
        return self.encoding.map(self.shape)


@dataclass(frozen=True, eq=False)
class OutputSpec:
    """How the integer sums of the last layer become a class.

    ``logits = sums · scale + offset`` in float32, ``probabilities = softmax(scores / temperature)``. Sums of two
    classes cannot be compared, since each class has its own scale and offset; scores can, and their first maximum is
    the answer.

    Parameters
    ----------
    classes : tuple of str
        Names in the order of the last layer's outputs.
    scale, offset : (K,) float32
        The affine map of each class.
    temperature : float
        Calibrates probabilities; it does not change labels.
    decision : str
        "argmax": the first maximum of the logits. "highest_bit": the highest class index whose sum
        reaches ``class_thresholds``; index −1 if none does (imported LFC networks).
    class_thresholds : (K,) int32 or None
        Only for "highest_bit".
    native_add, native_div : int
        ``native_scores = (sums + native_add) // native_div``, the scale of the system that a network was
        imported from (0 and 1 for the identity).
    """

    classes: tuple[str, ...]
    scale: Array
    offset: Array
    temperature: float = 1.0
    decision: str = "argmax"
    class_thresholds: Array | None = None
    native_add: int = 0
    native_div: int = 1

    def __post_init__(self) -> None:
        count = len(self.classes)
        need(1 <= count <= MAX_CLASSES, f"{count} classes; 1 to {MAX_CLASSES} fit")
        for name in self.classes:
            check_name(name, "class name")
        for name in ("scale", "offset"):
            values = np.asarray(getattr(self, name), np.float32)
            object.__setattr__(self, name, values)
            need(values.shape == (count,) and bool((np.abs(values) <= MAX_SCALE).all()),
                 f"output {name} of shape {values.shape}, or beyond ±{MAX_SCALE:g}; ({count},) finite numbers fit")
        low, high = TEMPERATURES
        need(bool(low <= self.temperature <= high), f"temperature {self.temperature!r}; {low:g} to {high:g} fit")
        need(self.decision in DECISIONS, f"decision {self.decision!r}; one of {DECISIONS} fits")
        self._check_thresholds(count)
        need(is_int(self.native_div, 1, 2**15) and is_int(self.native_add, -(2**24), 2**24),
             f"native_add {self.native_add!r} or native_div {self.native_div!r} out of range")

    def _check_thresholds(self, count: int) -> None:
        needed = self.decision == "highest_bit"
        need((self.class_thresholds is not None) == needed,
             "class_thresholds belong to the decision 'highest_bit' and to no other")
        if needed:
            thresholds = np.asarray(self.class_thresholds)
            need(thresholds.shape == (count,) and thresholds.dtype.kind == "i"
                 and bool(thresholds.min() >= -(2**31) and thresholds.max() < 2**31),
                 f"class_thresholds of shape {thresholds.shape}, {thresholds.dtype}; ({count},) int32 fit")
            object.__setattr__(self, "class_thresholds", thresholds.astype(np.int32))

    def logits(self, sums: Array) -> Array:
        """(N, K) float32 logits of (N, K) int32 sums."""
        return sums.astype(np.float32) * self.scale + self.offset

    def indices(self, sums: Array) -> Array:
        """(N,) int64 class indices of (N, K) int32 sums; −1 if no class is chosen."""
        if self.decision == "argmax":
            first: Array = self.logits(sums).argmax(axis=1)
            return first
        reached = sums >= self.class_thresholds
        highest = reached.shape[1] - 1 - reached[:, ::-1].argmax(axis=1)
        return np.where(reached.any(axis=1), highest, -1)

    def scores(self, sums: Array) -> Array:
        """(N, K) float32 scores; the first maximum of each row is at the chosen class, if there is one.

        Scores are the logits, except that with "highest_bit" the chosen class may have a lower logit than others; its
        score is then raised to just above the largest.
        """
        return _first_maximum_at(self.logits(sums), self.indices(sums))

    def probabilities(self, sums: Array) -> Array:
        """(N, K) float32; each row sums to 1, and its first maximum is at the chosen class."""
        scaled = self.scores(sums) / np.float32(self.temperature)
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return _first_maximum_at(powers / powers.sum(axis=1, keepdims=True), self.indices(sums))

    def undecided(self, sums: Array) -> Array:
        """(N,) bool: whether no class was chosen, or only by default, without reaching its threshold (logit 0)."""
        if self.decision == "argmax":
            return np.zeros(len(sums), bool)
        index = self.indices(sums)
        return (index < 0) | (np.take_along_axis(self.logits(sums), np.maximum(index, 0)[:, None], 1)[:, 0] < 0)

    def native_scores(self, sums: Array) -> Array:
        """Sums on the scale of the system that the network was imported from, int32."""
        return (sums + np.int32(self.native_add)) // np.int32(self.native_div)


def _first_maximum_at(rows: Array, indices: Array) -> Array:
    """(N, K) float32 ``rows``, raised at ``indices`` just enough to be the first maximum there; −1: unchanged."""
    others = np.nonzero((indices >= 0) & (rows.argmax(axis=1) != indices))[0]
    rows[others, indices[others]] = np.nextafter(rows[others].max(axis=1), np.float32(np.inf))
    return rows


def signed_codes() -> ByteCodes:
    """q = pixel − 128, the codes of networks trained here: a padded tap (q = 0) is then mid-grey."""
    return ByteCodes(np.arange(-128, 128, dtype=np.int16))


def one_bit_codes(threshold: int = 128) -> BitCodes:
    """q = +1 where pixel ≥ threshold, else −1."""
    return BitCodes(np.where(np.arange(256) >= threshold, 1, -1).astype(np.int16))
