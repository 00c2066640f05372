# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The data bases of the configs, on tiny fake files in the official layout."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import METRICS, MODELS

from ccsam_mm.datasets import CIFAR10LT, CIFAR100LT

BASES = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'


def write_fashion_mnist(root):
    """Write the four unpacked files, 200 training and 10 test images per class."""
    rng = np.random.default_rng(0)
    for name, per_class in (('train', 200), ('t10k', 10)):
        labels = np.repeat(np.arange(10, dtype=np.uint8), per_class)
        images = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        for kind, array in (('labels-idx1', labels), ('images-idx3', images)):
            shape = b''.join(size.to_bytes(4, 'big') for size in array.shape)
            head = bytes([0, 0, 8, array.ndim]) + shape
            (root / f'{name}-{kind}-ubyte').write_bytes(head + array.tobytes())


def use_fake_files(cfg, name, root, write_cifar):
    """Write fake files and point all data sets of a config to them."""
    if name == 'fashion_mnist_lt':
        write_fashion_mnist(root)
        val = cfg.val_dataloader.dataset
        for data in (cfg.train_dataloader.dataset, val, val.reference):
            data.dataset.data_root = str(root)
    elif name.startswith('cifar'):
        cls = {'cifar10_lt': CIFAR10LT, 'cifar100_lt': CIFAR100LT}[name]
        write_cifar(root, cls, per_class=100)
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.dataset.update(data_root=str(root), verify_md5=False)


# MMPretrain's MNIST turns each label tensor into an array.
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize(
    'name, shape, first_and_last',
    [
        ('digits_lt', (32, 3, 16, 16), [124, 2]),
        ('fashion_mnist_lt', (64, 1, 28, 28), [200, 2]),
        ('cifar10_lt', (64, 3, 32, 32), [500, 5]),
        ('cifar100_lt', (64, 3, 32, 32), [100, 1]),
    ],
)
def test_loads_batches(tmp_path, write_cifar, name, shape, first_and_last):
    cfg = Config.fromfile(BASES / f'{name}.py')
    use_fake_files(cfg, name, tmp_path, write_cifar)
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
        assert tuple(inputs.shape) == shape
        assert abs(inputs.mean()) < 1 and 0.5 < inputs.std() < 2
