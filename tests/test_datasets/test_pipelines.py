# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy

import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import RepeatDataset

from ccsam_mm.datasets.pipelines import as_test_set, find_pipeline

LOAD = dict(type='LoadImageOrSkip', max_unreadable=100)
TRAIN = [LOAD, dict(type='RandomFlip', prob=0.5), dict(type='PackInputs')]
TEST = [
    dict(type='LoadImageOrSkip', max_unreadable=0),
    dict(type='CenterCrop', crop_size=8),
    dict(type='PackInputs'),
]
DATA = dict(type='PlacesLT', pipeline=TRAIN)


@pytest.mark.parametrize(
    'dataset, found',
    [
        (DATA, TRAIN),
        (
            dict(type='LongTailed', dataset=dict(type='ClassSubset', dataset=DATA)),
            TRAIN,
        ),
        (dict(type='OpenSet', unknown=dict(DATA, pipeline=TEST), known=DATA), TRAIN),
        (dict(type='ConcatDataset', datasets=[dict(type='A'), DATA]), TRAIN),
        (dict(type='A'), None),
        (None, None),
    ],
)
def test_find_pipeline(dataset, found):
    assert find_pipeline(dataset) == found


def test_augmentation_goes_and_the_way_of_loading_stays():
    dataset = dict(type='LongTailed', dataset=DATA, imbalance_ratio=10)
    before = copy.deepcopy(dataset)
    changed = as_test_set(dataset, TEST)
    assert changed == dict(dataset, dataset=dict(DATA, pipeline=[LOAD, *TEST[1:]]))
    assert dataset == before


def test_another_first_transform_is_that_of_the_test():
    for train in ([dict(type='RandomFlip', prob=0.5)], []):
        data = dict(type='DigitsLT', pipeline=train)
        assert as_test_set(data, TEST)['pipeline'] == TEST


@pytest.mark.parametrize(
    'first', ['LoadImageFromFile', 'mmcv.LoadImageFromFile', LoadImageFromFile]
)
def test_a_loader_that_skips_stays_also_before_another_loader(first):
    test = [dict(type=first), *TEST[1:]]
    assert as_test_set(DATA, test)['pipeline'] == [LOAD, *TEST[1:]]
    back = dict(DATA, pipeline=[dict(type=first), *TRAIN[1:]])
    assert as_test_set(back, TEST)['pipeline'] == [dict(type=first), *TEST[1:]]


def test_a_first_transform_that_loads_nothing_is_that_of_the_test():
    """Though it is of the same type: images in memory need no loading."""
    pack = dict(type='PackInputs')
    train = [dict(type='Resize', scale=40), dict(type='RandomCrop', crop_size=32), pack]
    test = [dict(type='Resize', scale=32), pack]
    data = dict(type='DigitsLT', pipeline=train)
    assert as_test_set(data, test)['pipeline'] == test


def test_every_part_of_a_joined_set_changes():
    joined = dict(type='ConcatDataset', datasets=[DATA, dict(DATA, type='ImageNetLT')])
    parts = as_test_set(joined, TEST)['datasets']
    assert [part['pipeline'][1] for part in parts] == [TEST[1], TEST[1]]


def test_repetitions_go():
    inner = dict(type='ClassBalancedDataset', oversample_thr=0.5, dataset=DATA)
    outer = dict(type=RepeatDataset, times=3, dataset=inner)
    assert as_test_set(outer, TEST) == as_test_set(DATA, TEST)
