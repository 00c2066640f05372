# Copyright (c) ccsam_mm contributors. All rights reserved.
import json

import pytest
from mmengine.config import ConfigDict

from ccsam_mm.evaluation.open_set import open_set_score_key, read_threshold

TOOL = 'choose_threshold.py CONFIG CHECKPOINT'


def test_threshold_is_read_exactly(tmp_path):
    path = tmp_path / 'last.open_set.json'
    entries = {'msp': dict(threshold=0.1 + 0.2, f_measure=0.5), 'energy': {}}
    entries['energy']['threshold'] = -7
    path.write_text(json.dumps(entries))
    assert read_threshold(path, 'msp') == 0.1 + 0.2
    assert read_threshold(str(path), 'energy') == -7


def test_unusable_files_name_the_tool(tmp_path):
    path = tmp_path / 'last.open_set.json'
    with pytest.raises(FileNotFoundError, match=rf'last\.open_set\.json.*{TOOL}'):
        read_threshold(path, 'msp')
    for text in ('{', '[1]', '3', '{"msp": 0.1}', '{"msp": {}}', '{"msp": []}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=f'is not a file of thresholds .*{TOOL}'):
            read_threshold(path, 'msp')
    for value in ('{"energy": {"threshold": 1}}', '{"msp": {"threshold": NaN}}'):
        path.write_text(value)
        with pytest.raises(ValueError, match="threshold on the score 'msp', but on"):
            read_threshold(path, 'msp')


def test_keys_of_scores():
    assert open_set_score_key('msp') == open_set_score_key(dict(type='msp')) == 'msp'
    config = ConfigDict(type='openmax', tail_size=20, alpha=10)
    assert open_set_score_key(config) == 'openmax(alpha=10, tail_size=20)'
    assert config.type == 'openmax'  # the config is left as it was
    for bad in ({}, dict(temperature=2.0), '', 3, dict(type=None)):
        with pytest.raises(ValueError, match='names no score: set it'):
            open_set_score_key(bad)


def test_thresholds_of_other_classes_are_refused(tmp_path):
    path = tmp_path / 'epoch_1.open_set.json'
    entry = dict(threshold=0.5, classes=['ant', 'bee', 'cat'])
    path.write_text(json.dumps({'msp': entry}))
    for classes in (None, ('ant', 'bee', 'cat')):
        assert read_threshold(path, 'msp', classes) == 0.5
    with pytest.raises(ValueError, match="'bee' for label 1.*'cat'.*anew with"):
        read_threshold(path, 'msp', ['ant', 'cat', 'bee'])
