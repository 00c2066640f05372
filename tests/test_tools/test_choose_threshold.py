# Copyright (c) ccsam_mm contributors. All rights reserved.
import json
import sys

import open_digits
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS

SCORES = ['msp', dict(type='energy', temperature=2.0), 'hybrid']


@pytest.fixture
def checkpoint(tmp_path):
    open_digits.save_checkpoint(open_digits.train_model(), tmp_path / 'epoch_1.pth')
    return tmp_path / 'epoch_1.pth'


@pytest.fixture
def type_in_process(load_tool, monkeypatch, tmp_path, checkpoint):
    """Run a tool with a config in this process."""
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    for manager in (DefaultScope, MessageHub):
        monkeypatch.setattr(manager, '_instance_dict', manager._instance_dict.copy())

    def run(tool, *options, **changes):
        cfg = open_digits.config(tmp_path / 'work', SCORES, 'auto', **changes)
        cfg.experiment_name = f'{tmp_path.name}_{tool}'
        cfg.dump(str(tmp_path / 'open.py'))
        command = [tool, tmp_path / 'open.py', checkpoint, *options]
        monkeypatch.setattr(sys, 'argv', list(map(str, command)))
        load_tool(tool).main()

    return run


@pytest.mark.slow
def test_chooses_on_validation_images_and_the_test_reads_it(
    type_in_process, capsys, tmp_path, checkpoint
):
    type_in_process('analysis_tools/choose_threshold')
    printed = capsys.readouterr().out
    entries = json.loads((tmp_path / 'epoch_1.open_set.json').read_text())
    keys = ['msp', 'energy(temperature=2.0)', 'hybrid']
    assert list(entries) == keys
    for key in keys:
        assert f'{entries[key]["threshold"]:.4g}' in printed

    # Every threshold on msp, counted image by image.
    model = open_digits.train_model(iterations=0)
    model.load_state_dict(torch.load(checkpoint)['state_dict'])
    val_set = DATASETS.build(open_digits.open_set('val'))
    _, logits, labels = open_digits.look_at(model, val_set)
    score, pred = logits.softmax(dim=1).max(dim=1)
    best = {}
    for threshold in score.unique():
        accepted = score >= threshold
        right = int((accepted & (pred == labels)).sum())
        false = int((labels >= 0).sum()) - right + int(accepted[labels < 0].sum())
        best[float(threshold)] = 2 * right / (2 * right + false)
    assert entries['msp']['f_measure'] == pytest.approx(max(best.values()), abs=2e-3)
    nearest = min(best, key=lambda t: abs(t - entries['msp']['threshold']))
    assert best[nearest] == pytest.approx(max(best.values()), abs=2e-3)
    assert entries['msp']['num_known'] == int((labels >= 0).sum())
    assert entries['msp']['num_unknown'] == int((labels < 0).sum())
    for name in ('msp', 'energy_temperature_2.0', 'hybrid'):
        picture = tmp_path / f'epoch_1.open_set_{name}.png'
        assert picture.read_bytes().startswith(b'\x89PNG')

    type_in_process('test', '--out', tmp_path / 'm.json', '--out-item', 'metrics')
    printed = capsys.readouterr().out
    metrics = json.loads((tmp_path / 'm.json').read_text())
    for prefix, key in zip(('msp', 'energy', 'hybrid'), keys):
        assert metrics[f'{prefix}/threshold'] == entries[key]['threshold']
    assert 'epoch_1.open_set.pth are used again' in printed


def test_criterion_and_picture_of_each_score(load_tool, monkeypatch, tmp_path):
    tool = load_tool('analysis_tools/choose_threshold')
    cfg = open_digits.config(tmp_path, SCORES, 'auto')
    command = ['choose_threshold', 'open.py', 'no_such.pth', '--criterion', 'tpr95']
    monkeypatch.setattr(sys, 'argv', command)
    merged, path = tool.merge_args(cfg, tool.parse_args())
    assert path == 'no_such.open_set.json'
    assert {chooser.criterion for chooser in merged.val_evaluator} == {'tpr95'}
    assert len({chooser.picture for chooser in merged.val_evaluator}) == 3


def check(load_tool, val, test):
    cfg = Config(dict(val_dataloader=val and dict(dataset=val),
                      test_dataloader=test and dict(dataset=test)))  # fmt: skip
    load_tool('analysis_tools/choose_threshold').check_validation_set(cfg, 'open.py')


def test_test_images_are_refused(load_tool):
    test = open_digits.open_set('test')
    val = open_digits.open_set('val')
    check(load_tool, val, test)
    check(load_tool, val, None)
    for bad, common in (
        (test, 'data set'),
        (dict(val, known=test['known']), 'known images'),
        (dict(val, unknown=test['unknown'], part='val'), 'unknown images'),
    ):
        with pytest.raises(ValueError, match=f'open.py has the same {common}'):
            check(load_tool, bad, test)
    halves = (dict(val, unknown=test['unknown'], part='val'), dict(test, part='test'))
    check(load_tool, *halves)
    for key, value in (('seed', 1), ('val_ratio', 0.5)):
        with pytest.raises(ValueError, match='at one `seed` and `val_ratio`'):
            check(load_tool, halves[0], {**halves[1], key: value})
    # Other options than those of the images hide nothing, nor do lists.
    renamed = open_digits.known('test', pipeline=[], test_mode=True, lazy_init=True)
    with pytest.raises(ValueError, match='the same known images'):
        check(load_tool, dict(val, known=renamed), test)
    own, common = val['unknown'], test['unknown']
    with pytest.raises(ValueError, match='the same unknown images'):
        check(load_tool, dict(val, unknown=[own, common]), test)
    with pytest.raises(ValueError, match='the same data set'):
        check(load_tool, dict(test, unknown=[common]), test)
    check(load_tool, dict(halves[0], unknown=[common, own]), halves[1])
    with pytest.raises(ValueError, match='in one order'):
        check(load_tool, dict(halves[0], unknown=[own, common]), halves[1])
    with pytest.raises(ValueError, match=r'no `val_dataloader`, .*OpenSet\(known='):
        check(load_tool, None, test)


def test_scores_of_both_evaluators_once_each(load_tool):
    tool = load_tool('analysis_tools/choose_threshold')
    energy = dict(type='energy', temperature=2.0)
    cfg = Config(
        dict(
            val_evaluator=dict(type='OpenSetMetric'),
            test_evaluator=dict(
                metrics=[
                    dict(type='ShotAccuracy'),
                    dict(type='OpenSetMetric', score=energy),
                    dict(type='OpenSetMetric', score='msp', prefix='again'),
                ]
            ),
        )
    )
    assert list(tool.find_scores(cfg)) == ['msp', 'energy(temperature=2.0)']
    with pytest.raises(ValueError, match='Neither `val_evaluator` nor'):
        tool.find_scores(Config(dict(val_evaluator=dict(type='ShotAccuracy'))))
