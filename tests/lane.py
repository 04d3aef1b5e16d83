"""A lane of the accelerator in slow Python: it takes a program's words by the tables of hw/README.md, and nothing else.

No cycles, no handshakes, one lane; for what the words mean, not for how the gates do it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from pynq_bnn.simulation import hw_directory

FP_CONV, BIN_CONV, BIN_FC, PLANES = 1, 2, 3, 4
MASK = (1 << 64) - 1


@lru_cache
def table(name: str) -> list[tuple[int, int, int, str]]:
    """(word, lowest bit, bits, field) of a record, as the README prints it."""
    text = (hw_directory() / "README.md").read_text(encoding="utf-8")
    text = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    rows = re.findall(r"^\| (\d) \| (?:(\d+)…)?(\d+) \| (\w+) \|", text, re.M)
    return [(int(word), int(low), int(high or low) - int(low) + 1, field) for word, high, low, field in rows]


def record(name: str, words: list[int]) -> dict[str, int]:
    folded = 0
    for part in (word >> shift & 0xFFFF for word in words for shift in range(0, 64, 16)):
        folded ^= part
    assert folded == 0xFFFF or name == "threshold", f"check of {name}"
    return {field: words[word] >> low & (1 << bits) - 1 for word, low, bits, field in table(name)}


class Lane:
    """``run`` gives what a program of ``words`` writes for images that are already packed."""

    def __init__(self, words: np.ndarray, pe: int, depth: int, acc_width: int) -> None:
        self.words, self.pe, self.acc_width = [int(word) for word in words], pe, acc_width
        self.program = record("program", self.take(3))
        assert self.program["magic"] == 0xB59A
        self.layers = []
        for number in range(self.program["layers"]):
            header = record("layer", self.take(5))
            assert (header["magic"], header["index"]) == (0xB51E, number)
            assert header["last"] == (number == self.program["layers"] - 1)
            tiles = [[self.take(pe) for _ in range(header["rows"])]
                     for _ in range(header["tiles"] if header["kind"] != PLANES else 0)]
            self.layers.append((header, tiles))
        assert not self.words, "words behind the last layer"
        assert sum(header["frees_images"] for header, _ in self.layers) == 1
        self.memory: list[int | None] = [None] * depth

    def take(self, count: int) -> list[int]:
        taken, self.words = self.words[:count], self.words[count:]
        assert len(taken) == count, "the program ends early"
        return taken

    def run(self, images: np.ndarray) -> np.ndarray:
        """(N, words) uint64 of (N, words) uint64."""
        p, results = self.program, []
        for first in range(0, len(images), p["slots"]):
            group = images[first:first + p["slots"]]
            for slot, image in enumerate(group):
                self.store(p["in_base"] + slot * p["in_stride"], [int(word) for word in image])
                assert len(image) == p["in_words"]
            for header, tiles in self.layers:
                for slot in range(len(group)):
                    self.store(header["out_base"] + slot * header["out_stride"], self.layer(header, tiles, slot))
                if header["frees_images"]:  # the next group's images may come in
                    self.store(p["in_base"], [None] * (len(group) * p["in_stride"]))
            results += [self.result(slot) for slot in range(len(group))]
        return np.array(results, np.uint64)

    def store(self, base: int, words: list) -> None:
        assert base + len(words) <= len(self.memory), "beyond the lane's memory"
        self.memory[base:base + len(words)] = words

    def load(self, base: int, count: int) -> list:
        words = self.memory[base:base + count]
        assert len(words) == count
        return words

    def result(self, slot: int) -> list[int]:
        p = self.program
        base = p["out_base"] + slot * p["out_stride"]
        if not p["scores"]:
            return self.load(base, p["out_words"])
        planes = np.array(self.load(base, p["out_stride"]), object).reshape(-1, self.acc_width)
        scores = []
        for c in range(p["classes"]):
            value = sum((planes[c // 64][bit] >> c % 64 & 1) << bit for bit in range(self.acc_width))
            value -= (value >> self.acc_width - 1) << self.acc_width
            scores.append(2 * value + p["odd"] if p["halved"] else value)
        words = np.zeros(2 * p["out_words"], np.int32)
        words[:len(scores)] = scores
        return [int(word) for word in words.view(np.uint64)]

    # --- a layer on one image ---------------------------------------------------------------------------

    def layer(self, h: dict, tiles: list, slot: int) -> list[int]:
        base = h["in_base"] + slot * h["in_stride"]
        if h["kind"] == PLANES:
            return self.planes(self.load(base, h["in_stride"]))
        if h["kind"] == BIN_FC:
            sums = self.sums(h, tiles, [self.fc_window(h, base)])
            return self.score_planes(sums[0]) if h["score"] else self.packed(sums, tiles, 1, (len(sums[0]) + 63) // 64)
        pool, words = 1 << h["pool_log2"], []
        for y, x in np.ndindex(h["out_height"], h["out_width"]):
            windows = [self.conv_window(h, base, y * pool + dy, x * pool + dx)
                       for dy in range(pool) for dx in range(pool)]
            words += self.packed(self.sums(h, tiles, windows), tiles, len(windows), h["out_pixel_words"])
        return words

    def fc_window(self, h: dict, base: int):
        """[(weight row, activation word or 8 planes)], and N."""
        count = h["pixel_words"]
        words = self.load(base, (8 if h["planes"] else 1) * count)
        taps = [(k, words[8 * k:8 * k + 8] if h["planes"] else [words[k]]) for k in range(count)]
        return taps, h["tap_values"]

    def conv_window(self, h: dict, base: int, y: int, x: int):
        top, left = y * h["stride"] - h["padding"], x * h["stride"] - h["padding"]
        inside = {(ky, kx) for ky in range(h["kernel"]) for kx in range(h["kernel"])
                  if 0 <= top + ky < h["in_height"] and 0 <= left + kx < h["in_width"]}
        if h["kind"] == FP_CONV:
            window = [h["pad_byte"]] * 64
            for ky, kx in inside:
                for c in range(h["pixel_words"]):
                    place = (top + ky) * h["row_words"] + (left + kx) * h["pixel_words"] + c
                    byte = self.load(base + place // 8, 1)[0] >> 8 * (place % 8) & 255
                    window[ky * h["kernel_row_words"] + kx * h["pixel_words"] + c] = byte
            return [(0, [sum((byte >> bit & 1) << i for i, byte in enumerate(window)) for bit in range(8)])], 0
        taps, real = [], 0
        for ky, kx in np.ndindex(h["kernel"], h["kernel"]):
            row = ky * h["kernel_row_words"] + kx * h["pixel_words"]
            if (ky, kx) in inside:
                words = self.load(base + (top + ky) * h["row_words"] + (left + kx) * h["pixel_words"], h["pixel_words"])
            elif h["pad_one"]:
                words = [MASK] * (h["pixel_words"] - 1) + [(1 << h["last_channels"]) - 1]
            else:
                continue
            taps += [(row + w, [word]) for w, word in enumerate(words)]
            real += h["tap_values"]
        return taps, real

    def sums(self, h: dict, tiles: list, windows: list) -> list[list[int]]:
        """For each window the accumulators of all channels, the tiles' empty ones included."""
        result = []
        for taps, real in windows:
            row = []
            for tile in tiles:
                assert len(tile) >= 1 + max(k for k, _ in taps) + 1
                for pe in range(self.pe):
                    rule = record("threshold", [tile[0][pe]])
                    start = rule["start"] - (rule["start"] >> 31 << 32)
                    acc = (start - real) // 2
                    planes = len(taps[0][1])
                    for bit in reversed(range(planes)):
                        if bit < planes - 1:
                            acc = 2 * acc + (rule["carries"] >> bit & 1)
                        acc += sum(bin(~(words[bit] ^ tile[1 + k][pe]) & MASK).count("1") for k, words in taps)
                    assert -(1 << self.acc_width - 1) <= acc < 1 << self.acc_width - 1, "overflow"
                    row.append(acc)
            result.append(row)
        return result

    def packed(self, sums: list[list[int]], tiles: list, pool: int, words: int) -> list[int]:
        assert len(sums) == pool
        inverts = [record("threshold", [tile[0][pe]])["invert"] for tile in tiles for pe in range(self.pe)]
        bits = [invert ^ any(row[c] >= 0 for row in sums) for c, invert in enumerate(inverts)]
        value = sum(int(bit) << c for c, bit in enumerate(bits))
        assert value < 1 << 64 * words, "channels that do not exist are not 0"
        return [value >> 64 * w & MASK for w in range(words)]

    def score_planes(self, sums: list[int]) -> list[int]:
        sums = sums + [0] * (-len(sums) % 64)
        return [sum((value >> bit & 1) << c for c, value in enumerate(sums[first:first + 64]))
                for first in range(0, len(sums), 64) for bit in range(self.acc_width)]

    @staticmethod
    def planes(words: list[int]) -> list[int]:
        """64 bytes in eight words become eight words, one a bit."""
        result = []
        for first in range(0, len(words), 8):
            pixels = [words[first + i // 8] >> 8 * (i % 8) & 255 for i in range(64)]
            result += [sum((byte >> bit & 1) << i for i, byte in enumerate(pixels)) for bit in range(8)]
        return result
