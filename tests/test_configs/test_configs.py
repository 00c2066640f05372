# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Every config builds and trains and tests a batch on data of the right layout."""

from pathlib import Path

import mmengine
import pytest
import torch
from fake_data import use_fake_data, write_all
from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

REPO = Path(__file__).parents[2]
CONFIGS = sorted(
    str(path.relative_to(REPO))
    for path in (REPO / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)
LEAF_LINES = 25


@pytest.fixture(scope='module')
def fake_data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_all(root)
    return root


@pytest.fixture(scope='module')
def work_dirs(tmp_path_factory):
    return tmp_path_factory.mktemp('work_dirs')


def train_one_batch(config, fake_data, work_dirs):
    """Run one training and one validation batch; return the runner."""
    path = REPO / config
    cfg = Config.fromfile(path)
    for part in cfg.values():
        use_fake_data(part, fake_data)
    cfg.work_dir = str(work_dirs / path.stem)
    cfg.experiment_name = f'{path.stem}_of_test'
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, num_batch_per_epoch=1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.slow
@pytest.mark.parametrize('config', CONFIGS)
def test_builds_and_steps(config, fake_data, work_dirs):
    if config.endswith('_stage2.py'):
        stage1 = config.replace('_stage2', '_stage1')
        checkpoint = work_dirs / Path(stage1).stem / 'epoch_1.pth'
        if not checkpoint.exists():
            train_one_batch(stage1, fake_data, work_dirs)
    runner = train_one_batch(config, fake_data, work_dirs)
    logs = runner.message_hub.log_scalars
    assert torch.isfinite(torch.tensor(logs['train/loss'].current()))
    assert 0 <= logs['val/accuracy/top1'].current() <= 100
    assert not is_model_wrapper(runner.model)
    num_classes = runner.model.head.num_classes
    counts = runner.train_dataloader.dataset.metainfo['class_counts']
    assert len(counts) == num_classes == runner.cfg.data_preprocessor.num_classes
    if config.endswith('_stage2.py'):
        loaded = torch.load(checkpoint)['state_dict']
        for name, value in runner.model.backbone.state_dict().items():
            torch.testing.assert_close(value, loaded[f'backbone.{name}'])
        assert not torch.equal(runner.model.head.fc.weight, loaded['head.fc.weight'])


@pytest.mark.parametrize('config', CONFIGS)
def test_leaf_says_what_it_is(config):
    """A short leaf with a command that runs it and a word on how it was checked."""
    lines = (REPO / config).read_text().splitlines()
    head = [line for line in lines if line.startswith('#')]
    assert len(lines) <= LEAF_LINES
    assert f'#   python tools/train.py {config}' in head
    assert any(line.startswith('# Checked: ') for line in head)


def test_config_names_are_unique():
    """MIM finds a config by its base name."""
    names = [Path(config).name for config in CONFIGS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('config', [c for c in CONFIGS if c.endswith('_stage1.py')])
def test_stages_and_baseline_share_data_and_network(config):
    """A comparison is fair if nothing but the method differs."""
    name = Path(config).name
    stage1 = Config.fromfile(REPO / config)
    baseline = name.replace('_stage1', '_ce')
    for other in (
        REPO / config.replace('_stage1', '_stage2'),
        REPO / 'configs/baselines/ce' / baseline,
    ):
        cfg = Config.fromfile(other)
        assert cfg.model.backbone == stage1.model.backbone
        assert cfg.train_dataloader.dataset == stage1.train_dataloader.dataset
        assert cfg.test_dataloader == stage1.test_dataloader
    plain = Config.fromfile(REPO / 'configs/baselines/ce' / baseline)
    assert plain.optim_wrapper.optimizer == stage1.optim_wrapper.optimizer
    assert plain.param_scheduler == stage1.param_scheduler
    assert plain.train_cfg == stage1.train_cfg


def test_model_index_lists_every_config_once():
    """MIM and MMPretrain's tools find configs through model-index.yml."""
    index = mmengine.load(REPO / 'model-index.yml')
    models = [
        model
        for metafile in index['Import']
        for model in mmengine.load(REPO / metafile)['Models']
    ]
    assert sorted(model['Config'] for model in models) == CONFIGS
    assert all(Path(m['Config']).stem == m['Name'] for m in models)
