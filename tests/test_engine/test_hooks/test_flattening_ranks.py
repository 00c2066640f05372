# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Averages and normalised weights under DDP: two gloo ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TESTS = Path(__file__).parents[2]


def run_ranks(out_dir, hook):
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += ['--nproc_per_node=2', str(TESTS / 'flattening_run.py')]
    env = dict(os.environ, PYTHONPATH=f'{TESTS.parent}{os.pathsep}{TESTS}')
    result = subprocess.run(
        [*command, str(out_dir), json.dumps(hook)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    checkpoint = torch.load(f'{out_dir}/run/epoch_4.pth', weights_only=False)
    ranks = [torch.load(f'{out_dir}/rank{rank}.pth') for rank in range(2)]
    return checkpoint, ranks


@pytest.mark.slow
def test_average_of_ranks(tmp_path):
    checkpoint, ranks = run_ranks(tmp_path, dict(type='SWAHook', begin_epoch=3))
    state = checkpoint['state_dict']
    for name in ('fc.weight', 'norm.weight', 'head.bias'):
        for weights in ranks:
            expected = (weights[2][name] + weights[3][name]) / 2
            torch.testing.assert_close(state[name], expected)
    # The images of both ranks have the mean of all points, whatever the batches.
    points = torch.tensor([[2.4 * i + 0.15] for i in range(12)])
    points = torch.cat([points.cos(), points.sin()], dim=1)
    expected = (points @ state['fc.weight'].T + state['fc.bias']).mean(dim=0)
    mean = state['norm.running_mean']
    torch.testing.assert_close(mean, expected, atol=0.1, rtol=0)
    # Running statistics of the ranks differ, as each has seen its own images.
    assert not torch.equal(ranks[0][3]['norm.running_mean'], mean)


@pytest.mark.slow
def test_ranks_normalise_alike(tmp_path):
    checkpoint, ranks = run_ranks(tmp_path, dict(type='SpectralNormHook'))
    for epoch in range(4):
        for name, value in ranks[0][epoch].items():
            if 'norm.' not in name or 'parametrizations' in name:
                assert torch.equal(ranks[1][epoch][name], value), (epoch, name)
    for name in ('fc', 'head'):
        weight = checkpoint['state_dict'][f'{name}.weight']
        assert torch.linalg.matrix_norm(weight, ord=2) == pytest.approx(1, rel=1e-2)
        start = ranks[0][0][f'{name}.parametrizations.weight.original']
        assert not torch.equal(checkpoint['spectral_norm'][name]['original'], start)
