# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The tools as a user types them, in processes of their own, on a few digits."""

import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.device import get_device

import ccsam_mm  # noqa: F401  (lets torch.load read checkpoints)

REPO = Path(__file__).parents[2]
TOOLS = REPO / 'tools'
PREFIX = REPO / 'configs' / 'ccsam' / 'digits_lt_r20'
STAGE1 = f'{PREFIX}_stage1.py'
TRAIN = (sys.executable, TOOLS / 'train.py')
TEST = (sys.executable, TOOLS / 'test.py')
# A small model, and no worker processes to wait for.
TINY = (
    'model.backbone.depth=8',
    'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0',
    'test_dataloader.num_workers=0',
    'train_cfg.val_interval=2',
)
METRICS = ('--out-item', 'metrics', '--out')
pytestmark = pytest.mark.slow


def tiny(epochs):
    return ('--cfg-options', *TINY, f'train_cfg.max_epochs={epochs}')


def assert_equal(left, right):
    """Compare nested checkpoints bit by bit."""
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_equal(left[key], right[key])
    elif isinstance(left, torch.Tensor):
        torch.testing.assert_close(left, right, rtol=0, atol=0)
    else:
        assert left == right


def start_and_kill(log, work_dir, *command):
    """Kill a training at a random moment after its first checkpoint."""
    with open(log, 'w') as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent)
    deadline = time.monotonic() + 120
    while not (work_dir / 'last_checkpoint').exists():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    time.sleep(random.Random().uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, 'the training was over too soon'


def test_killed_training_resumes_to_the_same_weights(tmp_path, type_in):
    """With worker processes, whose augmentations have to be the same again, too."""
    epochs = 12
    command = [*TRAIN, STAGE1, *tiny(epochs)]
    command.append('train_dataloader.num_workers=1')
    type_in(*command, '--work-dir', 'whole')

    killed = tmp_path / 'killed'
    command = [str(part) for part in (*command, '--work-dir', killed)]
    start_and_kill(tmp_path / 'log', killed, *command)
    assert not (killed / f'epoch_{epochs}.pth').exists()
    resumed = type_in(*command, '--resume')
    assert 'resumed epoch: ' in resumed.stdout

    paths = [tmp_path / name / f'epoch_{epochs}.pth' for name in ('whole', 'killed')]
    whole, again = (torch.load(path) for path in paths)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal(whole[key], again[key])

    # Once more, with nothing left to do: ends in order, and touches nothing.
    before = paths[1].stat().st_mtime_ns
    type_in(*command, '--resume')
    assert paths[1].stat().st_mtime_ns == before


def test_two_cpu_processes_test_like_one(tmp_path, type_in):
    bash = ('bash', TOOLS / 'dist_train.sh', STAGE1, 2, '--work-dir', 'two')
    log = type_in(*bash, *tiny(1)).stdout
    assert 'Distributed training: True' in log and 'GPU number: 2' in log
    checkpoint = tmp_path / 'two' / 'epoch_1.pth'
    type_in('bash', TOOLS / 'dist_test.sh', STAGE1, checkpoint, 2, *METRICS, '2.json',
            '--cfg-options', *TINY)  # fmt: skip
    type_in(*TEST, STAGE1, checkpoint, *METRICS, '1.json', '--cfg-options', *TINY)
    one, two = (json.loads((tmp_path / f'{n}.json').read_text()) for n in (1, 2))
    assert one == two
    assert len(one['accuracy/per_class']) == 10


@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='Linux tells threads')
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_no_thread_of_gloo_outlives_the_tool(type_in, checkpoint, tool):
    """One that lets go of a tensor while Python ends would abort the process."""
    script = (
        'import glob, runpy, sys\n'
        f"sys.path.insert(0, '{TOOLS}')\n"
        f"runpy.run_path('{TOOLS / tool}.py', run_name='__main__')\n"
        "names = [open(path).read() for path in glob.glob('/proc/self/task/*/comm')]\n"
        "print('threads:', [name for name in names if 'gloo' in name])"
    )
    more = (checkpoint,) if tool == 'test' else ()
    rank = dict(RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT='0')
    log = type_in(sys.executable, '-c', script, STAGE1, *more, '--launcher', 'pytorch',
                  *tiny(1), **rank).stdout  # fmt: skip
    assert log.splitlines()[-1] == 'threads: []'


def test_stages_run_and_are_reused(tmp_path, type_in):
    bash = ('bash', TOOLS / 'train_stages.sh', PREFIX, *tiny(1))
    log = type_in(*bash).stdout
    assert '== stage1: training' in log and '== stage2: training' in log
    # The network of --cfg-options is tested, not that of the config file.
    test_log = log.split('== stage1: testing')[1].split('== stage1: results')[0]
    assert 'do not match exactly' not in test_log
    folders = [tmp_path / 'work_dirs' / f'digits_lt_r20_stage{n}' for n in (1, 2)]
    for folder in folders:
        assert 'accuracy/few' in json.loads((folder / 'metrics.json').read_text())
    stage1, stage2 = (torch.load(f / 'epoch_1.pth')['state_dict'] for f in folders)
    trunk = {k: v for k, v in stage1.items() if k.startswith('backbone.')}
    assert_equal(trunk, {k: stage2[k] for k in trunk})
    assert not torch.equal(stage1['head.fc.weight'], stage2['head.fc.weight'])

    before = [(folder / 'epoch_1.pth').stat().st_mtime_ns for folder in folders]
    log = type_in(*bash).stdout
    assert '== stage1: reusing work_dirs/digits_lt_r20_stage1/epoch_1.pth' in log
    assert '== stage2: reusing the test of' in log
    after = [(folder / 'epoch_1.pth').stat().st_mtime_ns for folder in folders]
    assert after == before


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A checkpoint after an epoch."""
    folder = tmp_path_factory.mktemp('run')
    command = [*TRAIN, STAGE1, '--work-dir', folder, *tiny(1)]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder / 'epoch_1.pth'


def test_load_from_starts_from_a_checkpoint(tmp_path, type_in, checkpoint):
    """At a learning rate of zero, what was loaded comes out again."""
    options = (f'load_from={checkpoint}', 'optim_wrapper.optimizer.lr=0')
    type_in(*TRAIN, STAGE1, '--work-dir', 'next', *tiny(1), *options)
    loaded, saved = (
        torch.load(path)['state_dict']
        for path in (checkpoint, tmp_path / 'next' / 'epoch_1.pth')
    )
    assert_equal(loaded['head.fc.weight'], saved['head.fc.weight'])


def test_predictions_are_dumped(tmp_path, type_in, checkpoint):
    out = ('--out', 'predictions.pkl', '--cfg-options', *TINY)
    log = type_in(*TEST, STAGE1, checkpoint, *out).stdout
    predictions = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    right = [int(p['pred_label']) == int(p['gt_label']) for p in predictions]
    assert f'accuracy/top1: {100 * np.mean(right):.4f}' in log


def last_line(result):
    assert result.returncode != 0
    return result.stdout.strip().splitlines()[-1]


def test_crafted_checkpoint_is_refused_by_the_tool(tmp_path, type_in, checkpoint):
    class Touch:
        def __reduce__(self):
            return os.system, (f'touch {tmp_path}/pwned',)

    content = torch.load(checkpoint)
    content['message_hub'] = Touch()
    torch.save(content, tmp_path / 'bad.pth')
    result = type_in(*TEST, STAGE1, 'bad.pth', '--cfg-options', *TINY, check=False)
    assert 'bad.pth is refused' in last_line(result)
    assert not (tmp_path / 'pwned').exists()


@pytest.mark.skipif(get_device() != 'cpu', reason='has an accelerator')
def test_amp_on_cpu_is_one_sentence(tmp_path, type_in):
    result = type_in(*TRAIN, STAGE1, '--amp', check=False)
    assert 'leave out --amp' in last_line(result)
    assert not (tmp_path / 'work_dirs').exists()


def test_a_test_by_another_network_is_refused(tmp_path, type_in, checkpoint):
    """Trained with options `model.*`, and tested without, or with other ones."""
    options = [option for option in TINY if not option.startswith('model.')]
    for depth, message in ((20, r'fills \d+ of \d+ names'), (14, 'layer1.1')):
        changed = (*options, f'model.backbone.depth={depth}')
        result = type_in(
            *TEST, STAGE1, checkpoint, '--cfg-options', *changed, check=False
        )
        assert re.search(message, last_line(result))


def test_metrics_that_are_tensors_are_written(tmp_path, type_in, checkpoint):
    """And a place that cannot be written is told before the test."""
    config = tmp_path / 'confusion.py'
    config.write_text(
        f"_base_ = '{STAGE1}'\n"
        "test_evaluator = dict(_delete_=True, type='ConfusionMatrix')\n"
    )
    options = ('--cfg-options', *TINY)
    type_in(*TEST, config, checkpoint, *METRICS, 'new/m.json', *options)
    written = json.loads((tmp_path / 'new' / 'm.json').read_text())
    matrix = np.array(written['confusion_matrix/result'])
    assert matrix.shape == (10, 10) and matrix.sum() > 0

    out = (*METRICS, tmp_path / 'new' / 'm.json' / 'm.json')
    result = type_in(*TEST, config, checkpoint, *out, *options, check=False)
    assert 'cannot be written (' in last_line(result)
    assert 'Load' not in result.stdout


def test_second_training_in_a_work_dir_is_one_sentence(tmp_path, type_in):
    """The first one has worker processes, goes on, and can be resumed after a kill."""
    command = [*TRAIN, STAGE1, '--work-dir', 'one', *tiny(500)]
    command.append('train_dataloader.num_workers=1')
    command = [str(part) for part in command]
    with open(tmp_path / 'log', 'w') as out:
        first = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path)
    try:
        lock = tmp_path / 'one' / '.training.lock'
        deadline = time.monotonic() + 240
        while not (tmp_path / 'one' / 'last_checkpoint').exists():
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        assert f'process {first.pid} on ' in lock.read_text()
        folders = {path.name for path in (tmp_path / 'one').iterdir() if path.is_dir()}
        result = type_in(*command, check=False)
        assert f'one is in use by another training (process {first.pid} on ' in (
            last_line(result)
        )
        assert first.poll() is None
        after = {path.name for path in (tmp_path / 'one').iterdir() if path.is_dir()}
        assert after == folders
    finally:
        first.kill()
        first.wait()
    type_in(*command, 'train_cfg.max_epochs=1', '--resume')
