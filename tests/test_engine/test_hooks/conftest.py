# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A tiny training with MMEngine's own runner, on random images of three classes."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch import nn

import ccsam_mm  # noqa: F401

LABELS = [0] * 6 + [1] * 4 + [2] * 2


@DATASETS.register_module(name='TinyImages', force=True)
class TinyImages(BaseDataset):
    METAINFO = dict(classes=('a', 'b', 'c'))

    def load_data_list(self):
        return [dict(gt_label=label, index=i) for i, label in enumerate(LABELS)]

    def prepare_data(self, idx):
        """An image that NumPy's global generator augments."""
        info = self.get_data_info(idx)
        image = torch.full((2,), float(info['index'])) + np.random.rand()
        return dict(
            inputs=image.float(),
            data_samples=DataSample().set_gt_label(info['gt_label']),
        )


@MODELS.register_module(name='TinyModel', force=True)
class TinyModel(BaseModel):
    """A linear layer with dropout that can be told to break at an iteration."""

    def __init__(self, bad_loss_at=None, bad_weights_at=None):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.bad_loss_at, self.bad_weights_at = bad_loss_at, bad_weights_at
        self.seen = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs = torch.stack(inputs)
        scores = self.fc(nn.functional.dropout(inputs, training=self.training))
        if mode != 'loss':
            return [s.set_pred_score(p) for s, p in zip(data_samples, scores)]
        self.seen.append(inputs.sum().item())
        labels = torch.cat([s.gt_label for s in data_samples])
        loss = nn.functional.cross_entropy(scores, labels)
        if len(self.seen) == self.bad_loss_at:
            loss = loss * float('nan')
        if len(self.seen) == self.bad_weights_at:
            # Finite loss, infinite gradient: sqrt at zero.
            loss = loss + (self.fc.weight * 0).sum().sqrt()
        return dict(loss=loss)


@METRICS.register_module(name='TinyMetric', force=True)
class TinyMetric:
    dataset_meta = None

    def process(self, data_batch, data_samples):
        pass

    def evaluate(self, size):
        return {}


@HOOKS.register_module(name='KillHook', force=True)
class KillHook(Hook):
    """End the training before an epoch, as a signal would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            raise KeyboardInterrupt


# Serialising data would run the garbage collector for every data set.
DATASET = dict(type='TinyImages', serialize_data=False)
TRAIN = dict(
    model=dict(type='TinyModel'),
    train_dataloader=dict(
        batch_size=4,
        num_workers=0,
        dataset=DATASET,
        sampler=dict(type='DefaultSampler', shuffle=True),
    ),
    train_cfg=dict(by_epoch=True, max_epochs=2),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
    default_hooks=dict(
        logger=dict(type='LoggerHook', interval=1),
        checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1),
    ),
    test_dataloader=dict(
        batch_size=4,
        num_workers=0,
        dataset=DATASET,
        sampler=dict(type='DefaultSampler', shuffle=False),
    ),
    test_cfg=dict(),
    test_evaluator=dict(type='TinyMetric'),
    randomness=dict(seed=0),
    env_cfg=dict(mp_cfg=dict(mp_start_method='fork')),
    default_scope='mmpretrain',
)


@pytest.fixture
def make_runner(tmp_path, quick_runners):
    """Builds runners whose work directories lie in ``tmp_path``."""
    count = 0

    def build(work_dir='run', filename=None, runner_type=Runner, **changes):
        nonlocal count
        count += 1
        if filename:  # MMEngine reads a config's text from its file
            Path(filename).parent.mkdir(exist_ok=True)
            Path(filename).touch()
        cfg = Config(copy.deepcopy(TRAIN), filename=filename)
        cfg.merge_from_dict(changes)
        cfg.work_dir = str(tmp_path / work_dir)
        cfg.experiment_name = f'{tmp_path.name}_{count}'
        return runner_type.from_cfg(cfg)

    return build
