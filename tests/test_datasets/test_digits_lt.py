# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: scikit-learn's arrays, walked through image by image."""

import sys

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from sklearn.datasets import load_digits

from ccsam_mm.datasets import DigitsLT


def split_by_hand(digits):
    """Index lists of the test split and of the pool for training."""
    test, pool = [], []
    left = {c: int((digits.target == c).sum()) for c in range(10)}
    for i, c in enumerate(digits.target):
        (test if left[c] <= 50 else pool).append(i)
        left[c] -= 1
    return test, pool


def images_of(data):
    return [data.get_data_info(i)['img'].tobytes() for i in range(len(data))]


def test_splits_are_those_of_the_definition():
    digits = load_digits()
    test, pool = split_by_hand(digits)
    as_bytes = [
        np.stack([np.rint(image * 255 / 16)] * 3, axis=-1).astype(np.uint8).tobytes()
        for image in digits.images
    ]

    test_set = DATASETS.build(dict(type='DigitsLT', split='test', test_mode=True))
    assert images_of(test_set) == [as_bytes[i] for i in test]
    assert test_set.get_gt_labels().tolist() == digits.target[test].tolist()

    rng = np.random.RandomState(0)
    kept = []
    for c, count in enumerate([124, 80, 51, 33, 21, 14, 9, 5, 3, 2]):
        indices = np.array([i for i in pool if digits.target[i] == c])
        rng.shuffle(indices)
        kept += indices[:count].tolist()
    train_set = DATASETS.build(dict(type='DigitsLT', split='train'))
    assert images_of(train_set) == [as_bytes[i] for i in sorted(kept)]
    assert train_set.get_gt_labels().tolist() == digits.target[sorted(kept)].tolist()

    val_set = DATASETS.build(dict(type='DigitsLT', split='val'))
    assert images_of(val_set) == [as_bytes[i] for i in pool if i not in kept]


def test_all_splits_know_the_training_counts():
    for kwargs in (dict(), dict(imbalance_ratio=4, imbalance_type='step')):
        train = DigitsLT(split='train', **kwargs)
        counts = np.bincount(train.get_gt_labels()).tolist()
        for data in (train, *(DigitsLT(split=s, **kwargs) for s in ('val', 'test'))):
            assert data.metainfo['class_counts'] == counts
            assert all(type(c) is int for c in data.metainfo['class_counts'])
    assert counts == [124] * 5 + [31] * 5
    assert np.bincount(DigitsLT(split='test').get_gt_labels()).tolist() == [50] * 10


def test_counts_follow_indices_of_the_training_split():
    data = DigitsLT(split='train', indices=300)
    counts = np.bincount(data.get_gt_labels(), minlength=10).tolist()
    assert data.metainfo['class_counts'] == counts and sum(counts) == 300
    assert all(type(c) is int for c in data.metainfo['class_counts'])
    few = DigitsLT(split='train', indices=[0, 1], lazy_init=True)
    few.full_init()
    assert len(few.metainfo['class_counts']) == 10
    assert sum(few.metainfo['class_counts']) == 2
    # The counts of another split are those of the training.
    whole = DigitsLT(split='train').metainfo['class_counts']
    assert DigitsLT(split='test', indices=20).metainfo['class_counts'] == whole


def test_images_use_the_whole_range():
    info = DigitsLT(split='test').get_data_info(0)
    assert info['img'].dtype == np.uint8 and info['img'].shape == (8, 8, 3)
    assert info['img'].min() == 0 and info['img'].max() == 255


def test_unusable_arguments():
    with pytest.raises(ValueError, match="no split 'dev': set `split`"):
        DigitsLT(split='dev')
    with pytest.raises(ValueError, match=r"class 9 \('9'\) .* to 124 or less"):
        DigitsLT(imbalance_ratio=200)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ImportError, match='run `pip install scikit-learn`'):
        DigitsLT()
