"""``bench``: speed on this machine; alternatives are compared within one run."""

from __future__ import annotations

import argparse
import json
from statistics import median

import numpy as np

from ..arrays import Array
from ..backends import Backend, CompiledBackend
from ..classify.classifier import Classifier
from ..network import Network
from ..zoo import TOPOLOGIES, find_network, find_topology, shipped
from ..zoo.untrained import untrained_network
from .bench_rtl import bench_rtl
from .engines import compare_engines
from .train import needs_train_extra


def bench(arguments: argparse.Namespace) -> int:
    """Print images/s of the cpu backend, cycles of the accelerator, or one of the comparisons."""
    if arguments.backend == "rtl":
        return bench_rtl(arguments, _network(arguments.network))
    if arguments.train:
        answer = needs_train_extra(".train.bench").compare_steps()
    elif arguments.kernels or arguments.against:
        network = _network(arguments.network)
        answer = compare_engines(network, _pictures(network, max(arguments.images, 8)), arguments.against)
    else:
        answer = _classifier(_network(arguments.network), arguments.images)
    if arguments.json:
        print(json.dumps(answer))
    else:
        width = max(34, *(len(key) + 2 for key in answer))
        for key, value in answer.items():
            print(f"{key:<{width}}{value:,.2f}" if isinstance(value, float) else f"{key:<{width}}{value}")
    return 0


def _network(name: str) -> Network:
    if name in TOPOLOGIES and name not in shipped() or name.endswith(".json"):
        return untrained_network(find_topology(name))
    return find_network(name)


def _pictures(network: Network, images: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, (images, *network.input.shape), dtype=np.uint8)


def _classifier(network: Network, images: int) -> dict[str, object]:
    pixels = _pictures(network, images)
    with Classifier(network, "cpu") as classifier:
        classifier.classify(pixels[:8])
        classifier.classify(pixels)
        batch = classifier.timing
        single = []
        for picture in pixels[:16]:
            classifier.classify(picture)
            single.append(classifier.timing.wall)
        answer = {"network": network.name, "backend": "cpu", **_engine(classifier.backend), "images": images}
    return {**answer, "images_per_second": images / batch.wall,
            "gmac_per_second": network.macs * images / batch.wall / 1e9, "single_image_ms": 1e3 * median(single)}


def _engine(backend: Backend) -> dict[str, object]:
    """Which engine the backend "cpu" is here."""
    if isinstance(backend, CompiledBackend):
        return {"engine": f"compiled, {backend.instruction_set}", "threads": backend.threads}
    return {"engine": "NumPy; pynq-bnn was installed without a C compiler", "numpy": np.__version__}
