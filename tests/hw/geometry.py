"""Convolutions as plain loops: positions, windows and the words under them, for the benches of the walkers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from pynq_bnn.program.fields import Kind

MASK = 0xFFFF


@dataclass(frozen=True)
class Conv:
    """A convolution with its places in the buffer; ``unit`` is bytes (FP-Conv) or words (Bin-Conv) of a pixel."""

    kind: Kind
    height: int
    width: int
    channels: int
    kernel: int
    stride: int
    padding: int
    pool: int
    pad_one: bool
    tiles: int
    slots: int
    in_base: int
    in_stride: int
    out_base: int
    out_stride: int
    out_pixel_words: int

    @property
    def unit(self) -> int:
        return self.channels if self.kind is Kind.FP_CONV else -(-self.channels // 64)

    def out_size(self, size: int) -> int:
        return ((size + 2 * self.padding - self.kernel) // self.stride + 1) // self.pool

    @property
    def header(self) -> dict[str, int]:
        """Fields of the layer's header."""
        return {"kind": self.kind, "kernel": self.kernel, "stride": self.stride, "padding": self.padding,
                "pool_log2": {1: 0, 2: 1, 4: 2}[self.pool], "pad_one": self.pad_one, "tiles": self.tiles,
                "in_base": self.in_base, "in_stride": self.in_stride, "out_base": self.out_base,
                "out_stride": self.out_stride, "in_height": self.height, "in_width": self.width,
                "out_height": self.out_size(self.height), "out_width": self.out_size(self.width),
                "pixel_words": self.unit, "row_words": self.width * self.unit, "tap_values": self.channels,
                "kernel_row_words": self.kernel * self.unit, "out_pixel_words": self.out_pixel_words,
                "last_channels": (self.channels - 1) % 64 + 1}

    def positions(self, parts: int) -> Iterator[SimpleNamespace]:
        """bnn_positions' order: tiles, images of the lane, output pixels, pixels of a pool window."""
        height, width = self.out_size(self.height), self.out_size(self.width)
        for tile in range(self.tiles):
            for slot in range(self.slots):
                for out_y in range(height):
                    for out_x in range(width):
                        for n in range(self.pool**2):
                            y, x = out_y * self.pool + n // self.pool, out_x * self.pool + n % self.pool
                            place = (out_y * width + out_x) * self.out_pixel_words + tile // parts
                            last = n == self.pool**2 - 1
                            yield SimpleNamespace(
                                base=self.in_base + slot * self.in_stride, y=y * self.stride - self.padding,
                                x=x * self.stride - self.padding, out_part=tile % parts,
                                out_addr=self.out_base + slot * self.out_stride + place, pool_first=n == 0,
                                pool_last=last, tile_last=last and (slot + 1, out_y + 1, out_x + 1) ==
                                (self.slots, height, width))

    def inside(self, y: int, x: int) -> list[tuple[int, int]]:
        """The kernel's taps (row, column) that lie inside the map."""
        return [(ky, kx) for ky in range(self.kernel) for kx in range(self.kernel)
                if 0 <= y + ky < self.height and 0 <= x + kx < self.width]

    def visited(self, y: int, x: int) -> list[tuple[int, int]]:
        """The taps that cost steps: those inside, or all where the padding is +1."""
        return [(n // self.kernel, n % self.kernel) for n in range(self.kernel**2)] if self.pad_one else \
            self.inside(y, x)

    def window(self, position: SimpleNamespace) -> dict[str, int]:
        """What bnn_windows makes of a position."""
        inside, visited = (taps(position.y, position.x) for taps in (self.inside, self.visited))
        (ky, kx), (end_y, end_x) = visited[0], visited[-1]
        scale = 8 if self.kind is Kind.FP_CONV else 1
        addr = scale * position.base + ((position.y + ky) * self.width + position.x + kx) * self.unit
        span = (end_x - kx + 1) * self.unit
        return {"addr": addr & MASK, "skipped": (ky * self.kernel + kx) * self.unit, "row_span": span,
                "row_inc": self.width * self.unit - span + 1 & MASK,
                "weight_row_inc": self.kernel * self.unit - span + 1 & MASK,
                "rows_m1": end_y - ky, "cols_m1": end_x - kx,
                "y0": inside[0][0], "y1": inside[-1][0], "x0": inside[0][1], "x1": inside[-1][1],
                "values": len(visited) * self.channels, "out_addr": position.out_addr, "out_part": position.out_part,
                "pool_first": position.pool_first, "pool_last": position.pool_last, "tile_last": position.tile_last}


def random_conv(rng: random.Random, kind: Kind, slots: int = 1, tiles: int = 1, largest: int = 9) -> Conv:
    """A small convolution whose every size is random."""
    while True:
        kernel = rng.randint(1, 7)
        channels = rng.choice([1, 64, 65, 130, 192])
        if kind is Kind.FP_CONV:
            channels = rng.randint(1, max(1, 64 // kernel**2))
        conv = Conv(kind, rng.randint(1, largest), rng.randint(1, largest), channels, kernel, rng.randint(1, 2),
                    rng.randint(0, kernel - 1), rng.choice([1, 1, 2, 4]), kind is Kind.BIN_CONV and rng.random() < 0.5,
                    tiles, slots, rng.randint(0, 400), rng.randint(100, 300), rng.randint(2000, 2400),
                    rng.randint(1, 300), rng.randint(1, 3))
        if kernel**2 * channels <= 64 or kind is Kind.BIN_CONV:
            sizes = [conv.out_size(size) for size in (conv.height, conv.width)]
            # A window has a tap inside the map, as for every layer that the compiler takes.
            if min(sizes) > 0 and all(conv.inside(p.y, p.x) for p in conv.positions(1)):
                return conv


def walk_steps(walk: SimpleNamespace) -> Iterator[tuple[int, int, int, int, int]]:
    """(row, column, word, activation address, weight row) of each step of a nest of loops."""
    addr, weight = walk.addr, walk.weight
    for row in range(walk.rows_m1 + 1):
        for column in range(walk.cols_m1 + 1):
            for word in range(walk.words_m1 + 1):
                yield row, column, word, addr & MASK, weight & MASK
                row_ends = word == walk.words_m1 and column == walk.cols_m1
                addr += walk.row_inc if row_ends else walk.col_inc if word == walk.words_m1 else 1
                weight += walk.weight_row_inc if row_ends else 1
