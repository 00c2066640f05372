# Copyright (c) ccsam_mm contributors. All rights reserved.
"""loss_landscape.py and sharpness.py as a user types them, after a short training."""

import csv
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.apis import get_model

REPO = Path(__file__).parents[2]
CONFIG = REPO / 'configs/ccsam/digits_lt_r20_stage1.py'
LANDSCAPE = 'analysis_tools/loss_landscape'
SHARPNESS = 'analysis_tools/sharpness'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The checkpoint of one epoch, and of one with another seed."""
    folder = tmp_path_factory.mktemp('trained')
    saved = {m: m._instance_dict.copy() for m in (DefaultScope, MessageHub)}
    paths = []
    for seed in (0, 1):
        cfg = Config.fromfile(str(CONFIG))
        cfg.work_dir = str(folder / f'seed{seed}')
        cfg.experiment_name = cfg.work_dir
        cfg.train_cfg.max_epochs = 1
        cfg.train_cfg.val_interval = 2
        cfg.randomness = dict(seed=seed)
        Runner.from_cfg(cfg).train()
        paths.append(f'{cfg.work_dir}/epoch_1.pth')
    for manager, instances in saved.items():
        manager._instance_dict = instances
    return paths


@pytest.fixture
def run(load_tool, monkeypatch, capsys, tmp_path):
    """Run a tool in this process, and return what it printed."""
    for manager in (DefaultScope, MessageHub):
        monkeypatch.setattr(manager, '_instance_dict', manager._instance_dict.copy())
    monkeypatch.chdir(tmp_path)

    def call(tool, *words):
        monkeypatch.setattr('sys.argv', [tool, *map(str, words)])
        load_tool(tool).main()
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_landscape_as_typed(trained, type_in, tmp_path):
    tool = REPO / f'tools/{LANDSCAPE}.py'
    words = ('--names', 'one', 'two', '--seeds', 2, '--ratios', 0, 0.1, 1)
    log = type_in(sys.executable, tool, CONFIG, *trained, *words).stdout
    out = tmp_path / 'work_dirs/digits_lt_r20_stage1'
    assert f'Written: {out.relative_to(tmp_path)}/loss_landscape.json' in log
    assert (out / 'loss_landscape.png').stat().st_size > 10_000
    record = json.loads((out / 'loss_landscape.json').read_text())
    assert record['groups'] == ['all', 'many', 'medium', 'few']
    assert record['images'] == 342
    lines = list(csv.DictReader((out / 'loss_landscape.csv').open()))
    assert len(lines) == 2 * 5 * 3 * 2
    assert sorted(path.suffix for path in out.iterdir()) == ['.csv', '.json', '.png']


@pytest.mark.slow
@pytest.mark.parametrize('perturb', ['head', 'backbone.layer3'])
def test_loss_without_noise_is_that_of_the_test(trained, run, tmp_path, perturb):
    """The scores that tools/test.py writes give the same loss, group by group."""
    words = ('--subset', 'test', '--ratios', 0, '--seeds', 1, '--perturb', perturb)
    run(LANDSCAPE, CONFIG, trained[0], *words, '--out', 'a.png')
    found = json.loads((tmp_path / 'a.json').read_text())['checkpoints'][0]['curve']
    run('test', CONFIG, trained[0], '--out', 'pred.pkl')
    samples = pickle.loads((tmp_path / 'pred.pkl').read_bytes())
    labels = np.array([int(s['gt_label']) for s in samples])
    scores = np.array([s['pred_score'].numpy() for s in samples])
    losses = -np.log(scores[np.arange(len(labels)), labels])
    means = np.array([losses[labels == c].mean() for c in range(10)])
    expected = dict(all=losses.mean(), class_mean=means.mean(), many=means[0],
                    medium=means[1:5].mean(), few=means[5:].mean())  # fmt: skip
    for name, value in expected.items():
        assert found[name][0][0] == pytest.approx(value, rel=1e-4), name


@pytest.mark.slow
def test_losses_of_the_config_and_surfaces(trained, run, tmp_path):
    words = ('--ratios', 0, '--out', 'a.png')
    run(LANDSCAPE, CONFIG, trained[0], *words, '--loss', 'config')
    config_loss = json.loads((tmp_path / 'a.json').read_text())['checkpoints'][0]
    loss = ('--cfg-options', "model.head.loss.type='BalancedSoftmaxLoss'",
            'model.head.loss._delete_=True')  # fmt: skip
    run(LANDSCAPE, CONFIG, trained[0], *words, '--loss', 'config', *loss)
    balanced = json.loads((tmp_path / 'a.json').read_text())['checkpoints'][0]
    run(LANDSCAPE, CONFIG, trained[0], *words, *loss)
    ce = json.loads((tmp_path / 'a.json').read_text())['checkpoints'][0]
    assert ce['curve'] == config_loss['curve'] != balanced['curve']

    printed = run(LANDSCAPE, CONFIG, *trained, '--surface', '--resolution', 3)
    assert 'loss_surface.json' in printed
    out = tmp_path / 'work_dirs/digits_lt_r20_stage1'
    record = json.loads((out / 'loss_surface.json').read_text())
    assert record['groups'] == ['all', 'many', 'few']
    assert record['axis'] == [-1, 0, 1]
    assert [run['name'] for run in record['checkpoints']] == ['seed0', 'seed1']
    center = record['checkpoints'][0]['surface']['all'][1][1]
    assert center == pytest.approx(ce['curve']['all'][0][0])
    assert (out / 'loss_surface.png').is_file()


@pytest.mark.slow
def test_sharpness_as_typed(trained, type_in, tmp_path):
    tool = REPO / f'tools/{SHARPNESS}.py'
    words = ('--eigenvalues', 2, '--probes', 3, '--ascent-steps', 2)
    log = type_in(sys.executable, tool, CONFIG, *trained, *words).stdout
    out = tmp_path / 'work_dirs/digits_lt_r20_stage1'
    assert '| seed1      |    few |' in log
    cfg = Config.fromfile(str(CONFIG)).optim_wrapper
    assert f'rho_scale={cfg.rho_scale}' in log
    record = json.loads((out / 'sharpness.json').read_text())
    assert (out / 'sharpness.png').stat().st_size > 5000
    for checkpoint in record['checkpoints']:
        assert list(checkpoint['measures']) == ['all', 'many', 'medium', 'few']
        for own in checkpoint['measures'].values():
            first, second = own['eigenvalues']
            assert first >= second
            # The loss of a linear classifier is convex.
            assert first > 0 and own['trace'] > 0
            assert own['sam'] > 0 and own['ccsam'] > 0

    # One checkpoint needs no picture; the options override the config.
    words = ('--rho-scale', 0, '--out', 'b.png', '--probes', 2, '--eigenvalues', 1)
    log = type_in(sys.executable, tool, CONFIG, trained[0], *words).stdout
    assert 'rho_scale=0' in log
    assert not (tmp_path / 'b.png').exists()
    record = json.loads((tmp_path / 'b.json').read_text())
    assert record['checkpoints'][0]['measures']['few']['ccsam'] == 0


@pytest.fixture
def fails(run, load_tool, capsys):
    """Run a tool that fails, and return the sentence that it shows."""

    def call(tool, *words):
        with pytest.raises((Exception, SystemExit)) as failed:
            run(tool, *words)
        if failed.type is SystemExit:
            return capsys.readouterr().err
        return load_tool('tool_errors').sentence_of(failed.value)

    return call


def changed(checkpoint, path, change):
    """Write a checkpoint with a change."""
    loaded = torch.load(checkpoint, weights_only=False)
    change(loaded)
    torch.save(loaded, path)
    return path


@pytest.mark.slow
def test_wrong_checkpoints(trained, fails, tmp_path):
    def diverge(loaded):
        loaded['state_dict']['head.fc.bias'][9] = float('nan')

    def other_counts(loaded):
        loaded['meta']['dataset_meta']['class_counts'] = [400, *[50] * 9]

    nan = changed(trained[0], tmp_path / 'nan.pth', diverge)
    for tool in (LANDSCAPE, SHARPNESS):
        sentence = fails(tool, CONFIG, trained[0], nan)
        assert 'nan.pth gives 342 of 342 images a loss that is not finite' in sentence
        assert "the first one of class 0 ('0'): its training has diverged" in sentence
    other = changed(trained[0], tmp_path / 'other.pth', other_counts)
    sentence = fails(LANDSCAPE, CONFIG, other)
    assert 'on 10 classes of 400 .. 50 training images' in sentence
    assert 'config has 10 classes of 124 .. 2: take the config of its' in sentence
    deeper = ('--cfg-options', 'model.backbone.depth=32')
    assert 'the first missing one is' in fails(SHARPNESS, CONFIG, trained[0], *deeper)
    assert "'no.pth' does not exist" in fails(LANDSCAPE, CONFIG, trained[0], 'no.pth')
    assert not list(tmp_path.rglob('*.png'))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('tool', 'words', 'sentence'),
    [
        (LANDSCAPE, ['--perturb', 'hed'], "--perturb 'hed' matches no parameter of Im"),
        (LANDSCAPE, ['--names', 'a', 'b'], 'give a different name to each of the 1'),
        (LANDSCAPE, ['--resolution', 4], '--resolution 4: set it to an odd number'),
        (LANDSCAPE, ['--ratios', -1], '-1 is no number of at least 0'),
        (LANDSCAPE, ['--out', 'a.txt'], 'name a .png or .svg or .pdf file'),
        (LANDSCAPE, ['--out', 'file/a.png'], '--out'),
        (LANDSCAPE, ['--surface', '--perturb', 'head.fc.bias'], 'no filters to norm'),
        (LANDSCAPE, ['--cfg-options', 'val_dataloader=None', '--subset', 'val'],
         'no `val_dataloader`: set --subset to train or test.'),
        (SHARPNESS, ['--perturb', 'head.fc.bias', '--eigenvalues', 10],
         '--eigenvalues 10: 10 parameters are perturbed'),
        (SHARPNESS, ['--probes', 1], 'set it to 2 at least'),
        (SHARPNESS, ['--cfg-options', "model.head.loss.type='LADELoss'",
                     'model.head.loss._delete_=True', '--loss', 'config'],
         'use --loss ce'),
    ],
)  # fmt: skip
def test_wrong_options(trained, fails, tmp_path, tool, words, sentence):
    (tmp_path / 'file').write_text('')
    assert sentence in fails(tool, CONFIG, trained[0], *words)
    assert not list(tmp_path.rglob('*.png'))


def test_a_missing_checkpoint_is_named_at_once(type_in):
    command = (sys.executable, REPO / f'tools/{SHARPNESS}.py', CONFIG, 'none.pth')
    result = type_in(*command, check=False)
    assert result.returncode == 2
    assert "sharpness.py: checkpoint 'none.pth' does not exist" in result.stdout


@pytest.mark.slow
def test_groups_without_a_class_are_named(run, tmp_path):
    data = "dict(_delete_=True, type='ClassSubset', classes=['0', '1'], dataset=dict("
    data += "type='DigitsLT', split={!r}, pipeline=[dict(type='PackInputs')]))"
    config = tmp_path / 'two.py'
    config.write_text(
        f'_base_ = {str(CONFIG)!r}\n'
        f'train_dataloader = dict(dataset={data.format("train")})\n'
        f'test_dataloader = dict(dataset={data.format("test")})\n'
        'model = dict(head=dict(num_classes=2))\n'
    )
    cfg = Config.fromfile(str(config))
    model = get_model(cfg)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'two.pth')
    words = ('--subset', 'test', '--out', 'a.png')
    few = ('--ratios', 0, 1, '--seeds', 1)
    printed = run(LANDSCAPE, config, tmp_path / 'two.pth', *words, *few)
    assert 'The test images have no few-shot class: that group is left out.' in printed
    record = json.loads((tmp_path / 'a.json').read_text())
    assert record['groups'] == ['all', 'many', 'medium']
    run(LANDSCAPE, config, tmp_path / 'two.pth', *words, '--surface', '--resolution', 3)
    record = json.loads((tmp_path / 'a.json').read_text())
    assert record['groups'] == ['all', 'many', 'medium']
