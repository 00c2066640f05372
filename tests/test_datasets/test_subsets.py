# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the items of the whole data set, looked up one by one."""

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmengine.dataset import ConcatDataset as JoinedDataset
from mmpretrain.datasets import KFoldDataset
from torch.utils.data import ConcatDataset, Subset

from ccsam_mm.datasets import ClassSubset, LongTailed
from ccsam_mm.datasets.subsets import find_unsplittable, take_subset

LABELS = [0, 1, 2] * 10


class Unknown:
    """A wrapper that nothing is known of."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.metainfo = {}

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, idx):
        return self.dataset[idx]

    def get_gt_labels(self):
        return self.dataset.get_gt_labels()


def k_fold(dataset):
    config = dict(
        type='ToyDataset', labels=dataset.labels, pipeline=dataset.pipeline.transforms
    )
    return KFoldDataset(config, num_splits=2, seed=0)


def joined(dataset):
    """Two data sets, of which the second one is another part of the same images."""
    rest = dataset.get_subset(list(range(12, 30)))
    dataset.get_subset_(list(range(12)))
    return [dataset, rest]


DIVIDABLE = {
    'none': lambda d: d,
    'long_tailed': lambda d: LongTailed(d, imbalance_ratio=2),
    'class_subset': lambda d: ClassSubset(d, [0, 2, 1]),
    'concat': lambda d: ConcatDataset(joined(d)),
    'mmengine_concat': lambda d: JoinedDataset(joined(d)),
    'subset': lambda d: Subset(d, list(range(29, 4, -1))),
    'k_fold': k_fold,
    'nested': lambda d: Subset(ConcatDataset([LongTailed(d, 2)]), range(20)),
}
REPEATING = {
    'repeat': lambda d: RepeatDataset(d, times=2),
    'class_balanced': lambda d: ClassBalancedDataset(d, oversample_thr=0.9),
    'long_tailed_repeat': lambda d: LongTailed(RepeatDataset(d, 2), imbalance_ratio=2),
    'concat_repeat': lambda d: ConcatDataset([RepeatDataset(d, 2)]),
}
WRAPPERS = {**DIVIDABLE, **REPEATING}


@pytest.mark.parametrize('name', WRAPPERS)
def test_refetch_stays_in_the_images_that_are_kept(toy, name):
    readable = WRAPPERS[name](toy(LABELS))
    indices = np.array([13, 2, 7, 11, 2, 5])
    expected = [readable[int(i)]['img'] for i in indices]
    part, where = take_subset(readable, indices)
    assert [part[int(i)]['img'] for i in where] == expected
    assert len(readable) > len(part) == len(set(expected))

    sound = {expected[i] for i in (0, 2, 3)}  # of both parts of a joined set

    def broken(results):
        return results if results['img'] in sound else None

    part, where = take_subset(WRAPPERS[name](toy(LABELS, pipeline=[broken])), indices)
    drawn = {part[int(i)]['img'] for _ in range(10) for i in where}
    assert drawn == sound

    every = np.arange(len(readable))
    same, where = take_subset(readable, every)
    assert [same[int(i)] for i in where] == [readable[int(i)] for i in every]


@pytest.mark.parametrize('name', WRAPPERS)
def test_repeated_images_can_not_be_divided(toy, name):
    shared = find_unsplittable(WRAPPERS[name](toy(LABELS)))
    assert (shared is not None) == (name in REPEATING)


@pytest.mark.parametrize('wrapper', [REPEATING['repeat'], Unknown])
def test_held_out_images_of_what_can_not_be_divided(toy, wrapper):
    dataset = wrapper(toy(LABELS))
    name = type(dataset).__name__
    options = dict(imbalance_ratio=2, max_per_class=6)
    assert LongTailed(dataset, **options).metainfo['class_counts'] == [6, 4, 3]
    message = f'held_out=2 of LongTailed cannot divide {name}, .* put {name} around'
    with pytest.raises(ValueError, match=message):
        LongTailed(dataset, held_out=2, **options)


def test_held_out_images_of_joined_sets_are_not_trained_on(toy):
    def broken(results):
        return None if results['img'] % 2 else results

    data = DIVIDABLE['concat'](toy(LABELS, pipeline=[broken]))
    options = dict(imbalance_ratio=2, max_per_class=6, held_out=4)
    train, val = (
        LongTailed(data, part=part, **options) for part in ('train', 'held_out')
    )
    drawn = [{p[i]['img'] for _ in range(20) for i in range(len(p))}
             for p in (train, val)]  # fmt: skip
    assert all(drawn) and not drawn[0] & drawn[1]
