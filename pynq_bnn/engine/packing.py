"""From layers to what the library reads: weights in panels, thresholds as levels, places of maps."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from .layers import PICTURE, AnyLayer, BitLayer, PixelLayer, Shape, Source, output_shape
from .native import BIT_LANES, BIT_SUMS, PACK_PIXELS, PIXEL_LANES, PIXEL_SUMS, LayerStruct, Library, SourceStruct
from .plan import Plan, words

_NEVER = np.iinfo(np.int32).max


def make_plan(library: Library, input_shape: Shape, layers: Sequence[AnyLayer], *,
              one_bit: Array | None = None, instruction_set: str | None = None) -> Plan:
    """Bring ``layers`` into the library's form.

    Parameters
    ----------
    input_shape : (height, width, channels)
    layers : sequence of BitLayer and PixelLayer
        In order and taken as checked; the last, and no other, gives scores.
    one_bit : (256,) of 0 and 1, optional
        The bit of each pixel value, for layers that read :data:`~.layers.PICTURE`.
    instruction_set : str, optional
        Instead of the fastest that this processor has.

    Raises
    ------
    BackendError
        There is no such instruction set here.
    """
    number = library.number(instruction_set)
    shapes = {PICTURE: input_shape}
    for index, layer in enumerate(layers):
        shapes[index] = output_shape(layer, shapes)
    packer = _Packer(shapes, place_maps(layers, shapes), library.pixel_taps(number))
    structs = [packer.picture(one_bit)] if one_bit is not None else []
    for index, layer in enumerate(layers):
        structs.append(packer.pixels(index, layer) if isinstance(layer, PixelLayer) else packer.bits(index, layer))
    return Plan(library, number, (LayerStruct * len(structs))(*structs), packer.keep,
                [shapes[index] for index in range(len(layers))], [packer.places[index] for index in range(len(layers))],
                max(packer.places[index] + words(shape) for index, shape in shapes.items()),
                len(structs) - len(layers))


def place_maps(layers: Sequence[AnyLayer], shapes: dict[int, Shape]) -> dict[int, int]:
    """The first word of each map in the arena of one image; maps in use at the same time do not overlap."""
    last = {index: index for index in shapes}
    for index, layer in enumerate(layers):
        for read in reads(layer):
            last[read] = index
    places: dict[int, int] = {}
    for index in sorted(shapes):
        start = 0
        for other in sorted((other for other in places if last[other] >= index), key=places.__getitem__):
            if start + words(shapes[index]) <= places[other]:
                break
            start = max(start, places[other] + words(shapes[other]))
        places[index] = start
    return places


def reads(layer: AnyLayer) -> list[int]:
    """The maps that a layer reads."""
    if isinstance(layer, PixelLayer):
        return []
    return [source.map for source in layer.sources] + ([] if layer.shortcut is None else [layer.shortcut])


class _Packer:
    """Makes the structs, and keeps the arrays that they point to."""

    def __init__(self, shapes: dict[int, Shape], places: dict[int, int], taps: int) -> None:
        self.keep: list[object] = []
        self.places = places
        self._shapes, self._taps = shapes, taps

    def picture(self, table: Array) -> LayerStruct:
        """The step that makes a map of bits of the picture."""
        height, width, channels = self._shapes[PICTURE]
        source = SourceStruct(height=height, width=width, channels=channels)
        struct = LayerStruct(kind=PACK_PIXELS, sources=1, source=self._sources([source]),
                             table=self._address(table, np.uint8))
        return self._with_output(struct, PICTURE)

    def bits(self, index: int, layer: BitLayer) -> LayerStruct:
        classes = [_classes(source, self._shapes[source.map]) for source in layer.sources]
        shape = self._shapes[index]
        rows, columns = (_positions(classes, side, shape[side] * layer.pool) for side in (0, 1))
        levels, others = _bit_levels(layer, rows[0], columns[0])
        flat = [_bit_rows(source.weights.reshape(shape[2], -1)) for source in layer.sources]
        weights = _panels(np.concatenate(flat, axis=1)[:, :, None], BIT_LANES)
        struct = LayerStruct(kind=BIT_SUMS, sources=len(layer.sources), row_words=sum(part.shape[1] for part in flat),
                             source=self._sources([self._source(source) for source in layer.sources]),
                             weights=self._address(weights, np.uint64), levels=self._address(levels, np.int32))
        if others is not None and layer.shortcut is not None:
            struct.shortcut_levels, struct.shortcut = self._address(others, np.int32), self.places[layer.shortcut]
        return self._finish(struct, index, layer, rows[1] * len(columns[0]), columns[1])

    def pixels(self, index: int, layer: PixelLayer) -> LayerStruct:
        signs = layer.weights.reshape(len(layer.weights), -1).astype(np.int8) * 2 - 1
        padded = np.pad(signs, ((0, 0), (0, -signs.shape[1] % self._taps)))
        weights = _panels(padded.reshape(len(signs), -1, self._taps), PIXEL_LANES)
        # A byte is the code plus this.
        offset = (128 if self._taps > 1 else 0) - (0 if layer.codes.min() < 0 else 128)
        thresholds = 0 if layer.thresholds is None else layer.thresholds
        levels = _pad_channels(thresholds + offset * signs.sum(axis=1, dtype=np.int64), _NEVER)
        source = Source(PICTURE, layer.weights, layer.stride, layer.padding, offset & 255)
        struct = LayerStruct(kind=PIXEL_SUMS, sources=1, source=self._sources([self._source(source)]),
                             row_words=padded.shape[1], weights=self._address(weights, np.int8),
                             levels=self._address(levels, np.int32),
                             table=self._address(layer.codes + offset & 255, np.uint8))
        zeros = [np.zeros(side * layer.pool, np.int32) for side in self._shapes[index][:2]]
        return self._finish(struct, index, layer, *zeros)

    def _finish(self, struct: LayerStruct, index: int, layer: AnyLayer, rows: Array,
                columns: Array) -> LayerStruct:
        """What layers of both kinds have in common."""
        struct.out_height, struct.out_width, struct.channels = self._shapes[index]
        struct.pool = layer.pool
        struct.row_class, struct.column_class = self._address(rows, np.int32), self._address(columns, np.int32)
        if layer.thresholds is None:
            struct.output = -1
            return struct
        struct.invert = self._address(_bit_rows(np.asarray(layer.invert, np.uint8)[None]), np.uint64)
        return self._with_output(struct, index)

    def _with_output(self, struct: LayerStruct, index: int) -> LayerStruct:
        struct.output, struct.output_words = self.places[index], words(self._shapes[index])
        return struct

    def _source(self, source: Source) -> SourceStruct:
        height, width, channels = self._shapes[source.map]
        return SourceStruct(self.places[source.map], words(self._shapes[source.map]), height, width, channels,
                            *source.weights.shape[1:3], source.stride, source.padding, source.fill or 0)

    def _sources(self, sources: list[SourceStruct]) -> ctypes.Array[SourceStruct]:
        array = (SourceStruct * len(sources))(*sources)
        self.keep.append(array)
        return array

    def _address(self, values: Array, dtype: type) -> int:
        """The address of a copy that starts a cache line."""
        values = np.asarray(values).astype(dtype)
        room = np.empty(values.nbytes + 64, np.uint8)
        start = -room.ctypes.data % 64
        copy: Array = room[start:start + values.nbytes].view(dtype)
        copy[:] = values.ravel()
        self.keep.append(copy)
        return int(copy.ctypes.data)


Part = tuple[int, int]


def _classes(source: Source, shape: Shape) -> tuple[list[Part], list[Part]]:
    """For each position down and across, the taps [first, last) of its window that add to the sum."""
    sides = []
    for size, kernel in zip(shape[:2], source.weights.shape[1:3]):
        count = (size + 2 * source.padding - kernel) // source.stride + 1
        starts = [position * source.stride - source.padding for position in range(count)]
        counted = source.fill is not None
        sides.append([(0, kernel) if counted else _clip(start, kernel, size) for start in starts])
    return sides[0], sides[1]


def _clip(start: int, kernel: int, size: int) -> Part:
    first, last = max(0, -start), min(kernel, size - start)
    return (first, last) if first < last else (0, 0)


def _positions(classes: list[tuple[list[Part], list[Part]]], side: int,
               count: int) -> tuple[list[tuple[Part, ...]], Array]:
    """The different kinds of position along one side, and the kind of each."""
    each = list(zip(*(sides[side][:count] for sides in classes)))
    kinds = list(dict.fromkeys(each))
    numbers = {kind: number for number, kind in enumerate(kinds)}
    return kinds, np.array([numbers[kind] for kind in each], np.int32)


def _bit_levels(layer: BitLayer, rows: list[tuple[Part, ...]],
                columns: list[tuple[Part, ...]]) -> tuple[Array, Array | None]:
    """Levels of each kind of position and channel; a second table where a shortcut chooses.

    Bits outside the map are gathered as 0, so the ones among their weights are counted as differing:
    acc = real taps − 2·(differ − ones outside).
    """
    sums = np.zeros((len(rows), len(columns), len(layer.sources[0].weights)), np.int64)
    for number, source in enumerate(layer.sources):
        ones = source.weights.sum(axis=3, dtype=np.int64)
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                (y0, y1), (x0, x1) = row[number], column[number]
                outside = ones.sum(axis=(1, 2)) - ones[:, y0:y1, x0:x1].sum(axis=(1, 2))
                sums[y, x] += (y1 - y0) * (x1 - x0) * source.weights.shape[3] + 2 * outside
    if layer.thresholds is None:
        return _pad_channels(sums, 0), None
    levels = [_pad_channels((sums - row) // 2, -1) for row in np.atleast_2d(layer.thresholds).astype(np.int64)]
    return levels[0], levels[1] if len(levels) == 2 else None


def _pad_channels(levels: Array, never: int) -> Array:
    """Channels rounded up to whole panels; those that are not there give the bit 0."""
    widths = [(0, 0)] * (levels.ndim - 1) + [(0, -levels.shape[-1] % PIXEL_LANES)]
    return np.pad(levels, widths, constant_values=never)


def _bit_rows(bits: Array) -> Array:
    """(M, ceil(n/64)) uint64 of (M, n) bits, least significant first."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _panels(rows: Array, lanes: int) -> Array:
    """(panels, n, lanes, k) of (out, n, k): what a step reads of all lanes lies together."""
    padded = np.pad(rows, ((0, -len(rows) % lanes), (0, 0), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, lanes, *rows.shape[1:]).transpose(0, 2, 1, 3))
