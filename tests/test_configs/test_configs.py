# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Every config builds and trains and tests a batch on data of the right layout."""

import re
from pathlib import Path

import modelindex.load_model_index as modelindex
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
STAGE2 = [config for config in CONFIGS if '_stage2' in config]
OPEN_SET = [
    config
    for config in CONFIGS
    if config.startswith('configs/open_set/') and '_known_' not in config
]
TRAINED = [config for config in CONFIGS if config not in OPEN_SET]
FOR_8_GPUS = re.compile('places_lt|imagenet_lt|inat2018')
# First stages whose schedule is a part of the method, or the authors' own.
OWN_SCHEDULE = re.compile('_weight_balancing_stage1|imagenet_lt_r50_gcl')
LEAF_LINES = 25
PARTS = ('known', 'unknown')  # of an open set


@pytest.fixture(scope='module')
def fake_data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_all(root)
    return root


@pytest.fixture(scope='module')
def work_dirs(tmp_path_factory):
    return tmp_path_factory.mktemp('work_dirs')


@pytest.fixture
def plain_dumps(monkeypatch):
    """Formatting a config takes longer than its training here."""
    plain = ('mmengine.config.config.FormatCode', lambda text, **kwargs: (text, False))
    monkeypatch.setattr(*plain, raising=False)


def stage1_of(config):
    """The config whose checkpoint a stage-2 config loads."""
    hook = Config.fromfile(REPO / config).default_hooks.load_stage1
    assert hook.type == 'LoadStage1Hook'
    path = Path(config)
    stage1 = hook.get('stage1', path.name.replace('_stage2', '_stage1'))
    return str((REPO / path.parent / stage1).resolve().relative_to(REPO))


# Small networks of the same kind, and their number of features.
ONES = [1] * 4
SWIN = dict(arch=dict(embed_dims=8, depths=ONES, num_heads=ONES), pad_small_map=True)
TINY = dict(
    ResNet=(dict(depth=18, stem_channels=8, base_channels=8), 64),
    ResNeXt=(dict(stem_channels=8, base_channels=8, groups=2), 256),
    SwinTransformer=(SWIN, 64),
    ConvNeXt=(dict(arch=dict(depths=ONES, channels=[8, 16, 32, 64])), 64),
)


def shrink(cfg):
    """Make a large network and its images small, and start it from nothing."""
    if cfg.model.backbone.type in TINY:
        backbone, features = TINY[cfg.model.backbone.type]
        cfg.model.backbone.update(backbone, init_cfg=None)
        cfg.model.head.in_channels = features
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.batch_size = 16
            for dataset in (loader.dataset, *map(loader.dataset.get, PARTS)):
                for step in (dataset or {}).get('pipeline', ()):
                    step.update({k: 32 for k in ('scale', 'crop_size') if k in step})


def load_small(config, fake_data, work_dirs):
    """Read a config for small networks and data."""
    path = REPO / config
    cfg = Config.fromfile(path)
    for part in cfg.values():
        use_fake_data(part, fake_data)
    shrink(cfg)
    cfg.work_dir = str(work_dirs / path.stem)
    cfg.experiment_name = f'{path.stem}_of_test'
    return cfg


def train_one_batch(config, fake_data, work_dirs):
    """Run one training and one validation batch; return the runner."""
    cfg = load_small(config, fake_data, work_dirs)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, num_batch_per_epoch=1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.slow
@pytest.mark.parametrize('config', TRAINED)
def test_builds_and_steps(config, fake_data, work_dirs, plain_dumps):
    if config in STAGE2:
        stage1 = stage1_of(config)
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
    if config in STAGE2:
        loaded = torch.load(checkpoint)['state_dict']
        backbone = runner.model.backbone
        moves = runner.model.moving_statistics
        frozen = backbone.named_parameters() if moves else backbone.state_dict().items()
        for name, value in frozen:
            torch.testing.assert_close(value.data, loaded[f'backbone.{name}'])
        # LWS and DisAlign learn beside the classifier of stage 1.
        kept = torch.equal(runner.model.head.fc.weight, loaded['head.fc.weight'])
        assert kept == ('head.fc' in runner.model.frozen)
        learned = [p for p in runner.model.head.parameters() if p.requires_grad]
        moved = runner.optim_wrapper.optimizer.state
        assert learned and all(moved[p]['momentum_buffer'].any() for p in learned)


@pytest.mark.slow
@pytest.mark.parametrize('config', OPEN_SET)
def test_measures_an_open_set(config, fake_data, work_dirs, plain_dumps):
    """Images of both kinds, each score, and the classes of a training config."""
    cfg = load_small(config, fake_data, work_dirs)
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0)
        if loader.dataset.unknown.type == 'CIFAR100LT':
            loader.dataset.unknown.indices = 50
    assert [metric.score for metric in cfg.test_evaluator][-1] == 'openmax'
    # It needs classes that the network knows, which an untrained one does not.
    cfg.test_evaluator = cfg.test_evaluator[:-1]
    for metric in cfg.test_evaluator:
        # A threshold is chosen for a checkpoint, of which there is none.
        metric.threshold = 0.0 if metric.threshold == 'auto' else metric.threshold
    runner = Runner.from_cfg(cfg)
    tested = runner.test()
    for metric in cfg.test_evaluator:
        score = f'_{metric.score}' if metric.score != 'msp' else ''
        assert 0 <= tested[f'openset{score}/auroc'] <= 1
    labels = runner.test_dataloader.dataset.get_gt_labels()
    num_classes = runner.model.head.num_classes
    assert labels.min() == -1 and 0 < labels.max() < num_classes
    counts = runner.test_dataloader.dataset.metainfo['class_counts']
    assert len(counts) == num_classes == cfg.data_preprocessor.num_classes
    training = runner.build_dataloader(cfg.train_dataloader).dataset
    assert training.metainfo['class_counts'] == counts


@pytest.mark.parametrize('config', CONFIGS)
def test_leaf_says_what_it_is(config):
    """A short leaf with a command that runs it and a word on how it was checked."""
    lines = (REPO / config).read_text().splitlines()
    head = [line for line in lines if line.startswith('#')]
    assert len(lines) <= LEAF_LINES
    tool, checkpoint = ('test', ' CHECKPOINT') if config in OPEN_SET else ('train', '')
    command = f'#   python tools/{tool}.py {config}{checkpoint}'
    if FOR_8_GPUS.search(config):
        assert f'#   bash tools/dist_{tool}.sh {config}{checkpoint} 8' in head
        command += '' if config in OPEN_SET else ' --auto-scale-lr'
    assert command in head
    assert any(line.startswith('# Checked: ') for line in head)


@pytest.mark.parametrize('config', CONFIGS)
def test_lr_is_meant_for_the_configured_batch_size(config):
    """`--auto-scale-lr` changes nothing on as many GPUs as the config is for."""
    cfg = Config.fromfile(REPO / config)
    gpus = 8 if FOR_8_GPUS.search(config) else 1
    assert cfg.auto_scale_lr.base_batch_size == gpus * cfg.train_dataloader.batch_size


def test_config_names_are_unique():
    """MIM finds a config by its base name."""
    names = [Path(config).name for config in CONFIGS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('config', STAGE2)
def test_stages_and_baseline_share_data_and_network(config):
    """A comparison is fair if nothing but the method differs."""
    stage1 = Config.fromfile(REPO / stage1_of(config))
    others = [Config.fromfile(REPO / config)]
    prefix = re.match(r'.*_[rx]\d+_', Path(config).name)
    # The released setting has a network and augmentation of its own.
    if prefix and '_released' not in config:
        folder = 'open_set' if 'open_set' in config else 'baselines/ce'
        plain = REPO / 'configs' / folder / f'{prefix.group()}ce.py'
        others.append(Config.fromfile(plain))
        if not OWN_SCHEDULE.search(stage1_of(config)):
            for key in ('param_scheduler', 'train_cfg'):
                assert others[1][key] == stage1[key]
            assert others[1].optim_wrapper.optimizer == stage1.optim_wrapper.optimizer
    for cfg in others:
        assert cfg.model.backbone == stage1.model.backbone
        assert cfg.train_dataloader.dataset == stage1.train_dataloader.dataset
        assert cfg.test_dataloader == stage1.test_dataloader


def test_every_stage1_has_a_stage2():
    loaded = {stage1_of(config) for config in STAGE2}
    assert {config for config in CONFIGS if '_stage1' in config} <= loaded


def test_model_index_lists_every_config_once():
    """MIM and MMPretrain's tools find configs through model-index.yml."""
    index = modelindex.load(str(REPO / 'model-index.yml'))
    collections = {collection.name for collection in index.collections}
    assert len(collections) == len(index.collections)
    assert all((REPO / c.readme).is_file() for c in index.collections)
    assert sorted(model.config for model in index.models) == CONFIGS
    for model in index.models:
        assert model.name == Path(model.config).stem
        assert model.in_collection in collections
        # `inference_model` reads the task, `mim search` goes through the metrics.
        (result,) = model.results
        assert result.task == 'Image Classification'
        assert result.dataset == model.metadata.data['Training Data']
        assert isinstance(result.metrics, dict)
