# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: ask every item of the wrapped data set for its annotation."""

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.runner import Runner
from mmpretrain.datasets import KFoldDataset
from torch.utils.data import Subset

from ccsam_mm.datasets import LongTailed, count_classes, get_gt_labels
from ccsam_mm.datasets.class_counts import known_class_counts

LABELS = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 0, 1]


def subset(dataset):
    return Subset(dataset, [1, 6, 9, 11])


def k_fold(dataset):
    return KFoldDataset(
        dict(type='ToyDataset', labels=dataset.labels), num_splits=3, seed=0
    )


WRAPPERS = {
    'none': lambda d: d,
    'long_tailed': lambda d: LongTailed(d, imbalance_ratio=3),
    'repeat': lambda d: RepeatDataset(d, times=3),
    'concat': lambda d: ConcatDataset([d, d]),
    'class_balanced': lambda d: ClassBalancedDataset(d, oversample_thr=0.9),
    'k_fold': k_fold,
    'long_tailed_repeat': lambda d: LongTailed(RepeatDataset(d, 2), imbalance_ratio=2),
}


@pytest.mark.parametrize('name', WRAPPERS)
def test_labels_through_wrappers(toy, name):
    dataset = WRAPPERS[name](toy(LABELS))
    labels = get_gt_labels(dataset)
    expected = [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]
    assert labels.dtype == np.int64 and labels.tolist() == expected


@pytest.mark.parametrize('name', WRAPPERS)
def test_labels_through_subset(toy, name):
    dataset = WRAPPERS[name](toy(LABELS))
    indices = [3, 0, 2]
    expected = [dataset.get_data_info(i)['gt_label'] for i in indices]
    assert get_gt_labels(Subset(dataset, indices)).tolist() == expected
    nested = Subset(Subset(dataset, indices), [2])
    assert get_gt_labels(nested).tolist() == expected[2:]


@pytest.mark.parametrize('name', WRAPPERS)
def test_known_counts_are_of_the_whole_training_set(toy, name):
    """Either what counting finds, or nothing, so that it is counted."""
    metainfo = dict(class_counts=count_classes(toy(LABELS)))
    if name == 'k_fold':
        config = dict(type='ToyDataset', labels=LABELS, metainfo=metainfo)
        dataset = KFoldDataset(config, num_splits=3, seed=0)
    else:
        dataset = WRAPPERS[name](toy(LABELS, metainfo=metainfo))
    known = known_class_counts(dataset)
    assert (known is None) == (name in ('concat', 'k_fold'))
    assert known in (None, count_classes(dataset))


def test_lazy_data_set_is_loaded(toy):
    lazy = toy(LABELS, lazy_init=True)
    repeated = RepeatDataset(lazy, times=2, lazy_init=True)
    assert get_gt_labels(repeated).tolist() == LABELS * 2


def test_labels_of_a_shortened_epoch():
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            num_batch_per_epoch=2,
            dataset=dict(type='mmpretrain.ToyDataset', labels=LABELS),
            sampler=dict(type='mmpretrain.ClassBalancedSampler'),
        )
    )
    assert get_gt_labels(loader.dataset).tolist() == LABELS[:4]
    assert max(loader.sampler) < 4


def test_data_set_without_the_method_get_gt_labels():
    class Plain:
        def __len__(self):
            return 3

        def get_data_info(self, idx):
            return {'gt_label': [2, 0, 1][idx]}

    assert get_gt_labels(Plain()).tolist() == [2, 0, 1]


def test_counts_are_plain_integers(toy):
    counts = count_classes(toy(LABELS))
    assert counts == [7, 4, 1] and all(type(c) is int for c in counts)


@pytest.mark.parametrize('name', ['repeat', 'class_balanced'])
def test_a_repeated_image_counts_once(toy, name):
    wrapped = WRAPPERS[name](toy(LABELS))
    assert len(wrapped) > len(LABELS)
    assert count_classes(wrapped) == [7, 4, 1]


def test_concatenated_sets_add_up(toy):
    balanced = ClassBalancedDataset(toy(LABELS), oversample_thr=0.9)
    both = ConcatDataset([toy(LABELS), toy([0, 1, 2, 2])])
    both.datasets.append(balanced)
    assert count_classes(both) == [7 + 1 + 7, 4 + 1 + 4, 1 + 2 + 1]


@pytest.mark.parametrize('wrap', [lambda d: d, subset])
def test_a_class_without_an_image(toy, wrap):
    data = toy(LABELS, classes=['cat', 'dog', 'cow', 'emu'])
    with pytest.raises(ValueError, match=r"no image of class 3 \('emu'\) \(1 of 4"):
        count_classes(wrap(data))


def test_no_label_at_all(toy):
    for ask in (get_gt_labels, count_classes):
        with pytest.raises(TypeError, match='ToyDataset has no labels .*with_label'):
            ask(toy(4))
        with pytest.raises(TypeError, match='list has no labels'):
            ask([1, 2, 3])


@pytest.mark.parametrize('labels', [[[0, 1], [1]], [[0, 1], [1, 2]], [0.5, 1.0]])
def test_not_one_integer_label(toy, labels):
    with pytest.raises(TypeError, match='ToyDataset .* one integer `gt_label`'):
        get_gt_labels(toy(labels))


@pytest.mark.parametrize(
    'labels, words',
    [
        (['cat', 'dog'], "but texts such as 'cat': convert them to integers"),
        (['0', '1'], "but texts such as '0': convert them to integers"),
        ([0.5, 1.0], 'but floats such as 0.5: convert them to integers'),
        ([True, False], 'but truth values such as True: convert them to integers'),
        ([None, 1], 'only single-label'),
    ],
)
def test_labels_of_another_type_have_to_be_converted(toy, labels, words):
    with pytest.raises(TypeError, match=f'ToyDataset .* {words}'):
        get_gt_labels(toy(labels))


@pytest.mark.parametrize('label', [3, -1])
def test_label_outside_the_range(toy, label):
    data = toy([0, 1, 2, label, 2], classes=['cat', 'dog', 'cow'])
    message = f'ToyDataset gives its image 3 the label {label}, .* 0..2'
    with pytest.raises(ValueError, match=message):
        count_classes(data)


def test_empty_data_set(toy):
    with pytest.raises(ValueError, match='ToyDataset holds no image: .*data_root'):
        count_classes(toy([]))
