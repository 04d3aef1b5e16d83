"""Packs programs and images into the accelerator's formats, and unpacks results.

Little-endian 64-bit words; a pixel's channels fill whole words from bit 0 up, padded with activations 0 and weights 1.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..network import LayerNode, Network, Scores
from .config import MAX_WINDOW_BYTES, WORD_BITS, Config
from .fields import LAYER_MAGIC, LAYER_RECORD, PROGRAM_MAGIC, PROGRAM_RECORD, VERSION, Kind, pack
from .layout import sizes
from .schedule import Program
from .stages import Stage, ceil_div, input_words, pixel_words


def pack_program(network: Network, program: Program, config: Config) -> Array:
    """The words of a program, (n,) uint64: its record, then each stage's header and tiles."""
    words = [np.array(pack(PROGRAM_RECORD, _program_values(network, program)), np.uint64)]
    for number, stage in enumerate(program.stages):
        words.append(np.array(pack(LAYER_RECORD, _layer_values(program, number)), np.uint64))
        if stage.kind is not Kind.PLANES:
            words.append(_tiles(network, stage, config).ravel())
    return np.concatenate(words)


def _program_values(network: Network, program: Program) -> dict[str, int]:
    layout, spans, last = program.layout, sizes(program.stages), program.stages[-1]
    score = bool(program.classes)
    fan_in = network.nodes[last.layer].fan_in
    halved = score and not last.fields["planes"]
    return {"magic": PROGRAM_MAGIC, "version": VERSION, "layers": len(program.stages), "in_words": program.in_words,
            "out_words": program.out_words, "in_base": layout.bases[0], "in_stride": spans[0],
            "out_base": layout.bases[-1], "out_stride": spans[-1], "slots": layout.slots, "classes": program.classes,
            "scores": score, "halved": halved, "odd": halved and fan_in % 2}


def _layer_values(program: Program, number: int) -> dict[str, int]:
    stage, layout, spans = program.stages[number], program.layout, sizes(program.stages)
    return {"magic": LAYER_MAGIC, "kind": stage.kind, "index": number, "last": number == len(program.stages) - 1,
            "frees_images": number == layout.frees, "tiles": stage.tiles, "rows": stage.rows,
            "in_base": layout.bases[number], "in_stride": spans[number], "out_base": layout.bases[number + 1],
            "out_stride": spans[number + 1], **stage.fields}


def _tiles(network: Network, stage: Stage, config: Config) -> Array:
    """(tiles, rows, PE) uint64: thresholds, weights and, for scores, a row of ones."""
    node = network.nodes[stage.layer]
    channels = stage.tiles * config.pe
    rows = np.full((stage.rows, channels), ~np.uint64(0), np.uint64)
    # In the order in which the hardware walks a window.
    weights = weight_words(node.layer.weights.reshape(node.layer.outputs, stage.weight_runs, -1))
    rows[1:1 + weights.shape[1], :len(weights)] = weights.T
    rows[0] = _threshold_words(node, stage, channels)
    return rows.reshape(stage.rows, stage.tiles, config.pe).transpose(1, 0, 2)


def weight_words(bits: Array) -> Array:
    """(n, pixels, channels) bits to (n, pixels · words) uint64, padded with ones."""
    count, pixels, channels = bits.shape
    padded = np.ones((count, pixels, WORD_BITS * pixel_words(channels)), np.uint8)
    padded[..., :channels] = bits
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").reshape(count, -1).astype(np.uint64)


def _threshold_words(node: LayerNode, stage: Stage, channels: int) -> Array:
    """(channels,) uint64 words of THRESHOLD_RECORD; padding channels are set so that their outputs are 0."""
    layer, count = node.layer, node.layer.outputs
    score = isinstance(layer, Scores)
    thresholds = np.full(channels, 0 if score else node.bound + 1, np.int64)
    inverts = np.full(channels, score, np.int64)  # for scores the hardware outputs the sign bit itself
    if not isinstance(layer, Scores):
        thresholds[:count], inverts[:count] = layer.thresholds, layer.invert
    if node.input.bits == 8:
        ones = np.zeros(channels, np.int64)
        ones[:count] = layer.weights.reshape(count, -1).sum(axis=1)
        start = -(thresholds + _plane_constant(node, stage, ones))
        start[count:] = 0 if score else -(255 * max(node.fan_in, MAX_WINDOW_BYTES) + 1)
        # The hardware computes acc ← 2·acc + carry seven times: the low seven bits of the start enter one by one.
        return _threshold(2 * (start >> 7), start & 127, inverts)
    return _threshold(-thresholds, np.zeros(channels, np.int64), inverts)


def _plane_constant(node: LayerNode, stage: Stage, ones: Array) -> Array:
    """For each channel, the difference between the XNOR-popcount Horner sum over the bit planes and Σ w·q.

    A byte u = q + offset contributes u where w = +1 and 255 − u where w = −1; unused bytes of a window hold the
    padding.
    """
    offset = 128 if node.input.signed else 0
    fan_in = node.fan_in
    unused = (MAX_WINDOW_BYTES - fan_in) * offset if stage.kind is Kind.FP_CONV else 0
    return 255 * (fan_in - ones) + offset * (2 * ones - fan_in) + unused


def _threshold(start: Array, carries: Array, inverts: Array) -> Array:
    low = (start & 0xFFFF_FFFF).astype(np.uint64)
    words: Array = low | carries.astype(np.uint64) << np.uint64(32) | inverts.astype(np.uint64) << np.uint64(39)
    return words


def image_bytes(network: Network) -> Array | None:
    """The byte that the accelerator reads for each pixel value, (256,) uint8; None if it is the value itself."""
    codes = network.input.codes.astype(np.int64) + (128 if network.input.map.signed else 0)
    return None if np.array_equal(codes, np.arange(256)) else codes.astype(np.uint8)


def pack_images(network: Network, pixels: Array, out: Array | None = None) -> Array:
    """Pack (N, H, W, C) uint8 pixels into (N, words) uint64, as the first program reads them.

    Parameters
    ----------
    out : (N, words) uint64, optional
        Where to write them, such as memory shared with the accelerator.
    """
    count, words = len(pixels), input_words(network)
    out = np.empty((count, words), np.uint64) if out is None else out
    view = out.view(np.uint8)
    if network.input.bits == 8:
        table, values = image_bytes(network), pixels.reshape(count, int(np.prod(network.input.shape)))
        view[:, values.shape[1]:] = 0
        view[:, :values.shape[1]] = values if table is None else table[values]
        return out
    bits = (network.input.codes > 0).astype(np.uint8)[pixels]
    dense = network.layers[0].dense
    bits = bits.reshape(count, 1 if dense else -1, int(np.prod(network.input.shape)) if dense else pixels.shape[3])
    packed = np.packbits(bits, axis=-1, bitorder="little")
    view[...] = 0
    view.reshape(count, bits.shape[1], -1)[..., :packed.shape[-1]] = packed
    return out


def unpack_map(words: Array, shape: tuple[int, int, int]) -> Array:
    """From (N, words) uint64 to (N, H, W, ceil(C/8)) uint8, the packed maps that backends yield."""
    count = len(words)
    pixels = np.ascontiguousarray(words).view(np.uint8).reshape(count, shape[0], shape[1], 8 * pixel_words(shape[2]))
    return np.ascontiguousarray(pixels[..., :ceil_div(shape[2], 8)])


def unpack_scores(words: Array, classes: int) -> Array:
    """From (N, words) uint64 to (N, classes) int32."""
    return np.ascontiguousarray(words).view(np.int32)[:, :classes].copy()
