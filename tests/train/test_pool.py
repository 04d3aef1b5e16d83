"""A pool: every copy made once from the seed, shared by trainings, answered to once by a teacher."""

import gc

import numpy as np
import pytest
import torch
from devices import DEVICES

from pynq_bnn.data.split import Split
from pynq_bnn.network import InputSpec, signed_codes
from pynq_bnn.train import pool as pool_module
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.pool import PooledBatches

CONFIG = TrainConfig(pool=3, crop=2, flip=True, batch=6)


def noise(count=20, seed=0):
    rng = np.random.default_rng(seed)
    return Split(rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), np.arange(count))


def pooled(config=CONFIG, device="cpu", split=None):
    return PooledBatches(split or noise(), InputSpec(8, 8, 3, signed_codes()), config, torch.device(device))


def epoch(batches, number, config=CONFIG):
    """Pixels in the order of their labels."""
    parts = list(batches.shuffled(config, number))
    labels = torch.cat([part[1] for part in parts])
    pixels = torch.cat([part[0] for part in parts]).permute(0, 2, 3, 1) + 128
    return pixels[labels.argsort()].cpu().numpy()


class Sum(torch.nn.Module):
    """A teacher that answers with the sums of each colour, and counts what it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, q):
        self.asked += len(q)
        return q.double().sum((2, 3))


@pytest.mark.parametrize("device", DEVICES)
def test_epochs_go_round_the_copies_in_another_order_each_time(device):
    batches = pooled(device=device)
    first = [epoch(batches, number) for number in range(6)]
    for number in range(3):
        assert np.array_equal(first[number], first[number + 3])
        assert not np.array_equal(first[number], first[(number + 1) % 3])
    orders = [torch.cat([labels for _, labels in batches.shuffled(CONFIG, number)]).tolist() for number in (0, 3)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))


def test_each_picture_of_a_copy_is_a_window_of_its_padded_self():
    split = noise()
    for pixels, original in zip(epoch(pooled(), 1), split.images):
        padded = np.pad(original, ((2, 2), (2, 2), (0, 0)), constant_values=128)
        assert any(np.array_equal(padded[y:y + 8, x:x + 8][:, ::flip], pixels)
                   for y in range(5) for x in range(5) for flip in (1, -1))


def test_copies_follow_from_the_seed_and_are_made_when_they_are_needed():
    batches = pooled()
    assert not batches.pool.copies
    one = epoch(batches, 4)
    assert list(batches.pool.copies) == [1]
    del batches
    gc.collect()
    assert np.array_equal(epoch(pooled(), 1), one)
    other = TrainConfig(pool=3, crop=2, flip=True, batch=6, seed=2)
    assert not np.array_equal(epoch(pooled(other), 1, other), one)


def test_trainings_with_the_same_pictures_share_a_pool_while_one_lasts():
    one, other = pooled(), pooled(TrainConfig(pool=3, crop=2, flip=True, batch=4, lr=0.5))
    assert one.pool is other.pool
    different = [pooled(split=noise(seed=1)), pooled(TrainConfig(pool=3, crop=1, flip=True, batch=6))]
    assert len({id(batches.pool) for batches in (one, *different)}) == 3
    before = len(pool_module._pools)
    del one, other, different
    gc.collect()
    assert len(pool_module._pools) == before - 3


@pytest.mark.parametrize("device", DEVICES)
def test_a_teacher_answers_to_each_picture_of_a_copy_once(device):
    batches, teacher = pooled(device=device), Sum()
    batches.teach(teacher, "a")
    for number in (0, 1, 3, 4):
        for q, _, answers in batches.shuffled(CONFIG, number):
            torch.testing.assert_close(answers, q.sum((2, 3)))
            assert answers.dtype == torch.float32
    assert teacher.asked == 2 * 20
    again = pooled(device=device)
    again.teach(teacher, "a")
    list(again.shuffled(CONFIG, 0))
    assert teacher.asked == 2 * 20
    again.teach(Sum(), "another")
    list(again.shuffled(CONFIG, 0))
    assert len(again.pool.answers) == 3
