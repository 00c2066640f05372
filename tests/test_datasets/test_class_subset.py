# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: go through the items of the whole data set, and look each class up."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import ConcatDataset as JoinedDataset
from mmengine.dataset import RepeatDataset
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import ConcatDataset

from ccsam_mm.datasets import (
    ClassBalancedSampler,
    ClassSubset,
    LongTailed,
    count_classes,
    get_gt_labels,
)

CLASSES = ['cat', 'dog', 'cow', 'hen']
LABELS = [3, 0, 1, 2, 0] * 8


@given(
    labels=st.lists(st.integers(0, 3), max_size=30),
    kept=st.permutations(range(4)).flatmap(
        lambda order: st.integers(1, 4).map(lambda n: order[:n])
    ),
    by_name=st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_is_what_a_loop_finds(toy, labels, kept, by_name):
    labels = [0, 1, 2, 3, *labels]
    dataset = toy(labels, classes=CLASSES)
    expected = [(i, kept.index(y)) for i, y in enumerate(labels) if y in kept]
    classes = [CLASSES[c] for c in kept] if by_name else kept
    subset = ClassSubset(dataset, classes)

    assert len(subset) == len(expected)
    for i, (image, label) in enumerate(expected):
        for item in (subset[i], subset.get_data_info(i)):
            assert (item['img'], item['gt_label']) == (image, label)
        assert subset._get_ori_dataset_idx(i) == image
        assert subset.get_cat_ids(i) == [label]
    assert subset.get_gt_labels().tolist() == [label for _, label in expected]
    assert tuple(CLASSES[c] for c in kept) == subset.CLASSES
    assert [dataset[i]['gt_label'] for i in range(len(labels))] == labels


def test_counts_of_the_training_set_follow(toy):
    long_tailed = LongTailed(toy(LABELS, classes=CLASSES), imbalance_ratio=4)
    counts = long_tailed.metainfo['class_counts']
    assert counts == [16, 8, 6, 4]
    subset = ClassSubset(long_tailed, ['hen', 'cat'])
    assert subset.metainfo['class_counts'] == [4, 16] == count_classes(subset)

    test_set = LongTailed(toy(LABELS, classes=CLASSES), reference=long_tailed)
    assert ClassSubset(test_set, [3, 1]).metainfo['class_counts'] == [4, 8]
    assert 'class_counts' not in ClassSubset(toy(LABELS), [1]).metainfo


def test_under_a_long_tail(toy):
    """The long tail is that of the kept classes, as their own data set would have."""
    config = dict(type='ToyDataset', labels=LABELS, classes=CLASSES)
    config = dict(type='ClassSubset', dataset=config, classes=['hen', 'cow', 'cat'])
    inside = DATASETS.build(dict(type='LongTailed', imbalance_ratio=4, dataset=config))
    assert inside.metainfo['class_counts'] == [8, 8, 4]
    assert inside.metainfo['classes'] == ('hen', 'cow', 'cat')
    for i in range(len(inside)):
        assert inside[i]['gt_label'] == [2, -1, 1, 0][LABELS[inside[i]['img']]]


def test_other_wrappers(toy):
    repeated = RepeatDataset(toy(LABELS, classes=CLASSES), times=2)
    assert len(ClassSubset(repeated, ['cow'])) == 16
    inner = dict(type='ToyDataset', labels=LABELS, classes=CLASSES)
    config = dict(type='mmpretrain.ClassSubset', dataset=inner, classes=['cow', 'cat'])
    outside = DATASETS.build(dict(type='RepeatDataset', times=3, dataset=config))
    assert outside.metainfo['classes'] == ('cow', 'cat')
    both = ConcatDataset([outside, DATASETS.build(config)])
    assert np.bincount(get_gt_labels(both)).tolist() == [32, 64]
    assert count_classes(both) == [16, 32]


def test_classes_are_drawn_equally_often(toy):
    subset = ClassSubset(toy(LABELS, classes=CLASSES), ['dog', 'cat'])
    drawn = [subset[i]['gt_label'] for i in ClassBalancedSampler(subset, seed=0)]
    assert np.bincount(drawn).tolist() == [12, 12]


@pytest.mark.parametrize('pack', [False, True])
def test_labels_that_the_pipeline_packs(pack):
    pipeline = [dict(type='PackInputs')] if pack else []
    dataset = dict(type='DigitsLT', split='test', pipeline=pipeline)
    subset = DATASETS.build(
        dict(type='mmpretrain.ClassSubset', dataset=dataset, classes=['7', '2'])
    )
    for i, label in ((0, 1), (99, 0)):
        item = subset[i]
        found = item['data_samples'].gt_label if pack else item['gt_label']
        assert int(found) == label == subset.get_gt_labels()[i]


def test_labels_under_test_time_augmentation():
    flips = [dict(type='mmpretrain.RandomFlip', prob=prob) for prob in (1.0, 0.0)]
    pack = [dict(type='mmpretrain.PackInputs')]
    views = dict(type='TestTimeAug', transforms=[flips, pack])
    dataset = dict(type='DigitsLT', split='test', pipeline=[views])
    item = ClassSubset(dataset, ['7', '2'])[0]
    assert [int(sample.gt_label) for sample in item['data_samples']] == [1, 1]


@pytest.mark.parametrize('long_tailed', ['not', 'inside', 'outside'])
def test_a_broken_image_is_replaced_from_the_subset(toy, long_tailed):
    """By one whose own label is given, also through another subset."""

    def broken(results):
        return None if results['img'] % 5 < 2 else results

    data = toy(LABELS, classes=CLASSES, pipeline=[broken])
    if long_tailed == 'inside':
        data = LongTailed(data, imbalance_ratio=1)
    subset = ClassSubset(data, ['cat', 'hen', 'dog'])
    if long_tailed == 'outside':
        subset = LongTailed(subset, imbalance_ratio=2)
    for i in list(range(len(subset))) * 3:
        item = subset[i]
        assert item['img'] % 5 >= 2
        assert item['gt_label'] == [0, 2, -1, 1][LABELS[item['img']]]


def test_a_replacement_of_another_class_is_an_error(toy):
    def broken(results):
        return None if results['gt_label'] == 0 else results

    class Wrapper:
        dataset = toy(LABELS, classes=CLASSES, pipeline=[broken])
        __len__ = dataset.__len__
        __getitem__ = dataset.__getitem__
        get_gt_labels = dataset.get_gt_labels

    subset = ClassSubset(Wrapper(), ['cat'])
    with pytest.raises(
        RuntimeError, match='of class [123] .* which ClassSubset leaves'
    ):
        subset[0]


def test_lazy_and_pickled(toy):
    lazy = toy(LABELS, classes=CLASSES, lazy_init=True)
    subset = ClassSubset(lazy, ['dog'], lazy_init=True)
    assert 'classes' not in subset.metainfo
    assert "Haven't been initialized" in repr(subset)
    assert len(subset) == 8
    assert subset.class_to_idx == {'dog': 0}
    again = pickle.loads(pickle.dumps(subset))
    assert [item['img'] for item in again] == [item['img'] for item in subset]


def test_a_runner_trains_on_it_with_drawn_classes():
    loader = Runner.build_dataloader(
        dict(
            batch_size=4,
            num_workers=0,
            dataset=dict(
                type='mmpretrain.ClassSubset',
                dataset=dict(type='ToyDataset', labels=LABELS),
                classes=[2, 0],
            ),
            sampler=dict(type='mmpretrain.ClassBalancedSampler'),
        ),
        seed=0,
    )
    labels = [item for batch in loader for item in batch['gt_label']]
    assert sorted(map(int, labels)) == [0] * 12 + [1] * 12


@pytest.mark.parametrize(
    'classes, message',
    [
        (['pig'], r"no class 'pig' .* 0..3 or to names such as 'cat'"),
        ([4], 'no class 4'),
        ([-1], 'no class -1'),
        (['cat', 0], 'a class twice'),
        ([], 'no class'),
    ],
)
def test_unusable_classes(toy, classes, message):
    with pytest.raises(ValueError, match=message):
        ClassSubset(toy(LABELS, classes=CLASSES), classes)


def test_unusable_data(toy):
    with pytest.raises(ValueError, match=r"no image of the classes \['hen'\]"):
        ClassSubset(toy([0, 1], classes=CLASSES), ['hen'])
    with pytest.raises(TypeError, match='has no labels'):
        ClassSubset(toy(3, classes=CLASSES), ['cat'])
    with pytest.raises(TypeError, match='ClassSubset needs a data set'):
        ClassSubset(None, ['cat'])


def test_labels_of_numpy(toy):
    subset = ClassSubset(toy(LABELS, classes=CLASSES), np.array([2, 0]))
    assert list(subset.CLASSES) == ['cow', 'cat']


def test_counts_of_a_part_are_no_counts(toy):
    """MMEngine gives a concatenation the metainfo of its first part."""
    part = toy(LABELS, classes=CLASSES, metainfo=dict(class_counts=[9] * 4))
    subset = ClassSubset(JoinedDataset([part, part]), [2, 0])
    assert 'class_counts' not in subset.metainfo
