# Copyright (c) ccsam_mm contributors. All rights reserved.
import shutil

import pytest
import torch
from mmengine.runner import FlexibleRunner
from mmengine.runner.checkpoint import _load_checkpoint

HOOK = dict(type='LoadStage1Hook')
FROZEN = dict(optimizer=dict(lr=0.0))  # the weights stay as they were loaded


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Run where ``work_dirs`` and the configs would be."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train_stage2(make_runner, work_dir='out/digits_stage2', hook=HOOK, **changes):
    filename = f'configs/{work_dir.split("/")[-1]}.py'
    changes = dict(dict(filename=filename, optim_wrapper=FROZEN), **changes)
    runner = make_runner(work_dir, custom_hooks=[hook], **changes)
    runner.train()
    return runner


def assert_loaded(runner, checkpoint):
    expected = _load_checkpoint(str(checkpoint))['state_dict']
    for name, tensor in runner.model.state_dict().items():
        assert torch.equal(tensor, expected[name])


def log_of(runner):
    with open(f'{runner.log_dir}/{runner.timestamp}.log') as file:
        return file.read()


def test_sibling_work_dir(make_runner, repository):
    make_runner('out/digits_stage1').train()
    runner = train_stage2(make_runner)
    checkpoint = repository / 'out/digits_stage1/epoch_2.pth'
    assert_loaded(runner, checkpoint)
    assert runner.epoch == 2 and runner.iter == 6  # not resumed: two own epochs
    assert f'Stage 2 starts from stage 1: {checkpoint}' in log_of(runner)
    assert 'not finished' not in log_of(runner)


def test_work_dirs_and_another_name_of_the_work_dir(make_runner, repository):
    make_runner('work_dirs/digits_stage1').train()
    runner = train_stage2(
        make_runner, 'elsewhere/second', filename='configs/digits_stage2.py'
    )
    assert_loaded(runner, repository / 'work_dirs/digits_stage1/epoch_2.pth')
    # A sibling named as this run's work directory is the better guess.
    make_runner('elsewhere/seed7_stage1', randomness=dict(seed=7)).train()
    runner = train_stage2(
        make_runner, 'elsewhere/seed7_stage2', filename='configs/digits_stage2.py'
    )
    assert_loaded(runner, repository / 'elsewhere/seed7_stage1/epoch_2.pth')


def test_moved_work_dir(make_runner, repository):
    make_runner('out/digits_stage1').train()
    shutil.move('out', 'copy')
    runner = train_stage2(make_runner, 'copy/digits_stage2')
    assert_loaded(runner, repository / 'copy/digits_stage1/epoch_2.pth')


@pytest.mark.parametrize(
    'stage1', ['first', '../ce/first.py', 'out/first', 'out/first/epoch_2.pth']
)
def test_stage1_by_name_work_dir_or_checkpoint(make_runner, repository, stage1):
    make_runner('out/first').train()
    runner = train_stage2(make_runner, 'out/second', dict(HOOK, stage1=stage1))
    assert_loaded(runner, repository / 'out/first/epoch_2.pth')


def test_work_dir_of_the_hook(make_runner, repository):
    make_runner('scratch/digits_stage1').train()
    runner = train_stage2(make_runner, hook=dict(HOOK, work_dir='scratch'))
    assert_loaded(runner, repository / 'scratch/digits_stage1/epoch_2.pth')


def test_flexible_runner(make_runner, repository):
    """It loads before it calls hooks."""
    make_runner('out/digits_stage1').train()
    runner = train_stage2(
        make_runner,
        runner_type=FlexibleRunner,
        strategy=dict(type='SingleDeviceStrategy'),
    )
    assert_loaded(runner, repository / 'out/digits_stage1/epoch_2.pth')


def test_load_from_wins(make_runner, repository):
    make_runner('other', randomness=dict(seed=3)).train()
    make_runner('out/digits_stage1').train()
    runner = train_stage2(make_runner, load_from='other/epoch_2.pth')
    assert_loaded(runner, repository / 'other/epoch_2.pth')


def test_resume_continues_stage_2_and_else_starts_from_stage_1(make_runner, repository):
    make_runner('out/digits_stage1').train()
    runner = train_stage2(make_runner, resume=True)  # nothing to resume yet
    assert_loaded(runner, repository / 'out/digits_stage1/epoch_2.pth')
    assert runner.epoch == 2 and len(runner.model.seen) == 6
    shutil.rmtree('out/digits_stage1')
    runner = train_stage2(make_runner, resume=True, train_cfg=dict(max_epochs=3))
    assert len(runner.model.seen) == 3


def test_a_test_needs_no_stage_1(make_runner, repository):
    runner = make_runner('out/digits_stage2', custom_hooks=[HOOK])
    runner.test()


def test_missing_stage_1_names_the_command(make_runner, repository):
    with pytest.raises(FileNotFoundError) as error:
        train_stage2(make_runner, 'work_dirs/digits_stage2')
    place = repository / 'work_dirs/digits_stage1'
    assert str(error.value).startswith(
        f'stage 1 checkpoint not found in {place}: run `python tools/train.py '
        'configs/digits_stage1.py` first, or set load_from'
    )
    with pytest.raises(FileNotFoundError) as error:
        train_stage2(make_runner, 'out/digits_stage2')
    assert f'{repository}/out/digits_stage1 or {place}' in str(error.value)
    assert 'digits_stage1.py --work-dir out/digits_stage1` first' in str(error.value)
    with pytest.raises(FileNotFoundError) as error:
        hook = dict(HOOK, stage1='../ce/digits.py')
        train_stage2(make_runner, 'work_dirs/digits_stage2', hook)
    assert f'not found in {repository}/work_dirs/digits: run' in str(error.value)
    assert 'tools/train.py ce/digits.py` first' in str(error.value)


def test_config_without_stage2_in_its_name(make_runner, repository):
    with pytest.raises(ValueError, match="'second.py', which lacks '_stage2'"):
        train_stage2(make_runner, 'out/second')


def test_unfinished_stage_1_gets_a_warning(make_runner, repository):
    kill = [dict(type='KillHook', epoch=1)]
    with pytest.raises(KeyboardInterrupt):
        make_runner('out/digits_stage1', custom_hooks=kill).train()
    log = log_of(train_stage2(make_runner))
    assert 'not finished (epoch 1 of 2 in' in log
    command = 'train.py configs/digits_stage1.py --work-dir out/digits_stage1 --resume'
    assert command in log


def test_unfinished_iteration_based_stage_1(make_runner, repository):
    make_runner(
        'out/digits_stage1',
        train_dataloader=dict(batch_size=2),  # or MMEngine sleeps between epochs
        train_cfg=dict(_delete_=True, by_epoch=False, max_iters=5),
        default_hooks=dict(
            checkpoint=dict(by_epoch=False, interval=2, save_last=False)
        ),
    ).train()
    assert 'not finished (iter 4 of 5 in' in log_of(train_stage2(make_runner))


@pytest.mark.parametrize(
    'stage1, message',
    [
        ('out/first/a.pth', 'out/first/a.pth cannot be found.*load_stage1.stage1 to'),
        (
            'out/first',
            'not found in .*out/first: train stage 1 first, or set load_from',
        ),
        ('first', 'not found in .*first: train stage 1 first, or set load_from'),
    ],
)
def test_advice_names_no_command_that_can_not_work(
    make_runner, repository, stage1, message
):
    with pytest.raises(FileNotFoundError, match=message) as error:
        train_stage2(make_runner, 'out/second', dict(HOOK, stage1=stage1))
    assert 'tools/train.py' not in str(error.value)


def test_stage1_may_be_a_work_dir_whose_config_exists(make_runner, repository):
    (repository / 'configs').mkdir()
    (repository / 'configs/first.py').touch()
    with pytest.raises(FileNotFoundError, match='tools/train.py configs/first.py'):
        train_stage2(make_runner, 'out/second', dict(HOOK, stage1='out/first'))


def test_stage1_may_be_an_address(make_runner, repository):
    with pytest.raises(OSError, match=r'http://127\.0\.0\.1:1/a\.pth cannot be rea'):
        train_stage2(
            make_runner, 'out/second', dict(HOOK, stage1='http://127.0.0.1:1/a.pth')
        )
