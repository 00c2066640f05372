# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A mistaken config ends in one clear sentence, before an epoch is trained."""

from pathlib import Path

import pytest
import torch
from mistaken_configs import MISTAKES
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import EpochBasedTrainLoop
from mmengine.visualization import Visualizer

CONFIGS = Path(__file__).parents[2] / 'configs' / 'ccsam'


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """An empty folder, and nothing that another runner has left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    for kind in (MessageHub, MMLogger, DefaultScope, Visualizer):
        monkeypatch.setattr(kind, '_instance_dict', type(kind._instance_dict)())


@pytest.fixture(scope='module')
def flat_configs(tmp_path_factory):
    """The configs of both stages without bases, which are quick to read."""
    folder = tmp_path_factory.mktemp('flat')
    for stage in ('stage1', 'stage2'):
        name = f'digits_lt_r20_{stage}.py'
        cfg = Config.fromfile(CONFIGS / name)
        cfg.model.backbone.depth = 8
        cfg.train_cfg.max_epochs = 1
        cfg.dump(folder / name)
    return folder


def command_line(where, what, flat_configs):
    """Write what has to be written, and make the arguments of the tool."""
    stage = 'stage2' if where.endswith('2') else 'stage1'
    config = flat_configs / f'digits_lt_r20_{stage}.py'
    if where in ('text1', 'text2', 'file'):
        base = f"_base_ = '{config}'\n" if where != 'file' else ''
        config = Path('mistake.py')
        config.write_text(base + what)
    if where == 'test':
        torch.save({'state_dict': {}}, 'epoch_1.pth')
        return [config, 'epoch_1.pth', *what]
    if where == 'args':
        return [config, *what]
    return [config, '--cfg-options', what] if where.startswith('stage') else [config]


@pytest.fixture
def sentence(load_tool, monkeypatch, capsys):
    """Call a tool in this process; return what it says in the end."""

    sentence_of = load_tool('tool_errors').sentence_of

    def call(tool, argv):
        tool = load_tool(tool)
        monkeypatch.setattr('sys.argv', [f'{tool}.py', *map(str, argv)])
        epochs = []
        monkeypatch.setattr(
            EpochBasedTrainLoop, 'run_epoch', counting(epochs, EpochBasedTrainLoop)
        )
        try:
            tool.main()
        except SystemExit:
            return capsys.readouterr().err.splitlines()[-1]
        except Exception as error:
            assert not epochs, 'an epoch was trained before'
            said = sentence_of(error)
            if said is None:
                raise
            return said
        return ''

    return call


def counting(epochs, loop):
    run_epoch = loop.run_epoch

    def run(self):
        run_epoch(self)
        epochs.append(1)

    return run


@pytest.mark.parametrize('name', MISTAKES)
def test_sentence(name, sentence, flat_configs):
    where, what, words = MISTAKES[name]
    tool = 'test' if where == 'test' else 'train'
    said = sentence(tool, command_line(where, what, flat_configs))
    missing = [word for word in words if word not in said]
    assert not missing, f'{missing} not in: {said}'
    assert '\n' not in said and len(said) < 400
