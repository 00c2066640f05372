# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Folders of images, as MMPretrain numbers them."""

import numpy as np
import pytest
from mmcv import imwrite
from mmengine.dataset import RepeatDataset
from mmpretrain.datasets import CustomDataset

from ccsam_mm.analysis import class_distribution
from ccsam_mm.datasets import ClassSubset
from ccsam_mm.datasets.class_names import (
    NamedClasses,
    first_difference,
    named_classes,
    only_one_has_names,
)


def folder(root, *names, empty=(), wrap=lambda d: d, **options):
    for name in (*names, *empty):
        (root / name).mkdir(parents=True)
        if name not in empty:
            imwrite(np.zeros((4, 4, 3), np.uint8), str(root / name / '0.png'))
    return wrap(CustomDataset(data_root=str(root), **options))


def compare(train, val):
    return first_difference(named_classes(train, 'Train'), named_classes(val, 'Val'))


@pytest.mark.parametrize('wrap', [lambda d: d, lambda d: RepeatDataset(d, 2)])
def test_a_folder_without_a_class_is_a_difference_an_empty_one_is_none(tmp_path, wrap):
    train = folder(tmp_path / 'train', 'ant', 'bee', 'cat', wrap=wrap)
    short = folder(tmp_path / 'short', 'ant', 'cat', wrap=wrap)
    said = compare(train, short)
    assert (
        "Val has 'cat' for label 1, which is 'bee' in train (2 and 3 classes)" in said
    )
    assert 'an empty one' in said and str(tmp_path / 'short') in said
    # The advice works: MMPretrain numbers an empty folder, too.
    whole = folder(tmp_path / 'whole', 'ant', 'cat', empty=['bee'])
    assert compare(train, whole) == '' and whole.get_gt_labels().tolist() == [0, 2]


def test_a_misspelt_folder_is_pointed_at(tmp_path):
    train = folder(tmp_path / 'train', 'ant', 'bee', 'cat')
    said = compare(train, folder(tmp_path / 'val', 'ant', 'bee', 'Cat'))
    assert "'Cat' should be 'cat'" in said and "has 'Cat' for label 0" in said


def test_folders_decide_where_both_have_the_same_given_names(tmp_path):
    """MMPretrain only counts the folders; a hidden and a lacking one would pass."""
    names = dict(classes=['Ant', 'Bee', 'Cat'])
    train = folder(tmp_path / 'train', 'n1', 'n2', 'n3', **names)
    assert 'n4' in compare(train, folder(tmp_path / 'val', 'n1', 'n3', 'n4', **names))
    assert compare(train, folder(tmp_path / 'test', 'n1', 'n2', 'n3')) == ''


@pytest.mark.parametrize('hidden', ['.ipynb_checkpoints', '__MACOSX'])
def test_a_hidden_folder_is_no_class(tmp_path, hidden):
    with pytest.raises(ValueError, match=f'{hidden}.*delete it'):
        named_classes(folder(tmp_path, 'ant', empty=[hidden]), 'Train')


def test_names_in_another_order_than_the_folders_are_refused(tmp_path):
    data = folder(tmp_path, 'cat', 'dog', classes=['dog', 'cat'])
    with pytest.raises(ValueError, match="cat as class 'dog'.*alphabetical"):
        named_classes(data, 'Train')


def test_a_subset_in_another_order_is_a_difference(tmp_path):
    data = folder(tmp_path, 'ant', 'bee', 'cat')
    train, val = (
        ClassSubset(data, names) for names in (['ant', 'cat'], ['cat', 'ant'])
    )
    assert "has 'cat' for label 0, which is 'ant'" in compare(train, val)
    assert compare(train, train) == ''


def test_one_side_without_names():
    named, bare = NamedClasses('The training data set', ['a']), NamedClasses('It', None)
    for pair in ((named, bare), (bare, named)):
        assert first_difference(*pair) == ''
        assert only_one_has_names(*pair).startswith('It does not name its classes')
    assert only_one_has_names(bare, bare) == only_one_has_names(named, named) == ''


def test_tables_of_splits_with_other_classes_are_refused(tmp_path):
    train = folder(tmp_path / 'train', 'ant', 'bee', 'cat')
    val = folder(tmp_path / 'val', 'bee', 'cat')
    with pytest.raises(ValueError, match="'val' has 'bee' for label 0.*'ant'"):
        class_distribution(dict(train=train, val=val))
