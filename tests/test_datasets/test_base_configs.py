# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The data bases of the configs, on tiny fake files in the official layout."""

from pathlib import Path

import pytest
from fake_data import use_fake_data, write_all
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import METRICS, MODELS

import ccsam_mm  # noqa: F401

BASES = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'


@pytest.fixture(scope='module')
def fake_data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_all(root)
    return root


@pytest.mark.parametrize(
    'name, shape, first_and_last',
    [
        ('digits_lt', (32, 3, 16, 16), [124, 2]),
        ('fashion_mnist_lt', (64, 1, 28, 28), [200, 2]),
        ('cifar10_lt', (64, 3, 32, 32), [200, 2]),
        ('cifar100_lt', (64, 3, 32, 32), [200, 2]),
        ('places_lt', (16, 3, 224, 224), [3, 1]),
        ('imagenet_lt', (32, 3, 224, 224), [3, 1]),
        ('inaturalist2018', (64, 3, 224, 224), [3, 1]),
    ],
)
def test_loads_batches(fake_data, name, shape, first_and_last):
    cfg = Config.fromfile(BASES / f'{name}.py')
    for part in cfg.values():
        use_fake_data(part, fake_data)
    cfg.train_dataloader.num_workers = cfg.val_dataloader.num_workers = 0
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        train = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        val = Runner.build_dataloader(cfg.val_dataloader, seed=0)
        preprocess = MODELS.build(
            dict(type='ClsDataPreprocessor', **cfg.data_preprocessor)
        )
        metric = METRICS.build(cfg.test_evaluator)

    counts = train.dataset.metainfo['class_counts']
    assert [counts[0], counts[-1]] == first_and_last
    assert val.dataset.metainfo['class_counts'] == counts
    assert len(counts) == cfg.data_preprocessor.num_classes
    assert metric.per_class
    for loader, training in ((train, True), (val, False)):
        inputs = preprocess(next(iter(loader)), training)['inputs']
        assert tuple(inputs.shape) == (loader.batch_size, *shape[1:])
        assert abs(inputs.mean()) < 1 and 0.5 < inputs.std() < 2
