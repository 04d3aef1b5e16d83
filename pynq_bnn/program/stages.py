"""From layers to stages: what one header of the stream asks for, in words of a lane's buffer.

A stage is a layer, but for a fully connected first layer on 8-bit pixels, which has a stage of its own before it that
turns bytes into bit planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BackendError
from ..network import BinConv, BinFc, FpConv, Network
from ..network.layers import Layer
from .config import MAX_WINDOW_BYTES, WORD_BITS, Config
from .fields import Kind


@dataclass(frozen=True)
class Stage:
    """One header, but for the places in the buffer that the schedule chooses.

    Parameters
    ----------
    layer : int
        Index in the network.
    kind : Kind
    in_words, out_words : int
        64-bit words an image has in the buffer before and behind the stage.
    tiles, rows : int
        ⌈channels / PE⌉, and ring rows of each: thresholds, weights and, for scores, a row of ones.
    steps : int
        Cycles the array needs for all windows of an image and one tile.
    work : int
        XNORs of an image that count: real inputs inside the map, for real channels, in each bit plane.
    gather : int
        Cycles that FP-Conv's gathering adds to the steps of an image and tile.
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

    @property
    def in_place(self) -> bool:
        return self.kind is Kind.PLANES


def computed_macs(layer: Layer, shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates of an image that the accelerator computes, padding included.

    Positions that no pool window uses, an odd row or column at the end, are not computed.
    """
    height, width, _ = layer.output_shape(shape)
    pool = getattr(layer, "pool", 1)
    return layer.weights.size * height * width * pool**2


def ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def pixel_words(channels: int) -> int:
    """64-bit words of a pixel of ``channels`` bits."""
    return ceil_div(channels, WORD_BITS)


def map_words(shape: tuple[int, int, int]) -> int:
    """64-bit words of a packed map."""
    return shape[0] * shape[1] * pixel_words(shape[2])


def input_words(network: Network) -> int:
    """64-bit words of an image in memory, as the first layer takes it."""
    first, values = network.layers[0], int(np.prod(network.input.shape))
    if network.input.bits == 8:
        return ceil_div(values, 8) if isinstance(first, FpConv) else 8 * ceil_div(values, WORD_BITS)
    return ceil_div(values, WORD_BITS) if isinstance(first, BinFc) else map_words(network.input.shape)


def network_stages(network: Network, config: Config) -> tuple[Stage, ...]:
    """The stages of all layers.

    Raises
    ------
    BackendError
        Names the layer and the limit of the accelerator that it exceeds.
    """
    stages: list[Stage] = []
    for index, (layer, shape) in enumerate(network.walk()):
        try:
            _check_accumulator(network, index, config)
            stages += _layer_stages(network, index, layer, shape, config)
        except BackendError as error:
            raise BackendError(f"{network.name}, layer {index} ({layer.kind}) does not fit the accelerator: "
                               f"{error}") from None
    return tuple(stages)


def _layer_stages(network: Network, index: int, layer: Layer, shape: tuple[int, int, int],
                  config: Config) -> list[Stage]:
    if isinstance(layer, BinFc):
        stages = _fc_stages(network, index, layer, shape, config)
    else:
        stages = [_conv_stage(network, index, layer, shape, config)]
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


def _check_accumulator(network: Network, index: int, config: Config) -> None:
    layer, eight_bit = network.layers[index], index == 0 and network.input.bits == 8
    # Largest distance of a sum from its threshold: twice the bound of the sum and one. Sums of bits are halved.
    reach = 2 * layer.fan_in * 255 + 1 if eight_bit else layer.fan_in + 1
    if reach >= 1 << config.acc_width - 1:
        most = ((1 << config.acc_width - 1) - 2) // (510 if eight_bit else 1)
        raise BackendError(f"{layer.fan_in} inputs overflow the accumulators of {config.acc_width} bits; "
                           f"up to {most:,} fit")


def _conv_stage(network: Network, index: int, layer: FpConv | BinConv, shape: tuple[int, int, int],
                config: Config) -> Stage:
    height, width, channels = shape
    out = layer.output_shape(shape)
    fp = isinstance(layer, FpConv)
    if fp and layer.fan_in > MAX_WINDOW_BYTES:
        raise BackendError(f"its window has {layer.fan_in} pixel values; up to {MAX_WINDOW_BYTES} fit")
    unit = channels if fp else pixel_words(channels)
    fields = {
        "kernel": layer.kernel, "stride": layer.stride, "padding": layer.padding,
        "pool_log2": layer.pool.bit_length() - 1, "pad_one": layer.pad_value == "one",
        "pad_byte": 128 if fp and network.input.signed else 0, "last_channels": last_channels(channels),
        "in_height": height, "in_width": width, "out_height": out[0], "out_width": out[1],
        "pixel_words": unit, "row_words": width * unit, "kernel_row_words": layer.kernel * unit,
        "out_pixel_words": pixel_words(out[2]), "tap_values": channels,
    }
    rows = _taps(height, out[0], layer)
    columns = _taps(width, out[1], layer)
    parts = WORD_BITS // config.simd
    positions = len(rows) * len(columns)
    gather = 0
    every_tap = layer.pad_value == "one"
    taps = positions * layer.kernel**2 if every_tap else sum(rows) * sum(columns)
    if fp:
        steps = positions * 8 * parts
        gather = _gather_wait(layer, shape, rows, columns, parts)
        in_words = ceil_div(height * width * channels, 8)
    else:
        steps = taps * unit * parts
        in_words = map_words(shape)
    weight_rows = 1 if fp else layer.kernel**2 * unit
    return Stage(index, Kind.FP_CONV if fp else Kind.BIN_CONV, in_words, map_words(out),
                 ceil_div(layer.channels_out, config.pe), 1 + weight_rows, steps,
                 taps * channels * layer.channels_out * (8 if fp else 1), gather, fields)


def last_channels(channels: int) -> int:
    """Channels in the last of a pixel's words, 1 to 64."""
    return (channels - 1) % WORD_BITS + 1


def _taps(size: int, pooled: int, layer: FpConv | BinConv) -> list[int]:
    """Taps inside the map along one side, for each window position that a pool uses."""
    starts = [n * layer.stride - layer.padding for n in range(pooled * layer.pool)]
    return [min(layer.kernel, size - start) - max(0, -start) for start in starts]


def _gather_wait(layer: FpConv, shape: tuple[int, int, int], rows: list[int], columns: list[int], parts: int) -> int:
    """Cycles by which gathering the windows of an image outlasts the planes of the windows before them."""
    _, width, channels = shape
    wait = 0
    for n_y, taps_y in enumerate(rows):
        top = max(0, n_y * layer.stride - layer.padding)
        for n_x, taps_x in enumerate(columns):
            left = max(0, n_x * layer.stride - layer.padding)
            starts = [((top + k) * width + left) * channels for k in range(taps_y)]
            words = sum((start + taps_x * channels - 1) // 8 - start // 8 + 1 for start in starts)
            wait += max(0, words + 1 - 8 * parts)
    return wait


def _fc_stages(network: Network, index: int, layer: BinFc, shape: tuple[int, int, int],
               config: Config) -> list[Stage]:
    first = index == 0
    planes = first and network.input.bits == 8
    score = layer.thresholds is None
    words = ceil_div(layer.fan_in, WORD_BITS) if first else map_words(shape)
    parts = WORD_BITS // config.simd
    fields = {"kernel": 1, "stride": 1, "in_height": 1, "in_width": 1, "out_height": 1, "out_width": 1,
              "pixel_words": words, "last_channels": WORD_BITS, "score": score, "planes": planes,
              "tap_values": 0 if planes else layer.fan_in}
    steps = words * parts * (8 if planes else 1)
    in_words = 8 * words if planes else words
    out_words = pixel_words(layer.channels_out)
    if score:
        out_words, steps = out_words * config.acc_width, steps + config.acc_width - 1
    stage = Stage(index, Kind.BIN_FC, in_words, out_words, ceil_div(layer.channels_out, config.pe),
                  1 + words + score, steps, layer.weights.size * (8 if planes else 1), 0, fields)
    return [_planes_stage(index, words, parts), stage] if planes else [stage]


def _planes_stage(index: int, words: int, parts: int) -> Stage:
    fields = {"kernel": 1, "stride": 1, "in_height": 1, "in_width": words, "out_height": 1, "out_width": words,
              "pixel_words": 64, "row_words": 64 * words, "kernel_row_words": 64, "out_pixel_words": 8,
              "last_channels": WORD_BITS}
    return Stage(index, Kind.PLANES, 8 * words, 8 * words, 1, 0, 8 * words * parts,
                 0, words * max(0, 9 - 8 * parts), fields)
