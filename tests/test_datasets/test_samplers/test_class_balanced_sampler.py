# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the definition, checked draw by draw with Python lists."""

import time
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import RepeatDataset

from ccsam_mm.datasets import ClassBalancedSampler, LongTailed


class Labels:
    """The least that the sampler needs of a data set."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def get_gt_labels(self):
        return np.asarray(self.labels)


def on_rank(rank, world_size, *args, **kwargs):
    module = 'ccsam_mm.datasets.samplers.class_balanced_sampler'
    with mock.patch(f'{module}.get_dist_info', lambda: (rank, world_size)):
        return ClassBalancedSampler(*args, **kwargs)


def blocks(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]


def check_by_definition(indices, labels, samples_per_class):
    """Walk through an epoch and check every draw."""
    classes = sorted(set(labels))
    draws = []
    for block in blocks(indices, samples_per_class):
        assert len({labels[i] for i in block}) == 1
        draws.append(labels[block[0]])
    for block in blocks(draws, len(classes)):
        assert len(set(block)) == len(block)
        if len(block) == len(classes):
            assert sorted(block) == classes
    for c in classes:
        images = [i for i, label in enumerate(labels) if label == c]
        for block in blocks([i for i in indices if labels[i] == c], len(images)):
            assert len(set(block)) == len(block)
            if len(block) == len(images):
                assert sorted(block) == images


labels_strategy = st.lists(st.sampled_from([0, 1, 2, 3, 7]), min_size=1, max_size=50)


@given(
    labels=labels_strategy,
    num_samples=st.none() | st.integers(1, 120),
    samples_per_class=st.integers(1, 4),
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(0, 300),
)
@settings(deadline=None, max_examples=100)
def test_an_epoch_follows_the_definition(
    labels, num_samples, samples_per_class, seed, epoch
):
    sampler = ClassBalancedSampler(Labels(labels), seed, num_samples, samples_per_class)
    sampler.set_epoch(epoch)
    indices = list(sampler)
    assert len(indices) == len(sampler) == (num_samples or len(labels))
    assert all(type(i) is int for i in indices)
    check_by_definition(indices, labels, samples_per_class)


@given(
    labels=labels_strategy,
    world_size=st.integers(1, 7),
    num_samples=st.none() | st.integers(1, 60),
    epoch=st.integers(0, 5),
)
@settings(deadline=None, max_examples=50)
def test_ranks_share_the_sequence_of_one_process(
    labels, world_size, num_samples, epoch
):
    def draw(rank, size):
        sampler = on_rank(rank, size, Labels(labels), seed=3, num_samples=num_samples)
        sampler.set_epoch(epoch)
        return list(sampler)

    alone = draw(0, 1)
    shards = [draw(rank, world_size) for rank in range(world_size)]
    together = [i for turn in zip(*shards) for i in turn]
    assert len({len(shard) for shard in shards}) == 1
    assert 0 <= len(together) - len(alone) < world_size
    # Rounded up from the start, as DefaultSampler does, as often as it takes.
    assert together == (alone * world_size)[: len(together)]


def test_epochs_and_seeds_differ_and_repeat():
    labels = Labels([0] * 40 + [1] * 10)

    def draw(seed, epoch):
        sampler = ClassBalancedSampler(labels, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    draws = {(s, e): draw(s, e) for s in range(3) for e in range(3)}
    assert len({tuple(indices) for indices in draws.values()}) == 9
    resumed = ClassBalancedSampler(labels, seed=2)
    resumed.set_epoch(1)
    assert list(resumed) == list(resumed) == draws[2, 1]


def test_draws_are_uniform():
    # 3 classes of 5, 2 and 1 images; the first three draws of 3,000 epochs.
    labels = [0] * 5 + [1] * 2 + [2]
    sampler = ClassBalancedSampler(Labels(labels), seed=0, num_samples=3)
    first, images = np.zeros(3), np.zeros(8)
    for epoch in range(3000):
        sampler.set_epoch(epoch)
        indices = list(sampler)
        first[labels[indices[0]]] += 1
        images[indices] += 1
    # Six standard deviations of a binomial count.
    assert np.abs(first - 1000).max() < 6 * np.sqrt(3000 * 2 / 9)
    assert np.abs(images[:5] - 600).max() < 6 * np.sqrt(3000 * 4 / 25)
    assert np.abs(images[5:7] - 1500).max() < 6 * np.sqrt(3000 / 4)
    assert images[7] == 3000


def test_through_wrappers(toy):
    inner = LongTailed(RepeatDataset(toy([0, 1, 2] * 10), times=2), imbalance_ratio=4)
    sampler = ClassBalancedSampler(inner, seed=0, num_samples=30)
    drawn = [inner[i]['gt_label'] for i in sampler]
    assert [drawn.count(c) for c in range(3)] == [10, 10, 10]


def test_random_seed_is_one_number():
    sampler = ClassBalancedSampler(Labels([0, 1, 1, 1, 0, 1, 1]))
    assert list(sampler) == list(sampler)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    list(ClassBalancedSampler(Labels([0, 1, 1]), seed=0))
    assert (np.random.get_state()[1] == before).all()


def test_an_epoch_of_inaturalist_is_fast():
    rng = np.random.default_rng(0)
    labels = np.concatenate(
        [np.arange(8142), (8142 * rng.random(437513 - 8142) ** 4).astype(int)]
    )
    sampler = ClassBalancedSampler(Labels(labels), seed=0)
    start = time.process_time()
    indices = list(sampler)
    assert time.process_time() - start < 1  # 0.1 s on one core of 2024
    counts = np.bincount(labels[indices], minlength=8142)
    assert (counts.min(), counts.max(), len(indices)) == (53, 54, 437513)


def test_unusable_arguments(toy):
    with pytest.raises(TypeError, match='ToyDataset has no labels'):
        ClassBalancedSampler(toy(4))
    with pytest.raises(ValueError, match='ToyDataset holds no image'):
        ClassBalancedSampler(toy([]))
    with pytest.raises(ValueError, match='num_samples=0: set `num_samples` to 1'):
        ClassBalancedSampler(toy([0, 1]), num_samples=0)
    with pytest.raises(ValueError, match='samples_per_class=0: set'):
        ClassBalancedSampler(toy([0, 1]), samples_per_class=0)
