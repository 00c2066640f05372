# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Class counts of splits, against counts by naive loops."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from mmengine.dataset import ClassBalancedDataset, ConcatDataset
from mmpretrain.datasets import BaseDataset
from torch.utils.data import Subset

from ccsam_mm.analysis import (
    class_distribution,
    format_distribution,
    plot_distribution,
    save_distribution,
)
from ccsam_mm.datasets import DigitsLT, LongTailed


class Labels(BaseDataset):
    """Items that have nothing but a label."""

    def __init__(self, labels, **kwargs):
        self.labels = labels
        super().__init__(ann_file='', serialize_data=False, **kwargs)

    def load_data_list(self):
        return [{'gt_label': label} for label in self.labels]


def naive_counts(dataset, num_classes):
    counts = [0] * num_classes
    for i in range(len(dataset)):
        label = dataset.get_data_info(i)['gt_label']
        if label >= 0:
            counts[label] += 1
    return counts


def fake(counts, **splits):
    """A distribution with the given counts."""
    splits = {n: dict(class_counts=list(c), unknown=0) for n, c in splits.items()}
    classes = [f'class {c}' for c in range(len(counts))]
    return dict(classes=classes, class_counts=list(counts), splits=splits)


def rows(table):
    return [[c.strip() for c in x.split('|')[1:-1]] for x in table.splitlines()]


def test_splits_are_counted_through_wrappers():
    train = LongTailed(DigitsLT(split='train', imbalance_ratio=1), imbalance_ratio=10)
    val = ConcatDataset([DigitsLT(split='val'), DigitsLT(split='test')])
    distribution = class_distribution(dict(train=train, val=val))
    assert distribution['classes'] == list('0123456789')
    assert distribution['class_counts'] == naive_counts(train, 10)
    splits = distribution['splits']
    assert splits['train']['class_counts'] == naive_counts(train, 10)
    assert splits['val']['class_counts'] == naive_counts(val, 10)


def test_counts_are_of_different_images_and_splits_of_shown_ones():
    dataset = Labels([0, 0, 0, 1])
    # Class 1 is a quarter of the images, and repeated twice to reach the threshold.
    shown = ClassBalancedDataset(dataset, oversample_thr=1.0)
    distribution = class_distribution(dict(train=shown))
    assert distribution['class_counts'] == [3, 1]
    assert distribution['splits']['train']['class_counts'] == naive_counts(shown, 2)
    assert distribution['splits']['train']['class_counts'] != [3, 1]
    assert distribution['classes'] == ['0', '1']


def test_unknown_images_are_no_class():
    test = Labels([0, -1, 2, -1], metainfo=dict(class_counts=[9, 5, 1]))
    distribution = class_distribution(dict(test=test))
    assert distribution['splits']['test'] == dict(class_counts=[1, 0, 1], unknown=2)
    header, _, row = rows(format_distribution(distribution).split('\n\n')[0])
    assert dict(zip(header, row)) == {
        'split': 'test', 'images': '4', 'classes': '2', 'per class': '1 .. 1',
        'imbalance': '1.0', 'unknown': '2',
    }  # fmt: skip


@pytest.mark.parametrize(
    ('splits', 'sentence'),
    [
        (dict(test=[0, 1]), r'No data set of test carries.*add `train_dataloader`'),
        (dict(train=[0, 1], val=[2]), r"split 'val' has the label 2.*has 2 classes"),
    ],
)
def test_wrong_data_are_one_sentence(splits, sentence):
    with pytest.raises(ValueError, match=sentence):
        class_distribution({name: Labels(own) for name, own in splits.items()})


def test_names_and_counts_have_to_agree():
    dataset = Labels([0], metainfo=dict(class_counts=[1, 1], classes=['only']))
    with pytest.raises(ValueError, match='name 1 classes.*has 2'):
        class_distribution(dict(train=dataset))


@pytest.mark.parametrize(
    ('shot_rule', 'members'), [('strict', [1, 2, 1]), ('inclusive', [2, 0, 2])]
)
def test_groups_follow_the_rule(shot_rule, members):
    distribution = fake([101, 100, 20, 19])
    table = rows(format_distribution(distribution, shot_rule).split('\n\n')[1])
    found = {row[0]: int(row[2]) for row in table[2:]}
    wanted = dict(zip(('many', 'medium', 'few'), members))
    assert found == {name: number for name, number in wanted.items() if number}
    assert sum(float(row[4].rstrip('%')) for row in table[2:]) == pytest.approx(100)


@pytest.mark.parametrize('num_classes', [30, 31, 8142])
def test_class_table_shows_both_ends_of_many_classes(num_classes):
    counts = np.random.default_rng(0).permutation(num_classes) + 2
    distribution = fake(counts, train=counts, val=[3] * num_classes)
    table = rows(format_distribution(distribution).split('\n\n')[2])
    # The training split equals the counts: it needs no column.
    assert table[0] == ['class', 'label', 'group', 'training images', 'val']
    shown = [row for row in table[2:] if row[0] != '...']
    assert len(shown) == 30 and len(table) - 2 == min(num_classes, 31)
    for row in shown:
        assert int(row[3].replace(',', '')) == counts[int(row[1])]
    numbers = [int(row[3].replace(',', '')) for row in shown]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == max(counts) and numbers[-1] == min(counts)


def test_files_hold_every_class(tmp_path):
    distribution = fake([150, 7, 30], train=[150, 7, 30], val=[2, 2, 0])
    paths = save_distribution(distribution, tmp_path / 'new')
    assert json.loads(Path(paths[0]).read_text()) == distribution
    lines = list(csv.DictReader(Path(paths[1]).read_text().splitlines()))
    assert [line['group'] for line in lines] == ['many', 'few', 'medium']
    assert [int(line['class_count']) for line in lines] == [150, 7, 30]
    assert [int(line['val_images']) for line in lines] == [2, 2, 0]
    assert lines[1]['class'] == 'class 1' and lines[1]['label'] == '1'


@pytest.mark.parametrize('num_classes', [3, 8142])
def test_picture_has_a_colour_for_each_group(tmp_path, num_classes):
    counts = np.geomspace(1000, 2, num_classes).astype(int)
    path = tmp_path / 'new' / 'plot.png'
    splits = dict(train=counts, val=[5] * num_classes, test=[5] * num_classes)
    plot_distribution(fake(counts, **splits), path, title='title')
    picture = imread(path)[..., :3]
    assert picture.shape[:2] == (540, 960)
    # Areas of tab:blue, tab:green and tab:red.
    for color in ([31, 119, 180], [44, 160, 44], [214, 39, 40]):
        same = np.abs(picture - np.divide(color, 255)).max(-1) < 0.01
        assert same.sum() > 5000


def test_subset_without_class_counts_is_counted():
    distribution = class_distribution(dict(train=Subset(Labels([0, 1, 1, 1]), [0, 2])))
    assert distribution['class_counts'] == [1, 1]


def test_joined_training_sets_are_counted_together():
    """MMEngine gives a concatenation the metainfo of its first part."""
    part = Labels([0, 0, 1], metainfo=dict(class_counts=[2, 1]))
    distribution = class_distribution(dict(train=ConcatDataset([part, part]), val=part))
    assert distribution['class_counts'] == [4, 2]
