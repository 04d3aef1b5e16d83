"""The accuracy that the README states, on the publishers' test pictures, by the integer network."""

import json

import pytest
from places import data_dir

from pynq_bnn import zoo
from pynq_bnn.cli import main

FLOORS = {"binarynet-cifar10": 0.91, "binealnet-cifar10": 0.915, "cnv-cifar10": 0.838, "lfc-mnist": 0.99,
          "mlp-mnist": 0.992, "vgg16-cifar10": 0.877}


def test_every_network_that_ships_is_judged():
    assert set(FLOORS) == set(zoo.shipped())


@pytest.mark.parametrize("name", FLOORS)
def test_evaluate_gives_the_accuracy_that_the_file_states(name, capsys):
    assert main(["evaluate", name, "--data", str(data_dir()), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["images"] == 10_000
    assert answer["top1"] >= FLOORS[name]
    assert answer["top1"] <= answer["top5"] <= 1
    assert answer["top1"] == pytest.approx(zoo.find_network(name).provenance["test_accuracy"], abs=5e-4)


@pytest.mark.parametrize("name", FLOORS)
def test_real_pictures_give_the_same_bits_in_both_engines(name, capsys):
    assert main(["verify", name, "--data", str(data_dir()), "--images", "8"]) == 0
    assert "equals popcount in every bit" in capsys.readouterr().out
