# Copyright (c) ccsam_mm contributors. All rights reserved.
"""DDP with gloo ranks on loopback against brute force on the ranks' batches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from ddp_updates import (
    CASES,
    CLASS_WEIGHT,
    COUNTS,
    DDP_CASES,
    LABELS,
    RHO,
    SAM_CASES,
    WEIGHTED_CASES,
    batch_of,
    still_model,
)
from sam_brute_force import gradients, perturbed_copy
from tiny_network import tiny_model
from updates import relative_difference


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


def image_weights(rank):
    """Weights of a rank's images in its own weighted mean."""
    weights = torch.tensor([CLASS_WEIGHT[c] for c in LABELS[rank]]).double()
    return weights / weights.mean()


def mean_of_ranks(world_size, is_weighted=False, **options):
    """Mean of the brute-force gradients of the ranks, each on its own batch."""
    per_rank = [
        brute_force_gradients(
            still_model(),
            batch_of(rank),
            cross_entropy,
            COUNTS,
            image_weights=image_weights(rank) if is_weighted else None,
            **options,
        )
        for rank in range(world_size)
    ]
    return {
        key: sum(grads[key] for grads in per_rank) / world_size for key in per_rank[0]
    }


def joined_updates(world_size, is_weighted=False, **options):
    """What one process computes on the joined batch."""
    batches = [batch_of(rank) for rank in range(world_size)]
    joined = dict(
        inputs=torch.cat([batch['inputs'] for batch in batches]),
        data_samples=[s for batch in batches for s in batch['data_samples']],
    )
    if is_weighted:
        weights = torch.cat([image_weights(rank) for rank in range(world_size)])
        options['image_weights'] = weights
    return brute_force_gradients(
        still_model(), joined, cross_entropy, COUNTS, **options
    )


def sam_updates(world_size, type, tail_threshold=None, sync_ascent=False, **options):
    """Mean over ranks of the SAM family's gradients, each on its own batch."""
    adaptive = options.get('adaptive', False)
    share = options.get('perturbed_weight', 1)
    parts = []
    for rank in range(world_size):
        labels = LABELS[rank]
        tail = torch.ones(len(labels))
        if tail_threshold:
            tail = torch.tensor([COUNTS[c] < tail_threshold for c in labels]).double()
        parts.append((batch_of(rank), torch.eye(5).double()[labels], tail.double()))

    def part_grads(network, part, weights):
        scores = network(part[0]['inputs'], mode='tensor')
        return gradients(network, (weights * cross_entropy(scores, part[1])).mean())

    ascents = [part_grads(tiny_model(), part, part[2]) for part in parts]
    if sync_ascent:
        ascents = [mean_of(ascents)] * world_size
    clean = mean_of([part_grads(tiny_model(), part, 1 - part[2]) for part in parts])
    sharp = mean_of(
        [
            part_grads(
                perturbed_copy(tiny_model(), ascent, RHO, adaptive), part, part[2]
            )
            for ascent, part in zip(ascents, parts)
        ]
    )
    plain = mean_of([part_grads(tiny_model(), part, part[2]) for part in parts])
    return {
        name: clean[name] + share * sharp[name] + (1 - share) * plain[name]
        for name in clean
    }


def mean_of(grads):
    return {name: sum(g[name] for g in grads) / len(grads) for name in grads[0]}


@pytest.mark.slow
@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks_against_brute_force(world_size, tmp_path):
    ranks = run_ranks(world_size, tmp_path)
    expected = {}
    for name, case in {**CASES, **WEIGHTED_CASES}.items():
        compute = joined_updates if case.get('sync_classes') else mean_of_ranks
        options = dict(prefix=tuple(case.get('perturb', ['head'])))
        options['class_reduction'] = case.get('class_reduction', 'sample')
        options['is_weighted'] = name in WEIGHTED_CASES
        expected[name] = compute(world_size, **options)
    expected['flexible'] = expected['local']
    expected.update({name: expected[case] for name, (case, _) in DDP_CASES.items()})
    for updates in ranks:
        for name, reference in expected.items():
            assert relative_difference(updates[name], reference) < 1e-9, name
        for name in DDP_CASES:
            assert (updates[name]['unused'] == 0).all()
    check_sam_family(world_size, ranks)
    # Synchronised class gradients are another update, or this test shows nothing.
    assert relative_difference(expected['local'], expected['synced']) > 1e-3


def check_sam_family(world_size, ranks):
    expected = {name: sam_updates(world_size, **o) for name, o in SAM_CASES.items()}
    for updates in ranks:
        assert 'static_graph=False' in updates['static_graph']
        for name, reference in expected.items():
            assert relative_difference(updates[name], reference) < 1e-9, name
        assert (updates['sam_unused'].pop('unused') == 0).all()
        assert relative_difference(updates['sam_unused'], expected['sam_synced']) < 1e-9
    for name in ('sam_synced', 'imbsam_synced'):
        # A synchronised ascent is another update, or this test shows nothing.
        local = sam_updates(world_size, **dict(SAM_CASES[name], sync_ascent=False))
        assert relative_difference(expected[name], local) > 1e-4
