# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Two gloo ranks through ``tools/dist_train.sh``, against the ranks' brute force."""

import copy
import os
import subprocess
from pathlib import Path

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from mmengine.config import Config
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from updates import relative_difference

import ccsam_mm  # noqa: F401
from ccsam_mm.datasets import DigitsLT

REPO = Path(__file__).parents[2]
BATCH_SIZE = 16
CONFIG = """
_base_ = '{base}'
model = dict(backbone=dict(depth=8))
load_from = '{init}'
train_dataloader = dict(
    batch_size={batch_size}, num_workers=0, num_batch_per_epoch=1,
    dataset=dict(pipeline=[dict(type='PackInputs')]))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=1.0),
    rho_scale=0.3, max_relative_norm=None)
param_scheduler = None
train_cfg = dict(max_epochs=1)
val_cfg = None
val_dataloader = None
val_evaluator = None
"""


def build_model(path):
    """The configured classifier in double precision, with its preprocessing."""
    cfg = Config.fromfile(path)
    torch.manual_seed(0)
    return MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))


def batch_of(rank, model, seed=0):
    """What MMEngine's sampler gives a rank in the first iteration, preprocessed."""
    dataset = DigitsLT(split='train')
    generator = torch.Generator().manual_seed(seed)
    # num_batch_per_epoch=1 cuts the data set to the ranks' first batches.
    order = torch.randperm(2 * BATCH_SIZE, generator=generator).tolist()
    infos = [dataset.get_data_info(i) for i in order[rank::2]]
    assert len({info['gt_label'] for info in infos}) > 1
    images = torch.stack([torch.tensor(i['img']).permute(2, 0, 1) for i in infos])
    preprocessor = model.data_preprocessor
    inputs = (images.double() - preprocessor.mean) / preprocessor.std
    samples = [DataSample().set_gt_label(info['gt_label']) for info in infos]
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.slow
def test_update_is_the_mean_of_the_ranks_brute_force(tmp_path):
    base = REPO / 'configs/ccsam/digits_lt_r20_stage1.py'
    config, init = tmp_path / 'one_step.py', tmp_path / 'init.pth'
    config.write_text(CONFIG.format(base=base, init=init, batch_size=BATCH_SIZE))
    model = build_model(config)
    torch.save(model.state_dict(), init)
    before = {n: p.detach().double().clone() for n, p in model.named_parameters()}

    command = ['bash', str(REPO / 'tools/dist_train.sh'), str(config), '2']
    command += ['--work-dir', str(tmp_path / 'work')]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    after = torch.load(tmp_path / 'work/epoch_1.pth')['state_dict']
    actual = {name: before[name] - after[name].double() for name in before}

    model.double().train()
    counts = DigitsLT(split='train').metainfo['class_counts']
    per_rank = [
        brute_force_gradients(
            copy.deepcopy(model),
            batch_of(rank, model),
            cross_entropy,
            counts,
            rho_scale=0.3,
        )
        for rank in range(2)
    ]
    expected = {name: (per_rank[0][name] + per_rank[1][name]) / 2 for name in before}
    # float32 in training, double precision here.
    assert relative_difference(actual, expected) < 1e-4
    # One rank's own update is another one, or this test shows nothing.
    assert relative_difference(per_rank[0], expected) > 1e-2
