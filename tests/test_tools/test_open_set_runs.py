# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Open-set recognition as a user types it: train, choose a threshold, test."""

import json
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.registry import MODELS

import ccsam_mm  # noqa: F401

REPO = Path(__file__).parents[2]
TOOLS = REPO / 'tools'
CONFIGS = REPO / 'configs' / 'open_set'
OPEN = CONFIGS / 'digits_lt_r20.py'
SMALL = ('--cfg-options', 'model.backbone.depth=8')
SCORES = ('msp', 'max_logit', 'energy', 'proto_cosine', 'proto_euclidean', 'hybrid',
          'openmax')  # fmt: skip
FREE = ('f_accept_all', 'auroc', 'fpr95', 'oscr', 'top1')
BOUND = ('f_measure', 'f_measure_legacy', 'f_floor', 'known_accepted',
         'unknown_accepted', 'accuracy', 'threshold')  # fmt: skip


@pytest.mark.slow
def test_train_choose_a_threshold_and_test_on_one_and_two_ranks(tmp_path, type_in):
    train = CONFIGS / 'digits_lt_known_r20_ce.py'
    options = (*SMALL, 'train_cfg.max_epochs=3')
    type_in(sys.executable, TOOLS / 'train.py', train, '--no-validate', *options)
    checkpoint = tmp_path / 'work_dirs' / 'digits_lt_known_r20_ce' / 'epoch_3.pth'

    choose = TOOLS / 'analysis_tools' / 'choose_threshold.py'
    type_in(sys.executable, choose, OPEN, checkpoint, *SMALL)
    chosen = json.loads(checkpoint.with_suffix('.open_set.json').read_text())
    assert set(chosen) == set(SCORES)

    out = ('--out-item', 'metrics', '--out')
    test = (sys.executable, TOOLS / 'test.py', OPEN, checkpoint)
    log = type_in(*test, *out, '1.json', *SMALL).stdout
    assert 'do not match exactly' not in log
    assert 'statistics of the training images' in log and 'are used again' in log
    rows = [line.split()[1] for line in log.splitlines() if line.startswith('| ')]
    assert rows == ['score', *SCORES]
    type_in('bash', TOOLS / 'dist_test.sh', OPEN, checkpoint, 2, *out, '2.json', *SMALL)
    one, two = (json.loads((tmp_path / f'{n}.json').read_text()) for n in (1, 2))
    # Batches of other sizes round differently, in the last digits of a score.
    assert two == pytest.approx(one, rel=1e-6)

    for score in SCORES:
        prefix = 'openset' if score == 'msp' else f'openset_{score}'
        assert all(f'{prefix}/{name}' in one for name in (*FREE, *BOUND))
        assert one[f'{prefix}/threshold'] == chosen[score]['threshold']
        assert chosen[score]['num_known'] > chosen[score]['num_unknown'] > 0
    pictures = list(tmp_path.glob('work_dirs/digits_lt_r20/*/openset_msp.png'))
    assert pictures and all(p.stat().st_size > 10_000 for p in pictures)


@pytest.mark.parametrize(
    'trained',
    ['digits_lt_known_r20_ce', 'digits_lt_known_r20_stage1',
     'digits_lt_known_r20_stage2'],
)  # fmt: skip
def test_checkpoints_of_every_method_fit(trained):
    """Whatever the classes of model and head, their weights have the same names."""
    models = [
        MODELS.build(Config.fromfile(config).model)
        for config in (OPEN, CONFIGS / f'{trained}.py')
    ]
    expected, found = (
        {name: value.shape for name, value in model.state_dict().items()}
        for model in models
    )
    assert found == expected
