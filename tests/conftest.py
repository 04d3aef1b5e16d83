"""Random small networks that several test files share."""

from __future__ import annotations

import numpy as np
import pytest

from pynq_bnn.network import (
    BinConv,
    BinFc,
    ByteCodes,
    ConvTerm,
    FcTerm,
    FpConv,
    Golden,
    InputSpec,
    Network,
    OutputSpec,
    Scores,
    one_bit_codes,
    signed_codes,
)
from pynq_bnn.network.spec import FITS


@pytest.fixture(scope="session")
def random_network():
    """``random_network(seed)``: a small valid network; the seed decides every field."""
    return _random_network


@pytest.fixture(scope="session")
def random_graph():
    """``random_graph(seed)``: a small network with terms, shortcuts and layers that read earlier maps."""
    return _random_graph


def _random_network(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    bits, channels = int(rng.choice([1, 8])), int(rng.choice([1, 3]))
    height, width = (int(side) for side in rng.integers(6, 12, 2))
    codes = one_bit_codes(int(rng.integers(1, 256))) if bits == 1 else signed_codes()
    if bits == 8 and rng.random() < 0.3:
        codes = ByteCodes(rng.integers(0, 256, 256))
    spec = InputSpec(height, width, channels, codes, str(rng.choice(FITS)),
                     int(rng.integers(0, 256)))
    layers, shape = [], spec.shape
    for number in range(int(rng.integers(0, 3))):
        layers.append(_random_conv(rng, shape, FpConv if number == 0 and bits == 8 else BinConv, number))
        shape = layers[-1].output_shape(shape)
    for last in (False, True):
        fan_in, units = int(np.prod(shape)), int(rng.integers(1, 12))
        weights = rng.integers(0, 2, (units, fan_in), dtype=np.uint8)
        layers.append(Scores(weights) if last else BinFc(weights, *_random_thresholds(rng, units, fan_in)))
        shape = (1, 1, units)
    output = _random_output(rng, shape[2])
    golden = None
    if rng.random() < 0.6:
        golden = Golden(rng.integers(0, 256, spec.shape, dtype=np.uint8),
                        rng.integers(-100, 100, shape[2]).astype(np.int32))
    provenance = {"seed": seed, "accuracy": {"top1": float(rng.random()), "images": None}, "note": "größe · 中"}
    return Network(f"random-{seed}", spec, tuple(layers), output, provenance, golden)


def _random_conv(rng: np.random.Generator, shape: tuple[int, int, int], kind: type, number: int) -> FpConv | BinConv:
    kernel, out = int(rng.integers(1, min(3, *shape[:2]) + 1)), int(rng.integers(1, 10))
    weights = rng.integers(0, 2, (out, kernel, kernel, shape[2]), dtype=np.uint8)
    values = {"stride": int(rng.integers(1, 3)), "padding": int(rng.integers(0, kernel)), "pool": 1}
    if min((side + 2 * values["padding"] - kernel) // values["stride"] + 1 for side in shape[:2]) >= 2:
        values["pool"] = int(rng.integers(1, 3))
    if kind is BinConv and number > 0:
        values["pad_value"] = str(rng.choice(["zero", "one"]))
    return kind(weights, *_random_thresholds(rng, out, weights[0].size), **values)


def _random_thresholds(rng: np.random.Generator, count: int, bound: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(-bound, bound + 2, count).astype(np.int32), rng.integers(0, 2, count).astype(bool)


def _random_output(rng: np.random.Generator, classes: int) -> OutputSpec:
    names = tuple(f"class {i} é" for i in range(classes))
    scale, offset = (rng.normal(size=classes).astype(np.float32) for _ in range(2))
    if rng.random() < 0.3:
        return OutputSpec(names, scale, offset, decision="highest_bit", native_add=512, native_div=2,
                          class_thresholds=rng.integers(-50, 50, classes).astype(np.int32))
    return OutputSpec(names, scale, offset, temperature=float(rng.uniform(0.1, 9)))


def _random_graph(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    bits, side = int(rng.choice([1, 8])), int(rng.integers(4, 9))
    spec = InputSpec(side, side + 1, int(rng.choice([1, 3])), one_bit_codes() if bits == 1 else signed_codes())
    kernel, out = int(rng.choice([1, 3])), int(rng.integers(1, 10))
    weights = _bits(rng, out, kernel, kernel, spec.channels)
    first = (FpConv if bits == 8 else BinConv)(weights, *_rule(rng, out, weights[0].size * spec.map.largest),
                                               padding=kernel // 2)
    layers: list = [first]
    shapes = [first.sums_shape(spec.shape)]
    for number in range(1, int(rng.integers(3, 7))):
        layers.append(_random_join(rng, shapes, number))
        shapes.append(layers[-1].output_shape(shapes[layers[-1].source]))
    reads = {source for layer in layers[1:] for source in
             (layer.source, layer.shortcut, *(term.source for term in layer.terms))}
    # Maps that no layer reads go to the score layer; the last layer's always does.
    main, *more = [n for n in range(len(layers)) if n not in reads][::-1]
    classes = int(rng.integers(2, 7))
    scores = Scores(_bits(rng, classes, int(np.prod(shapes[main]))), source=main, terms=tuple(
        FcTerm(_bits(rng, classes, int(np.prod(shapes[n]))), n) for n in more))
    return Network(f"graph-{seed}", spec, (*layers, scores), _random_output(rng, classes))


def _random_join(rng: np.random.Generator, shapes: list, number: int) -> BinConv:
    """A convolution of one of the last maps, with up to three terms and perhaps a shortcut."""
    source = int(rng.integers(max(0, number - 2), number))
    height, width, channels = shapes[source]
    kernel, stride = (int(rng.choice([1, 2, 3])), int(rng.choice([1, 2]))) if min(height, width) >= 3 else (1, 1)
    padding = int(rng.integers(0, kernel))
    size = tuple((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
    like = [n for n in range(number) if shapes[n][:2] == size]
    shortcut = int(rng.choice(like)) if like and rng.random() < 0.6 else None
    out = int(rng.integers(1, 70)) if shortcut is None else shapes[shortcut][2]
    terms = []
    for n in rng.permutation(like)[:int(rng.integers(0, 4))].tolist():
        side = int(rng.choice([1, 3]))
        terms.append(ConvTerm(_bits(rng, out, side, side, shapes[n][2]), n, padding=side // 2))
    weights = _bits(rng, out, kernel, kernel, channels)
    bound = weights[0].size + sum(term.fan_in for term in terms)
    return BinConv(weights, *_rule(rng, out, bound, two=shortcut is not None), stride, padding,
                   pad_value=str(rng.choice(["zero", "one"])), source=source, terms=tuple(terms), shortcut=shortcut)


def _rule(rng: np.random.Generator, count: int, bound: int, two: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds near the middle of the sums, two of them for a shortcut, and invert bits."""
    spread = max(1, int(np.sqrt(bound)))
    return rng.integers(-spread, spread + 2, (2, count) if two else count), rng.integers(0, 2, count).astype(bool)


def _bits(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 2, shape, dtype=np.uint8)
