# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The shipped strength of CC-SAM is the one that the recorded runs found best."""

import json
from pathlib import Path
from statistics import mean

import pytest
from mmengine.config import Config

REPO = Path(__file__).parents[2]
BEST = 'floor,rho_scale=0.01,min_grad_norm=3.0'
DEFAULT = dict(rho_scale=0.01, min_grad_norm=3.0)
STAGES = ('crt', 'adversarial')
METRIC = 'accuracy/class_mean'
DATA = ('cifar10_lt', 'fashion_mnist_lt')
# Digits-LT has runs of its own; these are other methods than the default.
OTHERS = ('digits', 'released', 'balanced_softmax')
STAGE1 = [
    path
    for path in sorted((REPO / 'configs/ccsam').glob('*_stage1*.py'))
    if not any(other in path.name for other in OTHERS)
]


def recorded(data):
    """The lines of the sweep that has three seeds."""
    text = (REPO / f'docs/sweeps/{data}_confirm.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def gains(data, row):
    """Validation accuracy of both second stages less that after cross entropy."""
    found = {
        (line['row'], line['seed'], stage): line['stages'][stage]['metrics'][METRIC]
        for line in recorded(data)
        for stage in STAGES
    }
    pairs = [(seed, stage) for seed in range(3) for stage in STAGES]
    return [found[(row, *pair)] - found[('ce', *pair)] for pair in pairs]


def classifier_rows():
    """The rows that perturb the classifier alone by CC-SAM on cross entropy."""
    rows = {line['row'] for line in recorded(DATA[0])}
    return sorted(row for row in rows if row.split(',')[0] in ('ccsam', 'floor'))


def test_best_strength_is_the_default():
    assert len(classifier_rows()) > 2
    mean_gains = {
        row: mean(mean(gains(data, row)) for data in DATA) for row in classifier_rows()
    }
    assert max(mean_gains, key=mean_gains.get) == BEST, mean_gains


@pytest.mark.parametrize('path', STAGE1, ids=lambda path: path.stem)
def test_config_has_the_default(path):
    wrapper = Config.fromfile(path).optim_wrapper
    wanted = dict(DEFAULT, max_relative_norm=None)
    assert {key: wrapper.get(key) for key in wanted} == wanted
    assert wrapper.type == 'CCSAMOptimWrapper'


@pytest.mark.parametrize('data', [*DATA, 'cifar10_lt_r32'])
def test_recorded_row_ran_with_the_default(data):
    lines = [line for line in recorded(data) if line['row'] == BEST]
    assert [line['seed'] for line in lines] == [0, 1, 2]
    for line in lines:
        overrides = line['stages']['stage1']['overrides'].items()
        given = {key: value for key, value in overrides if 'optim_wrapper' in key}
        assert given == {f'optim_wrapper.{key}': DEFAULT[key] for key in DEFAULT}
