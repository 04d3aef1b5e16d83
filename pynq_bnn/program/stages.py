"""Lowers layers to stages. A stage is what one header in the stream describes; sizes are words of a lane's buffer.

Each layer is one stage, except a fully connected first layer on 8-bit pixels, before which another stage turns bytes
into bit planes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Union

from ..errors import BackendError
from ..network import BinConv, BinFc, FpConv, LayerNode, Network, Scores
from ..network.geometry import Windows
from ..network.graph import PICTURE, Node
from ..network.handlers import Handlers
from ..network.layers import LAYER_KINDS
from .config import MAX_WINDOW_BYTES, WORD_BITS, Config
from .fields import Kind


@dataclass(frozen=True)
class Stage:
    """The contents of one header, without the buffer addresses, which the schedule chooses.

    Parameters
    ----------
    layer : int
        Index of the layer in the network.
    index, source : int
        Index among the network's stages, and that of the stage whose map it reads, −1 for the images.
    kind : Kind
    in_words, out_words : int
        64-bit words per image of the input and output map in the buffer.
    tiles, rows : int
        ⌈channels / PE⌉, and ring rows per tile: thresholds, weights and, for scores, a row of ones.
    steps : int
        Cycles that the array needs for all windows of an image and one tile.
    scores : int
        Number of scores, if the output is scores; 0 for a map.
    weight_runs : int
        Number of parts of a window that each start on a new word: its pixels, or 1.
    work : int
        Useful XNORs per image: real inputs inside the map, for real channels, in each bit plane.
    gather : int
        Cycles that gathering windows (FP-Conv) adds to the steps, per image and tile.
    fields : dict
        The header's other fields.
    """

    layer: int
    kind: Kind
    in_words: int
    out_words: int
    tiles: int
    rows: int
    steps: int
    work: int
    gather: int
    fields: dict[str, int]
    scores: int = 0
    weight_runs: int = 1
    index: int = 0
    source: int = -1

    @property
    def in_place(self) -> bool:
        return self.kind is Kind.PLANES


def ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def pixel_words(channels: int) -> int:
    """64-bit words of a pixel with ``channels`` bits."""
    return ceil_div(channels, WORD_BITS)


def map_words(shape: tuple[int, int, int]) -> int:
    """64-bit words of a packed map."""
    return shape[0] * shape[1] * pixel_words(shape[2])


def input_words(network: Network) -> int:
    """64-bit words of an image in memory, as the first layer reads it."""
    return _in_words(network.nodes[0])


def _in_words(node: Node[Any]) -> int:
    """64-bit words of the map that a layer reads. A fully connected layer takes the picture without gaps."""
    if node.layer.dense and node.source == PICTURE:
        return node.input.bits * ceil_div(node.fan_in, WORD_BITS)
    return map_words(node.input.shape) if node.input.bits == 1 else ceil_div(node.input.values, 8)


def network_stages(network: Network, config: Config) -> tuple[Stage, ...]:
    """The stages of all layers.

    Raises
    ------
    BackendError
        A layer exceeds a limit of the accelerator; the message names both.
    """
    stages: list[Stage] = []
    writers = {PICTURE: PICTURE}
    for node in network.nodes:
        try:
            lowered = _checked(node, config)
        except BackendError as error:
            raise BackendError(f"{network.name}, layer {node.index} ({node.layer.kind}) does not fit the accelerator: "
                               f"{error}") from None
        source = writers[node.source]
        for stage in lowered:
            stages.append(replace(stage, index=len(stages), source=source))
            source = stages[-1].index
        writers[node.index] = source
    return tuple(stages)


def _checked(node: LayerNode, config: Config) -> list[Stage]:
    """The stages of a layer; raises BackendError if it exceeds the accelerator's limits."""
    if node.index and node.source == PICTURE:
        raise BackendError("it reads the picture, which the first layer alone can")
    if node.terms or node.shortcut is not None:
        raise BackendError("it joins several maps, which this accelerator cannot compute")
    _check_accumulator(node, config)
    stages = _lower(node, config)
    for stage in stages:
        if stage.rows > config.ring_depth:
            most = WORD_BITS * (config.ring_depth - 2)
            raise BackendError(f"its fan-in fills {stage.rows} rows of the parameter ring's {config.ring_depth}; "
                               f"up to {most:,} inputs in whole 64-channel words fit")
        words = stage.in_words if stage.in_place else stage.in_words + stage.out_words
        if words > config.buffer_depth:
            side = int((config.buffer_depth // 2) ** 0.5)
            raise BackendError(f"its maps need {words:,} of a lane's {config.buffer_depth:,} words; "
                               f"unpooled 64-channel maps up to {side}×{side} fit, or smaller ones with more channels")
    return stages


def _check_accumulator(node: LayerNode, config: Config) -> None:
    eight_bit = node.input.bits == 8
    # Largest distance of a sum from its threshold: twice the bound of the sum, plus one; for sums of bits, half of it.
    reach = 2 * node.fan_in * 255 + 1 if eight_bit else node.fan_in + 1
    if reach >= 1 << config.acc_width - 1:
        most = ((1 << config.acc_width - 1) - 2) // (510 if eight_bit else 1)
        raise BackendError(f"{node.fan_in} inputs overflow the accumulators of {config.acc_width} bits; "
                           f"up to {most:,} fit")


# --- lowering --------------------------------------------------------------------------------------------

_ConvNode = Union[Node[FpConv], Node[BinConv]]
_DenseNode = Union[Node[BinFc], Node[Scores]]
_LOWER: Handlers[Callable[..., list[Stage]]] = Handlers("stages of the accelerator", LAYER_KINDS)


def _lower(node: LayerNode, config: Config) -> list[Stage]:
    return _LOWER[node.layer](node, config)


@_LOWER.for_(FpConv)
def _fp_conv(node: Node[FpConv], config: Config) -> list[Stage]:
    if node.fan_in > MAX_WINDOW_BYTES:
        raise BackendError(f"its window has {node.fan_in} pixel values; up to {MAX_WINDOW_BYTES} fit")
    rows, columns = _window_taps(node)
    parts, taps = WORD_BITS // config.simd, sum(rows) * sum(columns)
    fields = {**_conv_fields(node, node.input.shape[2]), "pad_byte": 128 if node.input.signed else 0}
    return [Stage(node.index, Kind.FP_CONV, _in_words(node), map_words(node.output.shape),
                  ceil_div(node.layer.outputs, config.pe), 2, len(rows) * len(columns) * 8 * parts,
                  taps * node.input.shape[2] * node.layer.outputs * 8, _gather_wait(node, rows, columns, parts),
                  fields)]


@_LOWER.for_(BinConv)
def _bin_conv(node: Node[BinConv], config: Config) -> list[Stage]:
    channels, layer = node.input.shape[2], node.layer
    rows, columns = _window_taps(node)
    words, parts = pixel_words(channels), WORD_BITS // config.simd
    every_tap = layer.pad_value == "one"
    taps = len(rows) * len(columns) * layer.kernel**2 if every_tap else sum(rows) * sum(columns)
    return [Stage(node.index, Kind.BIN_CONV, _in_words(node), map_words(node.output.shape),
                  ceil_div(layer.outputs, config.pe), 1 + layer.kernel**2 * words, taps * words * parts,
                  taps * channels * layer.outputs, 0, _conv_fields(node, words), weight_runs=layer.kernel**2)]


def _conv_fields(node: _ConvNode, unit: int) -> dict[str, int]:
    """Header fields of a convolution whose input pixels have ``unit`` words (Bin-Conv) or bytes (FP-Conv)."""
    layer, (height, width, channels), out = node.layer, node.input.shape, node.output.shape
    return {
        "kernel": layer.kernel, "stride": layer.stride, "padding": layer.padding,
        "pool_log2": layer.pool.bit_length() - 1, "pad_one": layer.pad_value == "one",
        "last_channels": last_channels(channels),
        "in_height": height, "in_width": width, "out_height": out[0], "out_width": out[1],
        "pixel_words": unit, "row_words": width * unit, "kernel_row_words": layer.kernel * unit,
        "out_pixel_words": pixel_words(out[2]), "tap_values": channels,
    }


def last_channels(channels: int) -> int:
    """Number of channels in a pixel's last word, 1 to 64."""
    return (channels - 1) % WORD_BITS + 1


def _window_taps(node: _ConvNode) -> tuple[list[int], list[int]]:
    """For each window row and column within a pool, the number of taps inside the map, vertically and horizontally."""
    (height, width, _), out = node.input.shape, node.output.shape
    return _taps(height, out[0], node.layer), _taps(width, out[1], node.layer)


def _taps(size: int, pooled: int, layer: Windows) -> list[int]:
    starts = [n * layer.stride - layer.padding for n in range(pooled * layer.pool)]
    return [min(layer.kernel, size - start) - max(0, -start) for start in starts]


def _gather_wait(node: _ConvNode, rows: list[int], columns: list[int], parts: int) -> int:
    """Cycles in which the array waits for an image's windows, as gathering takes longer than the previous window."""
    layer, (_, width, channels) = node.layer, node.input.shape
    wait = 0
    for n_y, taps_y in enumerate(rows):
        top = max(0, n_y * layer.stride - layer.padding)
        for n_x, taps_x in enumerate(columns):
            left = max(0, n_x * layer.stride - layer.padding)
            starts = [((top + k) * width + left) * channels for k in range(taps_y)]
            words = sum((start + taps_x * channels - 1) // 8 - start // 8 + 1 for start in starts)
            wait += max(0, words + 1 - 8 * parts)
    return wait


@_LOWER.for_(BinFc)
def _bin_fc(node: Node[BinFc], config: Config) -> list[Stage]:
    stage = _dense_stage(node, config)
    stage = replace(stage, out_words=pixel_words(node.layer.outputs))
    return _with_planes(stage, node, config)


@_LOWER.for_(Scores)
def _scores(node: Node[Scores], config: Config) -> list[Stage]:
    stage, classes = _dense_stage(node, config), node.layer.outputs
    # Sums are output as bit planes, with an additional row of ones.
    stage = replace(stage, out_words=pixel_words(classes) * config.acc_width, rows=stage.rows + 1, scores=classes,
                    steps=stage.steps + config.acc_width - 1, fields={**stage.fields, "score": True})
    return _with_planes(stage, node, config)


def _dense_stage(node: _DenseNode, config: Config) -> Stage:
    """A fully connected stage without the parts that depend on its output; the picture's values fill whole words."""
    picture, bits = node.source == PICTURE, node.input.bits
    in_words, planes = _in_words(node), bits == 8
    words = in_words // bits
    height, width, _ = node.input.shape
    fields = {"kernel": 1, "stride": 1, "in_height": 1, "in_width": 1, "out_height": 1, "out_width": 1,
              "pixel_words": words, "last_channels": WORD_BITS, "planes": planes,
              "tap_values": 0 if planes else node.fan_in}
    return Stage(node.index, Kind.BIN_FC, in_words, 0, ceil_div(node.layer.outputs, config.pe), 1 + words,
                 words * WORD_BITS // config.simd * bits, node.weight_bits * bits, 0, fields,
                 weight_runs=1 if picture else height * width)


def _with_planes(stage: Stage, node: _DenseNode, config: Config) -> list[Stage]:
    """``stage``, preceded by one that turns bytes into bit planes if it reads 8-bit codes."""
    if node.input.bits == 1:
        return [stage]
    words, parts = stage.fields["pixel_words"], WORD_BITS // config.simd
    fields = {"kernel": 1, "stride": 1, "in_height": 1, "in_width": words, "out_height": 1, "out_width": words,
              "pixel_words": 64, "row_words": 64 * words, "kernel_row_words": 64, "out_pixel_words": 8,
              "last_channels": WORD_BITS}
    return [Stage(node.index, Kind.PLANES, 8 * words, 8 * words, 1, 0, 8 * words * parts,
                  0, words * max(0, 9 - 8 * parts), fields), stage]
