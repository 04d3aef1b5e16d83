"""verify names the first layer and position that differ, and finds none where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from pynq_bnn import Classifier
from pynq_bnn.backends import CpuBackend
from pynq_bnn.classify.verify import verify_backend
from pynq_bnn.errors import BackendError
from pynq_bnn.network import Golden
from pynq_bnn.zoo import TOPOLOGIES
from pynq_bnn.zoo.untrained import untrained_network


@pytest.fixture(scope="module")
def network():
    plain = untrained_network(TOPOLOGIES["cnv-cifar10"])
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return replace(plain, golden=Golden(image, CpuBackend(plain).scores(image[None])[0]))


class Broken(CpuBackend):
    """A cpu backend with one wrong bit (layer ≥ 0) or one wrong score."""

    name = "broken"

    def __init__(self, network, layer, index, golden_too=False):
        super().__init__(network)
        self.layer, self.index, self.golden_too = layer, index, golden_too

    def states(self, pixels):
        for layer, state in enumerate(super().states(pixels)):
            if layer == self.layer and state.ndim == 4 and len(pixels) > 1:  # the golden image comes alone
                image, y, x, channel = self.index
                state[image, y, x, channel // 8] ^= 1 << channel % 8
            yield state

    def scores(self, pixels):
        scores = super().scores(pixels)
        if self.layer == len(self.network.layers) - 1 and (len(pixels) > 1 or self.golden_too):
            scores[self.index] += 2
        return scores


def test_a_right_backend_passes(network):
    report = Classifier(network).verify(images=2)
    assert report.ok
    assert (report.backend, report.reference, report.golden, report.images, report.layers) == \
        ("cpu", "popcount", True, 2, 9)


@pytest.mark.parametrize(("layer", "index"), [(0, (1, 29, 3, 63)), (3, (0, 4, 4, 100)), (7, (2, 0, 0, 511))])
def test_one_wrong_bit_is_found_and_named(network, layer, index):
    report = verify_backend(Broken(network, layer, index), images=3)
    assert not report.ok
    difference = report.difference
    assert (difference.layer, difference.image, difference.position) == (layer, index[0], index[1:])
    assert {difference.expected, difference.found} == {0, 1}
    assert f"layer {layer}, image {index[0]}, y {index[1]}, x {index[2]}, channel {index[3]}" in str(report.difference)


def test_one_wrong_score_is_found_and_named(network):
    report = verify_backend(Broken(network, 8, (1, 4)), images=3)
    assert (report.difference.layer, report.difference.image, report.difference.position) == (8, 1, (4,))
    assert report.difference.found == report.difference.expected + 2


def test_a_wrong_golden_score_is_found_first(network):
    report = verify_backend(Broken(network, 8, (0, 7), golden_too=True), images=3)
    assert report.difference.layer == -1
    assert "golden image, class 7" in str(report.difference)


def test_nothing_to_verify_with_is_an_error(network):
    for arguments in ({"images": 0}, {"images": -1}, {"pixels": np.zeros((0, 32, 32, 3), np.uint8)}):
        with pytest.raises(BackendError, match="one picture or more"):
            Classifier(network).verify(**arguments)
