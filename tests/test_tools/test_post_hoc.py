# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Classifiers without training as a user makes, saves and tests them, on digits."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

import ccsam_mm  # noqa: F401  (lets torch.load read checkpoints)

REPO = Path(__file__).parents[2]
TOOLS = REPO / 'tools'
CONFIG = f"""
_base_ = '{REPO}/configs/baselines/ce/digits_lt_r20_ce.py'
model = dict(backbone=dict(depth=8))
train_cfg = dict(max_epochs=3, val_interval=3)
val_dataloader = dict(dataset=dict(split='val'))
test_evaluator = [
    dict(type='ShotAccuracy', test_priors=['backward:50']),
    dict(type='CalibrationMetric', plot=True),
]
"""
SAVABLE = (
    'tau_norm',
    'nearest_mean:un_l2',
    'nearest_mean:un_cosine',
    'nearest_mean:l2n_cosine',
    'nearest_mean:cl2n_cosine',
    'logit_adjustment:1.5',
    'prior_correction',
    'temperature',
)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config and a checkpoint after three epochs."""
    folder = tmp_path_factory.mktemp('run')
    (folder / 'plain.py').write_text(CONFIG)
    command = [sys.executable, TOOLS / 'train.py', folder / 'plain.py']
    command += ['--work-dir', folder / 'train']
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder / 'plain.py', folder / 'train' / 'epoch_3.pth'


@pytest.fixture
def type_in_process(load_tool, monkeypatch, tmp_path, trained):
    """Run a tool in this process, with other values in the config."""
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    for manager in (DefaultScope, MessageHub):
        monkeypatch.setattr(manager, '_instance_dict', manager._instance_dict.copy())
    monkeypatch.chdir(tmp_path)
    runs = []

    def run(tool, checkpoint, *options, **changes):
        cfg = Config.fromfile(trained[0])
        cfg.merge_from_dict(changes)
        runs.append(tool)
        cfg.experiment_name = f'{tmp_path.name}_{len(runs)}'
        cfg.work_dir = str(tmp_path / 'work')
        cfg.dump(str(tmp_path / 'config.py'))
        command = [tool, tmp_path / 'config.py', checkpoint, *options]
        monkeypatch.setattr(sys, 'argv', list(map(str, command)))
        load_tool(tool).main()

    return run


def metrics_of(run, tmp_path, checkpoint, **changes):
    """What tools/test.py reports of a checkpoint."""
    out = ('--out', tmp_path / 'm.json', '--out-item', 'metrics')
    run('test', checkpoint, *out, **changes)
    return json.loads((tmp_path / 'm.json').read_text())


def assert_same(reported, metrics, has_ece):
    for name in ('top1', 'class_mean', 'many', 'medium', 'few'):
        assert metrics[f'accuracy/{name}'] == pytest.approx(reported[name], abs=1e-9)
    assert metrics['accuracy/backward_50'] == pytest.approx(reported['target'])
    if has_ece:
        assert metrics['calibration/ece'] == pytest.approx(reported['ece'], abs=0.01)


@pytest.mark.slow
def test_as_a_user_types_it(type_in, tmp_path, trained):
    config, checkpoint = trained
    tool = (sys.executable, TOOLS / 'analysis_tools' / 'post_hoc.py')
    log = type_in(*tool, config, checkpoint, '--save', 'tau_norm', 'new/tau.pth').stdout
    report = json.loads(checkpoint.with_suffix('.post_hoc.json').read_text())
    assert checkpoint.with_suffix('.post_hoc.png').stat().st_size > 1000
    assert report['chosen_on_test_images'] is False and report['notes'] == []
    assert report['class_counts'] == [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
    found = report['methods']['tau_norm']
    assert f'Saved tau_norm {found["parameter"]} as new/tau.pth' in log
    assert f'| {found["test"]["top1"]:.1f} |' in log.split('On the test images')[1]
    assert (
        found['val']['class_mean']
        > report['methods']['as_trained']['val']['class_mean']
    )
    test = type_in(sys.executable, TOOLS / 'test.py', config, 'new/tau.pth').stdout
    top1 = float(re.search(r'accuracy/top1: ([\d.]+)', test).group(1))
    assert top1 == pytest.approx(found['test']['top1'], abs=1e-3)
    assert len(list(tmp_path.glob('work_dirs/plain/*/calibration.png'))) == 1


@pytest.mark.slow
@pytest.mark.parametrize('name', SAVABLE)
def test_saved_checkpoint_tests_as_printed(type_in_process, tmp_path, trained, name):
    out = ('--out', tmp_path / 'r.json', '--test-prior', 'backward:50')
    saved = tmp_path / 'saved.pth'
    type_in_process('analysis_tools/post_hoc', trained[1], *out, '--save', name, saved)
    reported = json.loads((tmp_path / 'r.json').read_text())['methods'][name]['test']
    metrics = metrics_of(type_in_process, tmp_path, saved)
    assert_same(reported, metrics, has_ece='nearest' not in name)
    weights = [torch.load(path)['state_dict'] for path in (trained[1], saved)]
    changed = {k for k in weights[0] if not torch.equal(weights[0][k], weights[1][k])}
    assert changed and changed <= {'head.fc.weight', 'head.fc.bias'}


@pytest.mark.slow
def test_as_trained_is_what_the_test_of_the_checkpoint_says(
    type_in_process, tmp_path, trained
):
    numbers = tmp_path / 'prior.txt'
    numbers.write_text(' '.join(map(str, range(1, 11))))
    out = ('--out', tmp_path / 'r.json', '--test-prior', numbers)
    type_in_process('analysis_tools/post_hoc', trained[1], *out)
    report = json.loads((tmp_path / 'r.json').read_text())
    assert report['test_prior'] == pytest.approx([i / 55 for i in range(1, 11)])
    reported = report['methods']['as_trained']['test']
    metrics = metrics_of(type_in_process, tmp_path, trained[1])
    reported['target'] = metrics['accuracy/backward_50']
    assert_same(reported, metrics, has_ece=True)


@pytest.mark.slow
def test_choosing_on_test_images_is_said(type_in_process, tmp_path, trained, capsys):
    """Also where the two configs differ in words only."""
    for change in ({}, {'val_dataloader.dataset.seed': 0}):
        changes = {'val_dataloader.dataset.split': 'test', **change}
        out = ('--out', tmp_path / 'r.json')
        type_in_process('analysis_tools/post_hoc', trained[1], *out, **changes)
        printed = capsys.readouterr().out
        assert 'WARNING: the validation images are those of the test' in printed
        assert 'On the test images, where the parameters were chosen' in printed
        report = json.loads((tmp_path / 'r.json').read_text())
        assert report['chosen_on_test_images'] is True
        assert 'WARNING' in report['notes'][0]


@pytest.mark.slow
def test_head_of_cosines(type_in_process, tmp_path, capsys):
    """Reported without tau-normalisation; nothing can be saved."""
    cosine = {
        'model.head.type': 'CosineLinearClsHead',
        'model.head.loss': dict(type='LDAMLoss', scale=10.0),
        'val_dataloader.dataset.split': 'val',
        'test_dataloader': None,
        'test_cfg': None,
        'test_evaluator': None,
    }
    cfg = Config.fromfile(f'{REPO}/configs/baselines/ce/digits_lt_r20_ce.py')
    cfg.merge_from_dict({'model.backbone.depth': 8, **cosine})
    torch.manual_seed(0)
    head = dict(cfg.model.head, loss=dict(type='LDAMLoss', class_counts=[9] * 10))
    model = MODELS.build(dict(cfg.model.to_dict(), head=head))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'cosine.pth')
    tool = 'analysis_tools/post_hoc'
    type_in_process(tool, tmp_path / 'cosine.pth', **cosine)
    printed = capsys.readouterr().out
    assert (
        'tau_norm is left out, and nothing can be saved: the scores of Cos' in printed
    )
    assert 'trains with the loss LDAMLoss, which already changes' in printed
    assert '| logit_adjustment' in printed and 'there is no test' in printed
    for name, said in (('tau_norm', 'has no tau_norm'), ('temperature', 'plain linea')):
        with pytest.raises(ValueError, match=f'CosineLinearClsHead.*{said}'):
            type_in_process(tool, tmp_path / 'cosine.pth', '--save', name, **cosine)


def other(checkpoint, tmp_path, change):
    """A copy of a checkpoint with a change."""
    content = torch.load(checkpoint)
    change(content)
    torch.save(content, tmp_path / 'other.pth')
    return tmp_path / 'other.pth'


@pytest.mark.slow
@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda c: c['meta']['dataset_meta'].update(classes=tuple('1023456789')),
         "The training data set has '0' for label 0, which is '1' in the checkpoint"),
        (lambda c: c['meta']['dataset_meta'].update(class_counts=[9] * 10),
         'was trained on 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 images of the classes, but'),
        (lambda c: c['state_dict']['head.fc.weight'].fill_(float('nan')),
         'The images of val_dataloader get features or scores that are NaN'),
        (lambda c: c['state_dict'].pop('head.fc.weight'), r'fills \d+ of \d+ names'),
    ],
    ids=['classes', 'counts', 'nan', 'weights'],
)  # fmt: skip
def test_wrong_checkpoints_are_refused(
    type_in_process, tmp_path, trained, change, said
):
    checkpoint = other(trained[1], tmp_path, change)
    with pytest.raises((ValueError, RuntimeError), match=said):
        type_in_process('analysis_tools/post_hoc', checkpoint)
    assert not list(tmp_path.glob('other.post_hoc*'))


@pytest.mark.slow
def test_mistakes_are_refused_before_the_images_are_seen(
    type_in_process, tmp_path, trained, monkeypatch
):
    monkeypatch.setattr('ccsam_mm.analysis.post_hoc.data_sets.record_outputs', None)
    no_val = dict(val_dataloader=None, val_cfg=None, val_evaluator=None)
    (tmp_path / 'words.txt').write_text('many few')
    for options, changes, said in (
        ((), no_val, 'no `val_dataloader`, and so no images to choose parameters on'),
        (('--save', 'tau_nrm'), {}, "did you mean 'tau_norm'"),
        (('--save', 'tau_norm', trained[1]), {}, 'would overwrite'),
        (('--test-prior', 'forward'), {}, '--test-prior, which is no file, is'),
        (('--test-prior', tmp_path / 'words.txt'), {}, 'not a list of numbers'),
        ((), {'model.head.num_classes': 9}, 'has 10 classes, but the head has 9|fills'),
    ):
        with pytest.raises((ValueError, RuntimeError), match=said):
            type_in_process('analysis_tools/post_hoc', trained[1], *options, **changes)
    with pytest.raises(SystemExit):
        type_in_process('analysis_tools/post_hoc', trained[1], '--launcher', 'pytorch')
