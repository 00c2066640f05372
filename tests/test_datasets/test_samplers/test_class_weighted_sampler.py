# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracles: probabilities in plain Python, and long-run frequencies of the draws."""

from unittest import mock

import numpy as np
import pytest

from ccsam_mm.datasets import ClassWeightedSampler

SIZES = [100, 10, 1]
MODULE = 'ccsam_mm.datasets.samplers.class_balanced_sampler'


class Labels:
    """Classes 0, 3 and 7, interleaved."""

    def __init__(self, sizes=SIZES):
        labels = np.repeat([0, 3, 7], sizes)
        self.labels = np.random.RandomState(0).permutation(labels)

    def __len__(self):
        return len(self.labels)

    def get_gt_labels(self):
        return self.labels


@pytest.mark.parametrize(
    ('power', 'expected'),
    [
        (0, [100 / 111, 10 / 111, 1 / 111]),
        (0.5, [10 / 14.16228, 3.16228 / 14.16228, 1 / 14.16228]),
        (1, [1 / 3, 1 / 3, 1 / 3]),
        (2, [0.009009, 0.090090, 0.900901]),  # of BBN's published code
    ],
)
@pytest.mark.parametrize('replacement', [True, False])
def test_classes_come_with_their_probability(power, expected, replacement):
    data = Labels()
    sampler = ClassWeightedSampler(
        data, power, replacement=replacement, seed=1, num_samples=60000
    )
    assert sampler.class_probabilities().tolist() == pytest.approx(expected, abs=1e-6)
    drawn = data.labels[list(sampler)]
    shares = [(drawn == c).mean() for c in (0, 3, 7)]
    assert shares == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize('replacement', [True, False])
def test_images_of_a_class_are_equally_frequent(replacement):
    data = Labels()
    sampler = ClassWeightedSampler(
        data, replacement=replacement, seed=1, num_samples=30000
    )
    counts = np.bincount(list(sampler), minlength=len(data))
    for c, size in zip((0, 3, 7), SIZES):
        own = counts[data.labels == c]
        assert own.min() > 0
        spread = 6 * np.sqrt(own.mean()) if replacement and size > 1 else 1
        assert own.max() - own.min() <= 2 * spread


def test_progressive_goes_from_frequencies_to_balance():
    sampler = ClassWeightedSampler(Labels(), progressive_epochs=4, seed=0)
    for epoch, share in ((0, 0), (1, 0.25), (4, 1), (9, 1)):
        sampler.set_epoch(epoch)
        expected = [(1 - share) * n / 111 + share / 3 for n in SIZES]
        assert sampler.class_probabilities().tolist() == pytest.approx(expected)


def test_ranks_share_an_epoch_that_its_number_decides():
    ranks = []
    for rank in range(2):
        with mock.patch(f'{MODULE}.get_dist_info', lambda rank=rank: (rank, 2)):
            ranks.append(ClassWeightedSampler(Labels(), seed=5))
    whole = list(ClassWeightedSampler(Labels(), seed=5))
    first, second = map(list, ranks)
    assert len(first) == len(second) == 56
    assert [i for pair in zip(first, second) for i in pair][:111] == whole
    again = ClassWeightedSampler(Labels(), seed=5)
    again.set_epoch(1)
    assert list(again) != whole
    again.set_epoch(0)
    assert list(again) == whole


@pytest.mark.parametrize(
    'options',
    [
        dict(power=-1),
        dict(power='1'),
        dict(power=float('nan')),
        dict(progressive_epochs=0),
        dict(progressive_epochs=2.5),
        dict(num_samples=0),
        dict(seed=-1),
    ],
)
def test_wrong_argument_is_one_sentence(options):
    (name,) = options
    with pytest.raises(ValueError, match=f'ClassWeightedSampler got {name}=.*set `'):
        ClassWeightedSampler(Labels(), **options)
