"""Held-out pictures: a part of every class, no group on both sides, fixed by the seed; old trainings keep their own."""

import logging

import numpy as np
import pytest

from pynq_bnn.data.datasets import Dataset
from pynq_bnn.data.split import Split
from pynq_bnn.errors import TrainError
from pynq_bnn.train.holdout import RANDOM, split_validation


def dataset(*counts, groups=None, validation=None):
    """``counts`` pictures a class; each has its own number as pixel value."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    names = tuple(f"class {number}" for number in range(len(counts)))
    return Dataset("d", names, Split(images, labels, groups), validation)


def numbers(split):
    return split.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_every_class_gives_its_part_and_nothing_is_on_both_sides(seed):
    data = dataset(100, 40, 20, 5)
    training, validation = split_validation(data, 0.1, seed)
    assert np.bincount(validation.labels).tolist() == [10, 4, 2, 1]
    assert sorted(numbers(training) + numbers(validation)) == list(range(165))
    assert numbers(validation) == numbers(split_validation(data, 0.1, seed)[1])
    assert numbers(validation) != numbers(split_validation(data, 0.1, seed + 1)[1])
    assert numbers(training) != sorted(numbers(training))  # in no order of classes


def test_a_class_of_three_gives_one_and_one_of_fewer_is_named(caplog):
    _, validation = split_validation(dataset(3, 2, 1, 50), 0.1, 1)
    assert np.bincount(validation.labels, minlength=4).tolist() == [1, 0, 0, 5]
    assert "held out of 2 class(es): class 1, class 2" in caplog.text
    caplog.clear()
    split_validation(dataset(3, 3), 0.9, 1)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(("counts", "part"), [((1, 1), 0.5), ((2, 1), 0.1), ((0, 0), 0.1)])
def test_too_few_pictures_are_refused(counts, part):
    with pytest.raises(TrainError, match="too few"):
        split_validation(dataset(*counts), part, 1)


def test_a_group_stays_on_one_side():
    groups = np.repeat(np.arange(20), 6)
    training, validation = split_validation(dataset(60, 60, groups=groups), 0.1, 3)
    assert not set(training.groups) & set(validation.groups)
    assert np.bincount(validation.labels).tolist() == [6, 6]
    one = np.zeros(60, int)
    with pytest.raises(TrainError, match="too few"):  # all of it one group
        split_validation(dataset(60, groups=one), 0.1, 3)


def test_a_validation_split_of_its_own_is_taken_and_the_training_pictures_shuffled():
    held = Split(np.zeros((2, 1, 1, 1), np.uint8), np.array([0, 1]))
    training, validation = split_validation(dataset(20, 20, validation=held), 0.5, 1)
    assert validation is held
    assert sorted(numbers(training)) == list(range(40)) != numbers(training)
    assert numbers(split_validation(dataset(20, 20, validation=held), 0.5, 1, RANDOM)[0]) == list(range(40))


def test_the_rule_of_earlier_trainers_is_the_first_part_of_a_permutation(caplog):
    """What NumPy's generator gives for the seed, as those trainers took it."""
    order = np.random.default_rng(7).permutation(60)
    training, validation = split_validation(dataset(40, 20), 0.2, 7, RANDOM)
    assert numbers(validation) == order[:12].tolist()
    assert numbers(training) == order[12:].tolist()
    with caplog.at_level(logging.WARNING), pytest.raises(TrainError, match="by the rule 'other'"):
        split_validation(dataset(40, 20), 0.2, 7, "other")
