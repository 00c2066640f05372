# Copyright (c) ccsam_mm contributors. All rights reserved.
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
