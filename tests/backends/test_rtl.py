"""The simulated accelerator gives the integers of the cpu backend, map by map, whatever the network and the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from places import bnn_pynq_dir, data_dir
from tools import CHAINS, needs_rtl

from pynq_bnn.backends import CpuBackend, RtlBackend, Simulation, create_backend
from pynq_bnn.classify.verify import verify_backend
from pynq_bnn.data.datasets import load_dataset
from pynq_bnn.errors import BackendError
from pynq_bnn.interop.bnn_pynq import import_folder
from pynq_bnn.network import BinConv, FpConv, InputSpec, Network, OutputSpec, Scores, signed_codes
from pynq_bnn.program.config import Config
from pynq_bnn.simulation import MemoryTiming
from pynq_bnn.zoo import TOPOLOGIES, find_network, shipped
from pynq_bnn.zoo.untrained import untrained_network

pytestmark = needs_rtl

SMALL = {"buffer_depth": 1024, "ring_depth": 256}
SIZES = {
    "1 lane, 64 PE": Config(lanes=1, pe=64, simd=64, **SMALL),
    "2 lanes, 16 PE, 32 SIMD": Config(lanes=2, pe=16, simd=32, **SMALL),
    "3 lanes, 8 PE": Config(lanes=3, pe=8, simd=64, **SMALL),
    "4 lanes, 8 PE, 16 SIMD": Config(lanes=4, pe=8, simd=16, **SMALL),
    "8 lanes, 32 PE": Config(),
}
NETWORKS_EACH = 60


def noise(network, count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


def assert_equal(network, simulation, pixels, note):
    expected = list(CpuBackend(network).states(pixels))
    with RtlBackend(network, simulation) as backend:
        for number, (a, b) in enumerate(zip(expected, backend.states(pixels), strict=True)):
            assert np.array_equal(a, b), f"{note}, layer {number} ({network.layers[number].kind})"
        assert np.array_equal(expected[-1], backend.scores(pixels)), f"{note}, scores of the whole network"


@pytest.mark.parametrize("size", SIZES)
def test_random_networks_are_equal_on_every_size_of_the_accelerator(size, random_network):
    for seed in range(NETWORKS_EACH):
        network, rng = random_network(1000 + seed), np.random.default_rng(seed)
        timing = MemoryTiming.ideal() if rng.random() < 0.2 else MemoryTiming(rate=float(rng.uniform(0.2, 1)),
                                                                             latency=int(rng.integers(1, 60)))
        simulation = Simulation(SIZES[size], timing, seed, slots=int(rng.integers(1, 6)))
        assert_equal(network, simulation, noise(network, int(rng.integers(1, 24)), seed), f"{size}, seed {1000 + seed}")


def test_random_cuts_change_nothing(random_network):
    for seed in range(30):
        network, rng = random_network(2000 + seed), np.random.default_rng(seed)
        layers = np.arange(len(network.layers) - 1)
        cuts = tuple(int(cut) for cut in layers[rng.random(len(layers)) < 0.5])
        simulation = Simulation(SIZES["2 lanes, 16 PE, 32 SIMD"], seed=seed, cuts=cuts)
        pixels = noise(network, 7, seed)
        with RtlBackend(network, simulation) as backend:
            assert np.array_equal(CpuBackend(network).scores(pixels), backend.scores(pixels)), f"seed {2000 + seed}"
            assert len(backend.last_counters) == len(cuts) + 1


def wide_network(seed):
    """Kernels to 7×7, pools to 4, more than 64 channels and classes: what small random networks leave out."""
    rng = np.random.default_rng(seed)

    def bits(*shape):
        return rng.integers(0, 2, shape, dtype=np.uint8)

    spec = InputSpec(*(int(side) for side in rng.integers(9, 20, 2)), 1, signed_codes())
    layers, shape = [], spec.shape
    for kind, channels in ((FpConv, rng.integers(1, 100)), (BinConv, rng.integers(1, 140))):
        kernel = int(rng.integers(1, min(7, *shape[:2]) + 1))
        weights = bits(int(channels), kernel, kernel, shape[2])
        spread = int(np.sqrt(weights[0].size)) * (74 if kind is FpConv else 1) + 1
        thresholds = rng.integers(-spread, spread + 1, len(weights)).astype(np.int32)
        thresholds = np.clip(thresholds, -weights[0].size, weights[0].size)
        padding = int(rng.integers(0, kernel))
        least = min(side + 2 * padding - kernel + 1 for side in shape[:2])
        pool = int(rng.choice([pool for pool in (1, 2, 4) if pool <= least]))
        layers.append(kind(weights, thresholds, bits(len(weights)).astype(bool), 1, padding, pool))
        shape = layers[-1].output_shape(shape)
    classes = int(rng.integers(1, 300))
    layers.append(Scores(bits(classes, int(np.prod(shape)))))
    output = OutputSpec(tuple(map(str, range(classes))), np.ones(classes, np.float32), np.zeros(classes, np.float32))
    return Network(f"wide-{seed}", spec, tuple(layers), output)


def test_large_kernels_pools_and_many_channels_and_classes_are_equal():
    for seed in range(16):
        network = wide_network(seed)
        assert_equal(network, Simulation(seed=seed), noise(network, 9, seed), f"wide network {seed}")


def test_weights_that_no_window_uses_are_waited_for():
    """3×3 taps on a map of one pixel use one weight row of nine; the others come late from a slow memory."""
    rng = np.random.default_rng(4)

    def bits(*shape):
        return rng.integers(0, 2, shape, dtype=np.uint8)

    layers = (FpConv(bits(8, 3, 3, 1), rng.integers(-99, 99, 8).astype(np.int32), bits(8).astype(bool), 1, 1, 4),
              BinConv(bits(24, 3, 3, 8), rng.integers(-3, 4, 24).astype(np.int32), bits(24).astype(bool), 1, 1),
              Scores(bits(3, 24)))
    output = OutputSpec(("a", "b", "c"), np.ones(3, np.float32), np.zeros(3, np.float32))
    network = Network("pixel", InputSpec(4, 4, 1, signed_codes()), layers, output)
    simulation = Simulation(SIZES["3 lanes, 8 PE"], MemoryTiming(rate=0.05), cuts=())
    assert_equal(network, simulation, noise(network, 7), "one pixel")


# Enough images for a partial group behind a full one where that is quick.
BATCHES = {"binarynet-cifar10": 2, "binarynet-svhn": 3, "vgg16-cifar10": 2, "mlp-mnist": 3, "mlp-1bit-mnist": 9}


@pytest.mark.parametrize("name", CHAINS)
def test_networks_of_the_tables_are_equal_at_the_default_size(name):
    network = find_network(name) if name in shipped() else untrained_network(TOPOLOGIES[name], seed=1)
    pixels = noise(network, BATCHES.get(name, 11))
    with RtlBackend(network) as backend:
        assert np.array_equal(CpuBackend(network).scores(pixels), backend.scores(pixels))


def test_real_images_are_equal_layer_by_layer():
    network = find_network("cnv-cifar10")
    data = load_dataset(str(data_dir() / "cifar-10-batches-bin"), network.input, parts="test")
    _, split = data.evaluation_split()
    with create_backend("rtl", network) as backend:
        report = verify_backend(backend, pixels=split.images[:9])
    assert report.ok, report.difference
    assert report.golden


@pytest.mark.parametrize(("folder", "images"), [("cifar10/cnvW1A1", 3), ("mnist/lfcW1A1", 9)])
def test_imported_networks_are_equal(folder, images):
    network = import_folder(bnn_pynq_dir() / folder)
    pixels = noise(network, images)
    with RtlBackend(network) as backend:
        assert np.array_equal(CpuBackend(network).scores(pixels), backend.scores(pixels))


def test_counters_account_for_the_run():
    network = find_network("lfc-mnist")
    with RtlBackend(network) as backend:
        backend.scores(noise(network, 16))
        counters = backend.last_counters[0]
    waits = counters.wait_parameters + counters.wait_images + counters.wait_results
    assert counters.steps + waits < counters.cycles
    assert counters.steps + waits > 0.95 * counters.cycles


def test_no_image_gives_no_score(random_network):
    network = random_network(3)
    with RtlBackend(network, Simulation(SIZES["3 lanes, 8 PE"])) as backend:
        assert backend.scores(noise(network, 0)).shape == (0, network.layers[-1].outputs)


def test_trace_holds_waves(random_network, tmp_path):
    network = random_network(3)
    simulation = Simulation(SIZES["3 lanes, 8 PE"], trace=tmp_path / "waves.fst")
    with RtlBackend(network, simulation) as backend:
        backend.scores(noise(network, 1))
    assert (tmp_path / "waves.fst").stat().st_size > 1000


def test_only_the_simulation_has_waves(tmp_path):
    with pytest.raises(BackendError, match="choose rtl"):
        create_backend("cpu", find_network("lfc-mnist"), trace=tmp_path / "waves.fst")
