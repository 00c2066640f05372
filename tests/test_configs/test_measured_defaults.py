# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The shipped strength of CC-SAM is the one that the recorded runs found best."""

import json
from pathlib import Path
from statistics import mean

import pytest
from mmengine.config import Config

REPO = Path(__file__).parents[2]
METRIC = 'accuracy/class_mean'
DATA = ('cifar10_lt', 'fashion_mnist_lt')
# Digits-LT has runs of its own; these are other methods than the default.
OTHERS = ('digits', 'released', 'literal', 'balanced_softmax')
STAGE1 = [
    path
    for path in sorted((REPO / 'configs/ccsam').glob('*_stage1*.py'))
    if not any(other in path.name for other in OTHERS)
]


def recorded(data):
    """The lines of the sweep that has three seeds."""
    text = (REPO / f'docs/sweeps/{data}_confirm.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def gain(data, row):
    """Validation accuracy after cRT, less that of cross entropy, seed by seed."""
    found = {
        (line['row'], line['seed']): line['stages']['crt']['metrics'][METRIC]
        for line in recorded(data)
    }
    return [found[row, seed] - found['ce', seed] for seed in range(3)]


def classifier_rows():
    """The rows that perturb the classifier alone by CC-SAM on cross entropy."""
    rows = {line['row'] for line in recorded(DATA[0])}
    return sorted(row for row in rows if row.split(',')[0] in ('ccsam', 'floor'))


def test_best_strength_is_the_default():
    assert len(classifier_rows()) > 2
    gains = {
        row: mean(mean(gain(data, row)) for data in DATA) for row in classifier_rows()
    }
    assert max(gains, key=gains.get) == 'floor,rho_scale=0.03', gains


@pytest.mark.parametrize('path', STAGE1, ids=lambda path: path.stem)
def test_config_has_the_default(path):
    wrapper = Config.fromfile(path).optim_wrapper
    wanted = dict(rho_scale=0.03, min_grad_norm=1.0, max_relative_norm=None)
    assert {key: wrapper.get(key) for key in wanted} == wanted
    assert wrapper.type == 'CCSAMOptimWrapper'


@pytest.mark.parametrize('data', DATA)
def test_recorded_row_ran_with_the_default(data):
    overrides = {
        key: value
        for line in recorded(data)
        if line['row'] == 'floor,rho_scale=0.03'
        for key, value in line['stages']['stage1']['overrides'].items()
        if key.startswith('optim_wrapper')
    }
    assert overrides == {'optim_wrapper.rho_scale': 0.03}
