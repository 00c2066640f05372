# Copyright (c) ccsam_mm contributors. All rights reserved.
"""browse_long_tail.py as a user types it, on data that need no download."""

import json
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
TOOL = (sys.executable, REPO / 'tools/analysis_tools/browse_long_tail.py')
DIGITS = REPO / 'configs/ccsam/digits_lt_r20_stage2.py'


@pytest.mark.slow
def test_digits(tmp_path, type_in):
    options = ('--cfg-options', 'val_dataloader.dataset.split=val')
    log = type_in(*TOOL, DIGITS, *options).stdout
    assert '| train |    342 |      10 |  124 .. 2 |      62.0 |' in log
    assert '| val   |    955 |' in log  # 1797 - 342 - 500
    out = tmp_path / 'work_dirs/digits_lt_r20_stage2/long_tail'
    assert f'Written: {out.relative_to(tmp_path)}/class_counts.json' in log
    counts = json.loads((out / 'class_counts.json').read_text())
    assert counts['class_counts'] == [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
    assert sum(counts['splits']['val']['class_counts']) == 955
    for name in ('class_counts.png', 'train.png'):
        assert (out / name).stat().st_size > 10_000


def test_split_that_the_config_lacks(tmp_path, monkeypatch, load_tool):
    config = tmp_path / 'training_only.py'
    # With a scope, as MMEngine's own one would stay for the tests that follow.
    config.write_text(
        "default_scope = 'mmpretrain'\n"
        "train_dataloader = dict(dataset=dict(type='DigitsLT'))\n"
    )
    tool = load_tool('analysis_tools/browse_long_tail')
    monkeypatch.chdir(tmp_path)
    argv = ['browse', str(config), '--split', 'test']
    monkeypatch.setattr('sys.argv', argv)
    with pytest.raises(ValueError, match='`test_dataloader`: set --split to train'):
        tool.main()
    config.write_text('model = dict()\n')
    with pytest.raises(ValueError, match='has no data: add `train_dataloader`'):
        tool.main()
    assert not (tmp_path / 'work_dirs').exists()
