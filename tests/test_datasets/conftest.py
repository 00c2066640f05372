# Copyright (c) ccsam_mm contributors. All rights reserved.
import pickle

import numpy as np
import pytest
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS


@DATASETS.register_module()
class ToyDataset(BaseDataset):
    """Items that know their own index in `img`; `labels=None` gives no labels."""

    def __init__(self, labels, **kwargs):
        self.labels = labels
        kwargs.setdefault('serialize_data', False)  # MMEngine collects garbage in it
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self):
        if isinstance(self.labels, int):
            return [{'img': i} for i in range(self.labels)]
        return [{'img': i, 'gt_label': y} for i, y in enumerate(self.labels)]


@pytest.fixture(scope='session')
def toy():
    """Factory of a data set with the given labels (a number: so many unlabelled)."""

    def make(labels, **kwargs):
        return ToyDataset(labels=labels, **kwargs)

    return make


@pytest.fixture()
def write_cifar():
    """Factory of fake CIFAR files in the official layout, in another order."""

    def write(root, cls, per_class=10, label_key='labels'):
        num_classes = len(cls.METAINFO['classes'])
        folder = root / cls.base_folder
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for i, (name, _) in enumerate(cls.train_list + cls.test_list):
            labels = rng.permutation(np.repeat(np.arange(num_classes), per_class))
            data = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
            data[:, 0], data[:, 1] = (
                labels,
                i,
            )  # so that an image tells where it is from
            entry = {'data': data, label_key: labels.tolist()}
            (folder / name).write_bytes(pickle.dumps(entry))
        return folder

    return write
