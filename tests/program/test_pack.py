"""Words for the accelerator, against loops that place each bit by its definition."""

from __future__ import annotations

import numpy as np

from pynq_bnn.program.config import Config
from pynq_bnn.program.pack import image_bytes, pack_images, pack_program, unpack_map, unpack_scores, weight_words
from pynq_bnn.program.schedule import schedule
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


def bit(words, place):
    return int(words[place // 64]) >> place % 64 & 1


def test_weights_of_a_pixel_fill_whole_words_and_the_rest_is_one():
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (3, 2, 2, 70), dtype=np.uint8)
    words = weight_words(bits.reshape(3, 4, 70))
    assert words.shape == (3, 8)
    for o, ky, kx, c in np.ndindex(3, 2, 2, 128):
        expected = bits[o, ky, kx, c] if c < 70 else 1
        assert bit(words[o], 128 * (2 * ky + kx) + c) == expected


def test_weights_behind_a_map_follow_its_pixels():
    bits = np.random.default_rng(2).integers(0, 2, (2, 3 * 2 * 5), dtype=np.uint8)
    words = weight_words(bits.reshape(2, 6, 5))
    for o, y, x, c in np.ndindex(2, 3, 2, 64):
        expected = bits[o, (2 * y + x) * 5 + c] if c < 5 else 1
        assert bit(words[o], 64 * (2 * y + x) + c) == expected


def test_images_are_bytes_or_bits_as_the_first_layer_takes_them(random_network):
    seen = set()
    for seed in range(40):
        network = random_network(seed)
        pixels = np.random.default_rng(seed).integers(0, 256, (2, *network.input.shape), dtype=np.uint8)
        words = pack_images(network, pixels)
        codes = network.input.encode(pixels).reshape(2, -1).astype(int)
        kind = network.input.bits, network.layers[0].kind
        seen.add(kind)
        for n, k in np.ndindex(codes.shape):
            if kind[0] == 8:
                value = int(words[n, k // 8]) >> 8 * (k % 8) & 0xFF
                assert value == codes[n, k] + (128 if network.input.map.signed else 0), seed
            else:
                channels = network.input.channels
                place = k if kind[1] in ("bin_fc", "scores") else 64 * (k // channels) + k % channels
                assert bit(words[n], place) == (codes[n, k] > 0), seed
    assert len(seen) >= 3


def test_pixels_that_are_the_codes_are_not_copied_through_a_table():
    assert image_bytes(untrained_network(TOPOLOGIES["cnv-cifar10"])) is None


def test_maps_and_scores_come_back_as_backends_give_them():
    bits = np.random.default_rng(3).integers(0, 2, (2, 3, 4, 70), dtype=np.uint8)
    padded = np.zeros((2, 3, 4, 128), np.uint8)
    padded[..., :70] = bits
    words = np.packbits(padded, axis=-1, bitorder="little").view("<u8").reshape(2, -1)
    assert np.array_equal(unpack_map(words, (3, 4, 70)), np.packbits(bits, axis=-1, bitorder="little"))
    scores = np.array([[1, -2, 3], [-4, 5, -6]], np.int32)
    words = np.concatenate([scores, np.zeros((2, 1), np.int32)], axis=1).view(np.uint64)
    assert np.array_equal(unpack_scores(words, 3), scores)


def test_a_program_is_as_long_as_its_tiles(random_network):
    for seed in range(30):
        network, config = random_network(seed), Config(pe=16, ring_depth=256, buffer_depth=1024)
        for program in schedule(network, config, 5).programs:
            expected = 3 + sum(5 + stage.tiles * stage.rows * 16 for stage in program.stages)
            assert len(pack_program(network, program, config)) == expected
