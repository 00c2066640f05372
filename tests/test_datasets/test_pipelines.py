# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy

import pytest
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


def test_every_part_of_a_joined_set_changes():
    joined = dict(type='ConcatDataset', datasets=[DATA, dict(DATA, type='ImageNetLT')])
    parts = as_test_set(joined, TEST)['datasets']
    assert [part['pipeline'][1] for part in parts] == [TEST[1], TEST[1]]


def test_repetitions_go():
    inner = dict(type='ClassBalancedDataset', oversample_thr=0.5, dataset=DATA)
    outer = dict(type=RepeatDataset, times=3, dataset=inner)
    assert as_test_set(outer, TEST) == as_test_set(DATA, TEST)
