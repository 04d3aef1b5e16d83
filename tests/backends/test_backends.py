"""cpu and popcount: the same integers, in any batch size; bad pixels refused."""

import numpy as np
import pytest
from slow_layers import check_engines
from tools import needs_rtl

from pynq_bnn.backends import BACKENDS, CpuBackend, PopcountBackend, cpu_backend, create_backend
from pynq_bnn.backends import popcount as popcount_module
from pynq_bnn.backends.popcount import popcount
from pynq_bnn.errors import BackendError
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network

# Those that need no board; tests/board has the other on a simulated one.
ANYWHERE = [pytest.param(name, marks=[needs_rtl] * (name == "rtl")) for name in BACKENDS if name != "overlay"]


@pytest.mark.parametrize("seed", range(30))
def test_engines_agree_on_random_networks_maps_and_scores(random_network, seed):
    network = random_network(seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (3, *network.input.shape), dtype=np.uint8)
    first, second = CpuBackend(network), PopcountBackend(network)
    for layer in range(len(network.layers) - 1):
        maps = [engine.map_bits(pixels, layer) for engine in (first, second)]
        assert np.array_equal(*maps), f"seed {seed}, layer {layer}"
    assert np.array_equal(first.scores(pixels), second.scores(pixels)), f"seed {seed}"


@pytest.mark.parametrize("name", ["cnv-cifar10", "binarynet-svhn", "lfc-mnist", "mlp-mnist"])
def test_engines_agree_on_published_networks(name):
    network = untrained_network(TOPOLOGIES[name])
    pixels = np.random.default_rng(1).integers(0, 256, (2, *network.input.shape), dtype=np.uint8)
    assert np.array_equal(CpuBackend(network).scores(pixels), PopcountBackend(network).scores(pixels))


@pytest.mark.parametrize("backend", ANYWHERE)
def test_an_image_scores_the_same_alone_and_in_any_batch(random_network, backend):
    network = random_network(3)
    pixels = np.random.default_rng(2).integers(0, 256, (5, *network.input.shape), dtype=np.uint8)
    with create_backend(backend, network) as engine:
        alone = np.concatenate([engine.scores(pixels[i:i + 1]) for i in range(5)])
        assert np.array_equal(engine.scores(pixels), alone)
        assert engine.scores(pixels).dtype == np.int32
        assert engine.scores(pixels[:0]).shape == (0, len(network.output.classes))
        assert engine.last_time.compute >= 0


@pytest.mark.parametrize("backend", ANYWHERE)
def test_a_stream_gives_the_scores_of_its_pieces_in_order(random_network, backend):
    network = random_network(3)
    pixels = np.random.default_rng(2).integers(0, 256, (12, *network.input.shape), dtype=np.uint8)
    with create_backend(backend, network) as engine:
        scores = list(engine.stream(pixels[start:start + 5] for start in (0, 5, 10)))
        assert np.array_equal(np.concatenate(scores), engine.scores(pixels))
        assert list(engine.stream([])) == []
        assert engine.last_time.compute == 0
        for _ in engine.stream([pixels, pixels[:1]]):
            so_far = engine.last_time.compute
        assert 0 < so_far == engine.last_time.compute


def test_batches_longer_than_a_chunk_and_a_block_keep_their_order(monkeypatch, random_network):
    network = random_network(5)
    pixels = np.random.default_rng(2).integers(0, 256, (23, *network.input.shape), dtype=np.uint8)
    expected = CpuBackend(network).scores(pixels)
    monkeypatch.setattr("pynq_bnn.backends.cpu._CHUNK_IMAGES", 5)
    monkeypatch.setattr("pynq_bnn.backends.cpu._BLOCK_VALUES", 1)
    assert np.array_equal(CpuBackend(network).scores(pixels), expected)


def test_popcount_of_words_with_and_without_numpy_2():
    words = np.random.default_rng(0).integers(0, 2**64, 500, dtype=np.uint64)
    expected = [bin(int(word)).count("1") for word in words]
    assert popcount(words).tolist() == expected
    table = popcount_module._BYTE_COUNTS
    assert table[words.view(np.uint8).reshape(-1, 8)].sum(1).tolist() == expected


@pytest.mark.parametrize("pixels", [np.zeros((1, 2, 2, 3), np.uint8), np.zeros((32, 32, 3), np.uint8),
                                    np.zeros((1, 32, 32, 3), np.float32), [[1]]])
@pytest.mark.parametrize("backend", ANYWHERE)
def test_pixels_of_another_shape_or_type_are_refused(backend, pixels):
    with pytest.raises(BackendError, match=r"\(count, 32, 32, 3\) uint8 fits"):
        create_backend(backend, untrained_network(TOPOLOGIES["cnv-cifar10"])).scores(pixels)


@pytest.mark.parametrize("backend", ANYWHERE)
def test_the_last_layer_has_no_map(random_network, backend):
    network = random_network(1)
    engine = create_backend(backend, network)
    pixels = np.zeros((1, *network.input.shape), np.uint8)
    for layer in (-1, len(network.layers) - 1):
        with pytest.raises(BackendError, match="has no map"):
            engine.map_bits(pixels, layer)


def test_an_unknown_backend_is_named_with_those_that_exist(random_network):
    with pytest.raises(BackendError, match=r"no backend 'gpu'; there are auto, cpu"):
        create_backend("gpu", random_network(1))


@pytest.mark.parametrize("seed", range(20))
def test_engines_give_what_slow_loops_over_the_number_rules_give(random_network, seed):
    network = random_network(seed)
    check_engines((CpuBackend(network), PopcountBackend(network), cpu_backend(network)), seed)
