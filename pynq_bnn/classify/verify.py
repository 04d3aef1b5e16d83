"""Checks whether a backend computes the right integers, and where they first differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..backends import Backend, CompiledBackend, CpuBackend, PopcountBackend
from ..errors import BackendError

NOISE_SEED = 64


@dataclass(frozen=True)
class Difference:
    """The first place where two backends differ; ``layer`` is −1 for the golden image's scores."""

    layer: int
    image: int
    position: tuple[int, ...]
    expected: int
    found: int

    def __str__(self) -> str:
        names = ("y", "x", "channel") if len(self.position) == 3 else ("class",)
        place = ", ".join(f"{name} {value}" for name, value in zip(names, self.position))
        where = "golden image" if self.layer < 0 else f"layer {self.layer}, image {self.image}"
        return f"{where}, {place}: {self.found} instead of {self.expected}"


@dataclass(frozen=True)
class VerifyReport:
    """Outcome of a verification; ``reference`` is the engine compared against.

    golden : whether the file holds a golden image.
    images, layers : number of pictures and layers that were compared.
    difference : the first difference, or None if everything is equal.
    """

    backend: str
    reference: str
    golden: bool
    images: int
    layers: int
    difference: Difference | None

    @property
    def ok(self) -> bool:
        return self.difference is None


def verify_backend(backend: Backend, images: int = 8, pixels: Array | None = None) -> VerifyReport:
    """Run the golden image, then compare every layer's map and the scores, first layer first.

    The reference is the cpu backend; the cpu backend itself is compared with the XNOR-popcount engine.

    Parameters
    ----------
    images : int
        Number of noise pictures, at least 1, if no ``pixels`` are given.
    pixels : (N, H, W, C) uint8, optional

    Raises
    ------
    BackendError
        Fewer than one picture, or pixels of another shape or type.
    """
    network = backend.network
    if images < 1 or (pixels is not None and not len(pixels)):
        raise BackendError("verify needs one picture or more")
    if pixels is None:
        rng = np.random.default_rng(NOISE_SEED)
        pixels = rng.integers(0, 256, (images, *network.input.shape), dtype=np.uint8)
    reference = (PopcountBackend if isinstance(backend, (CpuBackend, CompiledBackend)) else CpuBackend)(network)
    difference = _golden_difference(backend)
    if difference is None:
        difference = _first_difference(backend, reference, pixels)
    return VerifyReport(backend.name, reference.name, network.golden is not None, len(pixels), len(network.layers),
                        difference)


def _golden_difference(backend: Backend) -> Difference | None:
    golden = backend.network.golden
    if golden is None:
        return None
    return _difference(-1, golden.scores[None], backend.scores(golden.image[None]))


def _first_difference(backend: Backend, reference: Backend, pixels: Array) -> Difference | None:
    layers = backend.network.layers
    for number, (expected, found) in enumerate(zip(reference.states(pixels), backend.states(pixels))):
        if number < len(layers) - 1:
            expected, found = (np.unpackbits(packed, axis=-1, bitorder="little")[..., :layers[number].outputs]
                               for packed in (expected, found))
        difference = _difference(number, expected, found)
        if difference is not None:
            return difference
    # Users run whole batches; the scores must be the same as those computed layer by layer.
    return _difference(len(layers) - 1, expected, backend.scores(pixels))


def _difference(layer: int, expected: Array, found: Array) -> Difference | None:
    places = np.argwhere(expected != found)
    if not len(places):
        return None
    image, *position = (int(value) for value in places[0])
    index = (image, *position)
    return Difference(layer, image, tuple(position), int(expected[index]), int(found[index]))
