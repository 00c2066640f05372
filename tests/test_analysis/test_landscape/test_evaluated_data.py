# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
from mmengine.config import Config

from ccsam_mm.analysis.landscape import EvaluatedData

FLIP = dict(type='RandomFlip', prob=1.0)
PACK = dict(type='PackInputs')
COUNTS = [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]


def loader(split, *pipeline, **changes):
    data = dict(type='DigitsLT', split=split, pipeline=[*pipeline, PACK], **changes)
    return dict(batch_size=50, num_workers=0, dataset=data)


def config(**changes):
    cfg = dict(train_dataloader=loader('train', FLIP), test_dataloader=loader('test'))
    return Config(dict(cfg, **changes))


def labels_of(data):
    return [int(s.gt_label) for batch in data.loader for s in batch['data_samples']]


def test_all_training_images_without_augmentation():
    data = EvaluatedData.from_config(config(), 'train')
    assert data.class_counts == data.available == COUNTS
    assert data.num_images == 342 == len(labels_of(data))
    plain = EvaluatedData.from_config(config(train_dataloader=loader('train')))
    pairs = zip(data.loader, plain.loader)
    assert all((x == y).all() for a, b in pairs for x, y in zip(*(d['inputs'] for d in (a, b))))  # fmt: skip # noqa: E501


def test_up_to_a_number_of_images_of_each_class():
    data = EvaluatedData.from_config(config(), 'train', samples=10)
    labels = labels_of(data)
    assert [labels.count(c) for c in range(10)] == [min(n, 10) for n in COUNTS]
    assert data.available == COUNTS
    again = EvaluatedData.from_config(config(), 'train', samples=10)
    assert data.loader.dataset.indices == again.loader.dataset.indices


def test_other_splits_know_the_training_counts():
    data = EvaluatedData.from_config(config(), 'test')
    assert data.class_counts == COUNTS
    assert data.num_images == 500 == sum(data.available)


def test_images_of_unknown_classes_are_left_out():
    known = dict(type='ClassSubset', classes=list('01234567'),
                 dataset=loader('test')['dataset'])  # fmt: skip
    dataset = dict(type='OpenSet', known=known, unknown=dict(known, classes=['8']))
    test = dict(batch_size=50, num_workers=0, dataset=dataset)
    data = EvaluatedData.from_config(Config(dict(test_dataloader=test)), 'test')
    assert set(labels_of(data)) == set(range(8))
    assert len(data.class_counts) == 8


def test_missing_parts_of_the_config():
    with pytest.raises(
        ValueError, match='no `val_dataloader`: set --subset to train or'
    ):
        EvaluatedData.from_config(config(), 'val')
    with pytest.raises(ValueError, match='no pipeline without augmentation'):
        EvaluatedData.from_config(config(test_dataloader=None), 'train')
