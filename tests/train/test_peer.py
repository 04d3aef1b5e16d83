"""The folded network in torch's floating-point layers: exact in float32."""

import numpy as np
import pytest

from pynq_bnn.backends import CpuBackend
from pynq_bnn.train.peer import scores_in


@pytest.mark.parametrize("seed", range(20))
def test_float32_gives_the_scores_of_the_exact_engines(random_network, seed):
    network = random_network(seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (3, *network.input.shape), dtype=np.uint8)
    assert np.array_equal(scores_in(network, "float32")(pixels), CpuBackend(network).scores(pixels)), f"seed {seed}"


def test_bfloat16_rounds_but_runs(random_network):
    network = random_network(3)
    pixels = np.random.default_rng(3).integers(0, 256, (3, *network.input.shape), dtype=np.uint8)
    scores = scores_in(network, "bfloat16")(pixels)
    assert scores.dtype == np.int32
    assert scores.shape == (3, len(network.output.classes))
