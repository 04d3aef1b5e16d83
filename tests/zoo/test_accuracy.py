"""The accuracy that the README states, on the publishers' test pictures, by the integer network."""

import json
from dataclasses import replace

import numpy as np
import pytest
from places import data_dir

from pynq_bnn import Classifier, zoo
from pynq_bnn.classify.evaluate import evaluate
from pynq_bnn.cli import main
from pynq_bnn.data.datasets import load_dataset

FLOORS = {"binarynet-cifar10": 0.91, "cnv-cifar10": 0.838, "lfc-mnist": 0.99, "mlp-mnist": 0.992,
          "vgg16-cifar10": 0.877}
# All 10,000 pictures of this one too would bring CI near its limit, so some are drawn.
SAMPLED, DRAWN = "vgg16-cifar10", 2_000


@pytest.mark.parametrize("name", [name for name in FLOORS if name != SAMPLED])
def test_evaluate_gives_the_accuracy_that_the_file_states(name, capsys):
    assert main(["evaluate", name, "--data", str(data_dir()), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["images"] == 10_000
    assert answer["top1"] >= FLOORS[name]
    assert answer["top1"] <= answer["top5"] <= 1
    assert answer["top1"] == pytest.approx(zoo.find_network(name).provenance["test_accuracy"], abs=5e-4)


def test_drawn_pictures_agree_with_the_accuracy_that_the_sampled_file_states():
    with Classifier(SAMPLED) as classifier:
        data = load_dataset(data_dir(), classifier.network.input, parts="test")
        drawn = np.random.default_rng(0).choice(len(data.test), DRAWN, replace=False)
        answer = evaluate(classifier, replace(data, test=data.test.take(drawn)))
    stated = classifier.network.provenance["test_accuracy"]
    assert stated >= FLOORS[SAMPLED]
    # Three standard errors of the share of right answers.
    assert answer.top1 == pytest.approx(stated, abs=3 * (stated * (1 - stated) / DRAWN) ** 0.5)
    assert answer.top1 <= answer.top5 <= 1


@pytest.mark.parametrize("name", FLOORS)
def test_real_pictures_give_the_same_bits_in_both_engines(name, capsys):
    assert main(["verify", name, "--data", str(data_dir()), "--images", "8"]) == 0
    assert "equals popcount in every bit" in capsys.readouterr().out
