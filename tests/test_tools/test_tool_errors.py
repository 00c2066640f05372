# Copyright (c) ccsam_mm contributors. All rights reserved.
"""How tools end: a sentence of ours alone, the traceback of a bug."""

import errno
import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

TOOLS = Path(__file__).parents[2] / 'tools'
DIGITS = TOOLS.parent / 'configs' / 'ccsam' / 'digits_lt_r20_stage1.py'


@pytest.fixture
def errors(load_tool, monkeypatch):
    monkeypatch.setattr('sys.argv', ['tools/train.py', 'a.py', '--resume', 'b.pth'])
    for name in ('RANK', 'CCSAM_MM_DEBUG'):
        monkeypatch.delenv(name, raising=False)
    return load_tool('tool_errors')


def caught(function, *args):
    try:
        function(*args)
    except BaseException as error:
        return error


def test_what_this_project_raises_is_a_sentence(errors, load_tool):
    error = caught(load_tool('tool_utils').load_config, 'no.py')
    assert 'no.py cannot be read' in errors.sentence_of(error)


@pytest.mark.parametrize('wrong', [[], 'ab', None])
def test_what_fails_in_this_project_is_a_bug(errors, load_tool, wrong):
    """An operation, not a ``raise``, ends these calls inside of our own functions."""
    from ccsam_mm.sharpness import characteristic_radius

    error = caught(characteristic_radius, wrong, wrong, wrong, wrong)
    assert isinstance(error, Exception) and errors.sentence_of(error) is None


def test_other_errors_are_bugs(errors):
    def fail():
        raise ValueError('of a user')

    assert errors.sentence_of(caught(fail)) is None


def test_mmengine_repeats_errors_of_hooks(errors):
    from ccsam_mm.engine.hooks import CheckFiniteHook

    def repeat():
        try:
            CheckFiniteHook(interval=0)
        except ValueError as error:
            raise ValueError(f'{error} in a hook') from None

    sentence = errors.sentence_of(caught(repeat))
    assert 'CheckFiniteHook' in sentence and 'in a hook' not in sentence


def test_interrupt_says_how_to_go_on(errors, monkeypatch):
    sentence = errors.sentence_of(KeyboardInterrupt(), '--resume')
    assert '`python tools/train.py a.py --resume`' in sentence
    monkeypatch.setattr('sys.argv', ['train.py', 'a b.py', '--resume=c.pth', '--amp'])
    sentence = errors.sentence_of(KeyboardInterrupt(), '--resume')
    assert "`python train.py 'a b.py' --amp --resume`" in sentence
    monkeypatch.setenv('RANK', '0')
    sentence = errors.sentence_of(KeyboardInterrupt(), '--resume')
    assert 'same command again with --resume' in sentence
    assert 'same command again.' in errors.sentence_of(KeyboardInterrupt())


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_names_the_file(errors, code):
    def put(filepath):
        raise OSError(code, 'full')

    sentence = errors.sentence_of(caught(put, 'work/epoch_3.pth'), '--resume')
    assert "'work/epoch_3.pth'" in sentence and '--resume`' in sentence
    assert "'x.txt'" in errors.sentence_of(OSError(code, 'full', 'x.txt'), '--resume')


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='of Linux alone')
def test_full_disk_under_a_checkpoint(errors):
    error = caught(torch.save, torch.zeros(10**6), '/dev/full')
    assert "'/dev/full'" in errors.sentence_of(error, '--resume')


def test_unwritable_folder_is_a_sentence(errors):
    sentence = errors.sentence_of(PermissionError(13, 'Permission denied', 'work'))
    assert sentence == "Permission denied: 'work'"


@pytest.mark.parametrize('rank, waits', [('0', []), ('3', [5])])
def test_first_rank_speaks_first(errors, monkeypatch, capsys, rank, waits):
    """The launcher ends the others before they would say the same."""
    slept = []
    monkeypatch.setenv('RANK', rank)
    monkeypatch.setattr(errors.time, 'sleep', slept.append)
    errors._say('What is wrong.')
    assert slept == waits
    assert capsys.readouterr().err == 'train.py: What is wrong.\n'


def test_missing_file_is_told_before_torch(type_in):
    """An empty module in its place would be imported, and fail."""
    for tool, words, kind in (
        ('train.py', ['no.py'], 'config'),
        ('test.py', [DIGITS, 'no.pth'], 'checkpoint'),
        ('test.py', [TOOLS, 'no.pth'], 'config'),
        ('analysis_tools/browse_long_tail.py', ['no.py'], 'config'),
        ('benchmarks/sweep.py', ['no.py'], 'sweep'),
    ):
        command = [sys.executable, '-X', 'importtime', TOOLS / tool, *words]
        result = type_in(*command, check=False)
        lines = result.stdout.splitlines()
        assert result.returncode == 2 and ' torch' not in result.stdout
        said = [line for line in lines if not line.startswith('import time:')]
        assert len(said) == 1 and re.search(f': {kind} .*(exist|folder)', said[0])


@pytest.mark.slow
@pytest.mark.parametrize('debug', ['', '1'])
def test_sentence_stands_alone(type_in, debug):
    option = 'optim_wrapper.rho_scal=1'
    command = [sys.executable, TOOLS / 'train.py', DIGITS, '--cfg-options', option]
    result = type_in(*command, check=False, CCSAM_MM_DEBUG=debug)
    assert result.returncode == 1
    assert ('Traceback' in result.stdout) == bool(debug)
    last = result.stdout.splitlines()[-1]
    assert "CCSAMOptimWrapper has no argument 'rho_scal'" in last


def test_errors_of_other_hooks_are_bugs(errors, load_tool, monkeypatch, tmp_path):
    @HOOKS.register_module(force=True)
    class BrokenHook(Hook):
        def before_run(self, runner):
            return runner.no_such_attribute

    config = tmp_path / 'broken.py'
    config.write_text(
        f"_base_ = '{DIGITS}'\ncustom_hooks = [dict(type='BrokenHook')]\n"
        f"work_dir = '{tmp_path}'\n"
    )
    monkeypatch.setattr('sys.argv', ['train.py', str(config)])
    monkeypatch.setenv('LOCAL_RANK', '0')
    error = caught(load_tool('train').main)
    assert isinstance(error, AttributeError) and errors.sentence_of(error) is None
