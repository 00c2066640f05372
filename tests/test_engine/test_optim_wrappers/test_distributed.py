# Copyright (c) ccsam_mm contributors. All rights reserved.
"""DDP with gloo ranks on loopback against brute force on the ranks' batches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy, relative_difference
from ddp_updates import CASES, COUNTS, batch_of, still_model


def run_ranks(world_size, out_dir):
    script = Path(__file__).with_name('ddp_updates.py')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += [f'--nproc_per_node={world_size}', str(script), str(out_dir)]
    tests = Path(__file__).parents[2]
    env = dict(os.environ, PYTHONPATH=f'{tests.parent}{os.pathsep}{tests}')
    result = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [torch.load(out_dir / f'rank{rank}.pth') for rank in range(world_size)]


def mean_of_ranks(world_size, **options):
    """Mean of the brute-force gradients of the ranks, each on its own batch."""
    per_rank = [
        brute_force_gradients(
            still_model(), batch_of(rank), cross_entropy, COUNTS, **options
        )
        for rank in range(world_size)
    ]
    return {
        key: sum(grads[key] for grads in per_rank) / world_size for key in per_rank[0]
    }


def joined_updates(world_size, **options):
    """What one process computes on the joined batch."""
    batches = [batch_of(rank) for rank in range(world_size)]
    joined = dict(
        inputs=torch.cat([batch['inputs'] for batch in batches]),
        data_samples=[s for batch in batches for s in batch['data_samples']],
    )
    return brute_force_gradients(
        still_model(), joined, cross_entropy, COUNTS, **options
    )


@pytest.mark.slow
@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks_against_brute_force(world_size, tmp_path):
    ranks = run_ranks(world_size, tmp_path)
    expected = {}
    for name, case in CASES.items():
        compute = joined_updates if case.get('sync_classes') else mean_of_ranks
        options = dict(prefix=case.get('perturb', 'head'))
        options['class_reduction'] = case.get('class_reduction', 'sample')
        expected[name] = compute(world_size, **options)
    for updates in ranks:
        for name, reference in expected.items():
            assert relative_difference(updates[name], reference) < 1e-9, name
    # Synchronised class gradients are another update, or this test shows nothing.
    assert relative_difference(expected['local'], expected['synced']) > 1e-3
