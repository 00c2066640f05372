# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A training of a tiny network with batch norm; as a script, that of one rank.

usage: torchrun --nproc_per_node N flattening_run.py OUT_DIR HOOK
"""

import copy
import gc
import json
import sys

import numpy as np
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
from ccsam_mm.utils.cpu_process_groups import prepare_cpu_distributed


@DATASETS.register_module(name='NoisyPoints', force=True)
class NoisyPoints(BaseDataset):
    METAINFO = dict(classes=('a', 'b', 'c'))

    def load_data_list(self):
        return [dict(gt_label=i % 3, index=i) for i in range(12)]

    def prepare_data(self, idx):
        """A point that NumPy's global generator moves."""
        info = self.get_data_info(idx)
        angle = 2.4 * info['index'] + 0.3 * np.random.rand()
        inputs = torch.tensor([np.cos(angle), np.sin(angle)]).float()
        sample = DataSample().set_gt_label(info['gt_label'])
        return dict(inputs=inputs, data_samples=sample)


@MODELS.register_module(name='NormModel', force=True)
class NormModel(BaseModel):
    """Two layers with batch norm between; it remembers what it predicts."""

    def __init__(self, frozen=False):
        super().__init__(init_cfg=dict(type='Normal', layer='Linear', std=0.7))
        self.fc = nn.Linear(2, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 3)
        self.frozen = frozen
        self.predicted = []

    def train(self, mode=True):
        super().train(mode)
        if self.frozen:
            self.norm.eval()
        return self

    def forward(self, inputs, data_samples=None, mode='tensor'):
        scores = self.head(self.norm(self.fc(torch.stack(inputs))))
        if mode == 'loss':
            labels = torch.cat([sample.gt_label for sample in data_samples])
            return dict(loss=nn.functional.cross_entropy(scores, labels))
        if mode == 'predict':
            self.predicted.append(copy.deepcopy(self.state_dict()))
            return [s.set_pred_score(p) for s, p in zip(data_samples, scores)]
        return scores


@METRICS.register_module(name='NoMetric', force=True)
class NoMetric:
    dataset_meta = None

    def process(self, data_batch, data_samples):
        pass

    def evaluate(self, size):
        return {}


@HOOKS.register_module(name='RecordHook', force=True)
class RecordHook(Hook):
    """Remembers weights in training, and random numbers, at the ends of epochs."""

    priority = 'ABOVE_NORMAL'

    def __init__(self, kill_at=None):
        self.kill_at = kill_at
        self.weights, self.numpy = [], []

    def before_train_epoch(self, runner):
        if runner.epoch == self.kill_at:
            raise KeyboardInterrupt

    def after_train_epoch(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        self.weights.append(copy.deepcopy(model.state_dict()))
        self.numpy.append(np.random.get_state())


def loader(shuffle):
    """A data loader's config."""
    return dict(
        batch_size=4,
        num_workers=0,
        dataset=dict(type='NoisyPoints', serialize_data=False),
        sampler=dict(type='DefaultSampler', shuffle=shuffle),
    )


TRAIN = dict(
    model=dict(type='NormModel'),
    train_dataloader=loader(True),
    train_cfg=dict(by_epoch=True, max_epochs=4),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.3, momentum=0.9)),
    val_dataloader=loader(False),
    val_cfg=dict(),
    val_evaluator=dict(type='NoMetric'),
    test_dataloader=loader(False),
    test_cfg=dict(),
    test_evaluator=dict(type='NoMetric'),
    randomness=dict(seed=0),
    default_scope='mmpretrain',
    log_level='ERROR',
)
_count = 0


def make_runner(work_dir, *hooks, kill_at=None, **changes):
    """A runner with these hooks, a recorder, and a seed for each epoch."""
    global _count
    _count += 1
    cfg = Config(copy.deepcopy(TRAIN))
    cfg.merge_from_dict(changes)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'flattening_{_count}'
    record = dict(type='RecordHook', kill_at=kill_at)
    cfg.custom_hooks = [record, dict(type='EpochSeedHook'), *hooks]
    if changes.get('launcher'):
        prepare_cpu_distributed(cfg)
    return Runner.from_cfg(cfg)


def recorder(runner):
    """The runner's :class:`RecordHook`."""
    return next(hook for hook in runner.hooks if isinstance(hook, RecordHook))


def main(out_dir, hook):
    """Train as one of the ranks, and save what this rank's model holds."""
    # Batches of one size, so that their mean is that of the images.
    changes = dict(launcher='pytorch', train_dataloader=dict(batch_size=3))
    runner = make_runner(f'{out_dir}/run', json.loads(hook), **changes)
    runner.train()
    weights = recorder(runner).weights
    torch.save(weights, f'{out_dir}/rank{torch.distributed.get_rank()}.pth')


if __name__ == '__main__':
    main(*sys.argv[1:])
    gc.collect()  # the wrapped model, whose threads of gloo could abort the process
    torch.distributed.destroy_process_group()
