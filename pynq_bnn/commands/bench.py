"""``bench``: speed on this machine; alternatives are compared within one run."""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import numpy as np

from ..arrays import Array
from ..backends import CpuBackend, PopcountBackend
from ..classify.classifier import Classifier
from ..errors import NetworkError
from ..network import Network
from ..zoo import TOPOLOGIES, find_network, find_topology, shipped
from ..zoo.untrained import untrained_network
from .bench_rtl import bench_rtl
from .train import needs_train_extra


def bench(arguments: argparse.Namespace) -> int:
    """Print images/s of the cpu backend, cycles of the accelerator, or one of the two comparisons."""
    if arguments.backend == "rtl":
        return bench_rtl(arguments, _network(arguments.network))
    if arguments.train:
        answer = needs_train_extra(".train.bench").compare_steps()
    elif arguments.kernels:
        answer = _kernels(_network(arguments.network), arguments.images)
    else:
        answer = _classifier(_network(arguments.network), arguments.images)
    if arguments.json:
        print(json.dumps(answer))
    else:
        for key, value in answer.items():
            print(f"{key:<34}{value:,.2f}" if isinstance(value, float) else f"{key:<34}{value}")
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
    return {"network": network.name, "backend": "cpu", "images": images, "images_per_second": images / batch.wall,
            "gmac_per_second": network.macs * images / batch.wall / 1e9, "single_image_ms": 1e3 * median(single)}


def _kernels(network: Network, images: int) -> dict[str, object]:
    """Run both engines on the same pictures, the slow one on a quarter of them."""
    pixels = _pictures(network, max(images, 4))
    answer: dict[str, object] = {"network": network.name, "numpy": np.__version__}
    scores = {}
    for backend, part in ((CpuBackend(network), pixels), (PopcountBackend(network), pixels[:len(pixels) // 4])):
        backend.scores(part[:2])
        began = time.perf_counter()
        scores[backend.name] = backend.scores(part)
        seconds = time.perf_counter() - began
        answer[f"{backend.name}_gmac_per_second"] = network.macs * len(part) / seconds / 1e9
    if not np.array_equal(scores["cpu"][:len(scores["popcount"])], scores["popcount"]):
        raise NetworkError("the two engines differ; please report this with the .bnn file")
    return answer
