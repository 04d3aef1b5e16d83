"""Augmentation: every picture its own crop and flip, nothing else changed, all of it from the seed."""

import numpy as np
import pytest
import torch

from pynq_bnn.data.datasets import Split
from pynq_bnn.network import InputSpec, one_bit_codes, signed_codes
from pynq_bnn.train.batches import Batches
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.processes import Processes

CPU = torch.device("cpu")


def noise(count=20, side=8, channels=3):
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8), np.arange(count))


def spec(side=8, channels=3):
    return InputSpec(side, side, channels, signed_codes())


def test_codes_are_pixels_minus_128_in_channel_order():
    split = noise()
    (q, labels), = Batches(split, spec(), 50, CPU).in_order()
    assert np.array_equal(q.numpy().transpose(0, 2, 3, 1), split.images.astype(float) - 128)
    assert labels.tolist() == list(range(20))
    assert q.is_contiguous(memory_format=torch.channels_last)


def test_without_augmentation_an_epoch_holds_every_picture_once():
    split = noise()
    parts = list(Batches(split, spec(), 6, CPU).shuffled(TrainConfig(), 0))
    labels = torch.cat([labels for _, labels in parts])
    assert sorted(labels.tolist()) == list(range(20))
    q = torch.cat([q for q, _ in parts]).numpy().transpose(0, 2, 3, 1)
    assert np.array_equal(q, split.images[labels.numpy()].astype(float) - 128)


def test_each_picture_is_a_window_of_its_padded_self_mirrored_or_not():
    split, crop = noise(), 2
    ((q, labels),) = Batches(split, spec(), 50, CPU).shuffled(TrainConfig(crop=crop, flip=True), 3)
    offsets = set()
    for pixels, label in zip(q.numpy().transpose(0, 2, 3, 1) + 128, labels.tolist()):
        padded = np.pad(split.images[label], ((crop, crop), (crop, crop), (0, 0)), constant_values=128)
        windows = {(y, x, f): padded[y:y + 8, x:x + 8][:, ::f] for y in range(5) for x in range(5) for f in (1, -1)}
        found = [place for place, window in windows.items() if np.array_equal(window, pixels)]
        assert found, f"picture {label}"
        offsets.add(found[0])
    assert len(offsets) > 10


def test_digits_are_padded_with_black():
    split = Split(np.full((9, 8, 8, 1), 255, np.uint8), np.zeros(9, np.int64))
    digits = InputSpec(8, 8, 1, one_bit_codes(), "digit", 0)
    ((q, _),) = Batches(split, digits, 9, CPU).shuffled(TrainConfig(crop=3), 0)
    assert (q == -1).any()


def test_cutout_greys_a_square_of_the_asked_size():
    split = Split(np.zeros((60, 9, 9, 1), np.uint8), np.zeros(60, np.int64))
    ((q, _),) = Batches(split, spec(9, 1), 60, CPU).shuffled(TrainConfig(cutout=3), 0)
    areas = (q == 0).sum(dim=(1, 2, 3))
    assert int(areas.max()) == 9
    assert int(areas.min()) >= 4


def test_order_and_crops_follow_from_seed_and_epoch():
    def epoch(seed, number):
        batches = Batches(noise(), spec(), 6, CPU)
        return torch.cat([q for q, _ in batches.shuffled(TrainConfig(crop=2, flip=True, seed=seed), number)])

    assert torch.equal(epoch(1, 0), epoch(1, 0))
    assert not torch.equal(epoch(1, 0), epoch(1, 1))
    assert not torch.equal(epoch(1, 0), epoch(2, 0))


@pytest.mark.parametrize(("count", "sizes"), [(12, [5, 5, 2]), (11, [5, 5])])
def test_a_last_batch_of_one_picture_is_left_out_for_batch_norm(count, sizes):
    batches = Batches(noise(count), spec(), 5, CPU).shuffled(TrainConfig(), 0)
    assert [len(labels) for _, labels in batches] == sizes


def test_distorted_digits_stay_themselves_and_differ_from_each_other():
    """A blob stays one blob: its mass and centre move within the limits of rotation, size, shear and shift."""
    picture = np.zeros((28, 28, 1), np.uint8)
    picture[9:19, 12:16] = 255
    split = Split(np.repeat(picture[None], 200, 0), np.zeros(200, np.int64))
    digits = InputSpec(28, 28, 1, signed_codes(), "digit", 0)
    ((q, _),) = Batches(split, digits, 200, CPU).shuffled(TrainConfig(distort=1.0), 0)
    ink = (q[:, 0] + 128).double() / 255
    mass = ink.sum((1, 2)) / 40
    assert 0.3 < float(mass.min()) < 0.9 < 1.1 < float(mass.max()) < 2.5
    place = torch.arange(28.0).double() - 13.5
    for axis in (1, 2):
        centre = (ink.sum(3 - axis) * place).sum(1) / ink.sum((1, 2))
        assert 0.5 < float(centre.std()) < 3
        assert float(centre.abs().max()) < 6
    assert len({bytes(row) for row in q.numpy().reshape(200, -1).astype(np.int8)}) == 200


def test_distortion_of_strength_nearly_zero_changes_nothing():
    split = noise(20, 28, 1)
    digits = InputSpec(28, 28, 1, signed_codes(), "digit", 0)
    ((q, labels),) = Batches(split, digits, 20, CPU).shuffled(TrainConfig(distort=1e-6), 0)
    inner = np.s_[:, 1:-1, 1:-1]  # at the border interpolation meets the background
    found = q.numpy().transpose(0, 2, 3, 1) + 128
    assert np.abs(found[inner] - split.images[labels.numpy()][inner].astype(float)).max() <= 1


def test_processes_share_each_batch_and_draw_for_themselves():
    split = noise(23)
    config = TrainConfig(crop=2)
    whole = [labels for _, labels in Batches(split, spec(), 6, CPU).shuffled(config, 0)]
    parts = [[labels for _, labels in Batches(split, spec(), 6, CPU, Processes(rank, 2)).shuffled(config, 0)]
             for rank in (0, 1)]
    assert [len(part) for part in parts] == [4, 4]
    for batch, first, second in zip(whole, *parts):
        assert batch[0::2].tolist() == first.tolist()
        assert batch[1::2].tolist() == second.tolist()
