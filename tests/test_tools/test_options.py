# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Options of train.py and test.py: those of MMPretrain, with the same effect."""

import argparse
import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.utils import package_utils

from ccsam_mm.utils import mixed_precision

DIGITS = Path(__file__).parents[2] / 'configs/ccsam/digits_lt_r20_stage1.py'


@pytest.fixture
def merged(load_tool, monkeypatch):
    """Parse a command line and merge it into the config, as the tools do."""

    def merge(tool, *argv):
        monkeypatch.setattr('sys.argv', [f'{tool}.py', *map(str, argv)])
        monkeypatch.setenv('LOCAL_RANK', '0')
        module = load_tool(tool)
        args = module.parse_args()
        return module.merge_args(Config.fromfile(args.config), args)

    return merge


@pytest.fixture
def accelerator(monkeypatch):
    monkeypatch.setattr(mixed_precision, 'get_device', lambda: 'cuda')


def options(parser_of):
    return {
        option: (action.nargs, action.const, action.default, action.choices)
        for action in parser_of._actions
        for option in action.option_strings or [action.dest]
        if option not in ('-h', '--help')
    }


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_options_are_those_of_mmpretrain(load_tool, monkeypatch, tool):
    """Reads the parser of the script that MMPretrain's wheel brings."""
    import mmpretrain

    path = Path(mmpretrain.__path__[0], '.mim', 'tools', f'{tool}.py')
    if not path.exists():
        pytest.skip('this MMPretrain brings no tools')
    parsers = []

    def parse_args(parser):
        parsers.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_args)
    upstream = runpy.run_path(str(path))
    for parse in (upstream['parse_args'], load_tool(tool).parse_args):
        with pytest.raises(SystemExit):
            parse()
    theirs, ours = map(options, parsers)
    assert ours == theirs


def test_train_defaults(merged):
    cfg = merged('train', DIGITS)
    assert cfg.work_dir == './work_dirs/digits_lt_r20_stage1'
    assert cfg.launcher == 'none' and cfg.resume is False
    assert cfg.train_dataloader.collate_fn == dict(type='default_collate')
    # What the config says about a data loader stays.
    assert cfg.train_dataloader.persistent_workers is False


def test_work_dir_comes_from_option_then_config(merged):
    assert merged('train', DIGITS, '--work-dir', 'a').work_dir == 'a'
    cfg = merged('train', DIGITS, '--cfg-options', 'work_dir=b')
    assert cfg.work_dir == 'b'


def test_resume(merged):
    cfg = merged('train', DIGITS, '--resume')
    assert cfg.resume is True and cfg.load_from is None
    cfg = merged('train', DIGITS, '--resume', 'epoch_3.pth')
    assert cfg.resume is True and cfg.load_from == 'epoch_3.pth'


def test_resume_finds_the_checkpoint_of_a_moved_work_dir(merged, tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_3.pth')
    (tmp_path / 'epoch_3.pth').touch()
    cfg = merged('train', DIGITS, '--resume', '--work-dir', tmp_path)
    assert cfg.load_from == str(tmp_path / 'epoch_3.pth')
    assert merged('train', DIGITS, '--work-dir', tmp_path).load_from is None


def test_no_validate_and_loader_switches(merged):
    cfg = merged(
        'train', DIGITS, '--no-validate', '--no-pin-memory', '--no-persistent-workers'
    )
    assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None
    assert cfg.train_dataloader.pin_memory is False
    assert cfg.test_dataloader.persistent_workers is False


def test_no_workers_never_persist(merged):
    """PyTorch would refuse the combination, which MMPretrain's tool asks for."""
    cfg = merged(
        'train',
        DIGITS,
        '--cfg-options',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=True',
    )
    assert cfg.train_dataloader.persistent_workers is False


def test_auto_scale_lr(merged, tmp_path):
    cfg = merged('train', DIGITS, '--auto-scale-lr')
    assert cfg.auto_scale_lr == dict(base_batch_size=32, enable=True)
    config = tmp_path / 'plain.py'
    config.write_text("model = dict(type='ImageClassifier')")
    with pytest.raises(ValueError, match=r'auto_scale_lr=dict\(base_batch_size=\.\.\.'):
        merged('train', config, '--auto-scale-lr')


def test_amp_maps_to_the_twin(merged, accelerator, tmp_path):
    wrapper = merged('train', DIGITS, '--amp').optim_wrapper
    assert wrapper.type == 'AmpCCSAMOptimWrapper'
    assert wrapper.loss_scale == 'dynamic' and wrapper.perturb == 'head'
    config = tmp_path / 'plain.py'
    config.write_text("optim_wrapper = dict(optimizer=dict(type='SGD', lr=1))")
    assert merged('train', config, '--amp').optim_wrapper.type == 'AmpOptimWrapper'


def test_test_options(merged):
    cfg = merged('test', DIGITS, 'epoch_1.pth', '--amp', '--show-dir', 'pictures')
    assert cfg.load_from == 'epoch_1.pth' and cfg.test_cfg.fp16 is True
    hook = cfg.default_hooks.visualization
    assert hook.enable is True and hook.out_dir == 'pictures' and hook.show is False


def test_tta_flips_by_default(merged):
    cfg = merged('test', DIGITS, 'epoch_1.pth', '--tta')
    assert cfg.model.type == 'mmpretrain.AverageClsScoreTTA'
    assert cfg.model.module.type == 'ImageClassifier'
    resize, augment = cfg.test_dataloader.dataset.pipeline
    assert resize.type == 'Resize' and augment.type == 'TestTimeAug'
    assert [t.prob for t in augment.transforms[0]] == [1.0, 0.0]
    assert augment.transforms[1] == [dict(type='PackInputs')]


def test_tta_reaches_wrapped_data_sets(merged, tmp_path):
    """Known and unknown images have pipelines of their own."""
    config = tmp_path / 'open.py'
    config.write_text(
        "pack = dict(type='PackInputs')\n"
        "known = dict(type='DigitsLT', pipeline=[pack])\n"
        "unknown = [dict(type='DigitsLT', pipeline=[dict(type='Resize'), pack])]\n"
        "known = dict(type='LongTailed', dataset=known)\n"
        "dataset = dict(type='OpenSet', known=known, unknown=unknown)\n"
        'test_dataloader = dict(dataset=dataset)\n'
        "model = dict(type='ImageClassifier')\n"
    )
    data = merged('test', config, 'epoch_1.pth', '--tta').test_dataloader.dataset
    (known,), (resize, unknown) = data.known.dataset.pipeline, data.unknown[0].pipeline
    assert known.type == unknown.type == 'TestTimeAug' and resize.type == 'Resize'
    with open(config, 'a') as file:
        file.write("tta_pipeline = [dict(type='Mine')]")
    data = merged('test', config, 'epoch_1.pth', '--tta').test_dataloader.dataset
    assert data.known.dataset.pipeline == data.unknown[0].pipeline == [{'type': 'Mine'}]


def test_out_item_needs_out(merged, capsys):
    with pytest.raises(SystemExit):
        merged('test', DIGITS, 'epoch_1.pth', '--out-item', 'metrics')
    assert '--out-item needs --out' in capsys.readouterr().err


@pytest.mark.parametrize(
    'options, advice',
    [
        (['m.txt', '--out-item', 'metrics'], r'm\.txt: name a \.json or'),
        (['m.json'], r'm\.json: name a \.pkl or .* file \(for metrics: --out-item'),
    ],
)
def test_out_of_an_unknown_kind_is_refused_before_the_test(
    merged, capsys, options, advice
):
    with pytest.raises(SystemExit):
        merged('test', DIGITS, 'epoch_1.pth', '--out', *options)
    assert re.search(advice, capsys.readouterr().err)


def test_show_without_hook_is_one_sentence(merged, tmp_path):
    config = tmp_path / 'plain.py'
    config.write_text('test_dataloader = None')
    with pytest.raises(ValueError, match=r'default_hooks\.visualization='):
        merged('test', config, 'epoch_1.pth', '--show')


def check_folder(load_tool, **changes):
    data = dict(type='CustomDataset', **changes)
    wrapped = dict(type='LongTailed', dataset=data)
    for dataset in (data, wrapped):
        cfg = Config(dict(train_dataloader=dict(dataset=dataset), val_dataloader=None))
        load_tool('tool_utils').check_data(cfg, ('train_dataloader', 'val_dataloader'))


def test_missing_data_names_path_and_key(load_tool, tmp_path):
    (tmp_path / 'train').mkdir()
    check_folder(load_tool, data_root=str(tmp_path), data_prefix='train')
    check_folder(load_tool, data_root='s3://bucket/images')
    loading = dict(type='LoadImageFromFile', backend_args=dict(backend='petrel'))
    (tmp_path / 'list.txt').touch()
    remote = dict(ann_file=f'{tmp_path}/list.txt', data_prefix='no', pipeline=[loading])
    check_folder(load_tool, **remote)
    for key, path in dict(data_root='no', data_prefix='no', ann_file='no.txt').items():
        changes = {'data_root': str(tmp_path), key: path}
        with pytest.raises(
            FileNotFoundError, match=rf"{path}' .*set train_dataloader\.dataset\.{key}"
        ):
            check_folder(load_tool, **changes)


def test_missing_data_is_found_inside_wrappers(load_tool):
    data = dict(type='CustomDataset', data_root='no')
    outer = dict(type='LongTailed', reference=data)
    for loader, key in (
        (dict(type='LongTailed', dataset=data), 'dataset.dataset'),
        (dict(type='ConcatDataset', datasets=[data]), r'dataset\.datasets\.0'),
        (dict(type='RepeatDataset', dataset=outer), 'dataset.dataset.reference'),
        (dict(type='OpenSet', known=outer, unknown={}), 'dataset.known.reference'),
        (dict(type='OpenSet', known={}, unknown=[data]), r'dataset\.unknown\.0'),
    ):
        cfg = Config(dict(test_dataloader=dict(dataset=loader)))
        with pytest.raises(FileNotFoundError, match=f'{key}.data_root'):
            load_tool('tool_utils').check_data(cfg, ('test_dataloader',))


@pytest.mark.skipif(
    'pkg_resources' not in inspect.getsource(package_utils),
    reason='the maintained fork does without',
)
def test_missing_pkg_resources_is_explained(load_tool, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    config = tmp_path / 'far.py'
    config.write_text("_base_ = 'mmpretrain::_base_/default_runtime.py'")
    with pytest.raises(RuntimeError, match=r'far\.py cannot be read.*setuptools<82'):
        load_tool('train').load_config(str(config))
