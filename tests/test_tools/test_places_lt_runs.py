# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Places-LT as a user types it: both stages on two ranks, a kill, a resume; a test."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from official_layouts import write_mini

import ccsam_mm  # noqa: F401  (lets torch.load read checkpoints)

REPO = Path(__file__).parents[2]
STAGE1, STAGE2 = (f'configs/ccsam/places_lt_r152_stage{n}.py' for n in (1, 2))
EPOCHS = 4
# A small network, not pretrained, on small images; everything else is the configs'.
OPTIONS = (
    'model.backbone.depth=18',
    'model.backbone.stem_channels=8',
    'model.backbone.base_channels=8',
    'model.backbone.init_cfg=None',
    'model.head.in_channels=64',
    'train_dataloader.num_workers=1',
    'train_dataloader.dataset.pipeline.1.scale=32',
)
TRAIN = ('--cfg-options', *OPTIONS, 'val_dataloader.num_workers=0')
TEST = (
    '--cfg-options',
    *OPTIONS,
    'test_dataloader.num_workers=0',
    'test_dataloader.dataset.pipeline.1.scale=36',
    'test_dataloader.dataset.pipeline.2.crop_size=32',
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='needs Linux'),
]


@pytest.fixture
def clone(tmp_path):
    """A clone of the repository with a small Places-LT of all shot groups."""
    for name in ('ccsam_mm', 'configs', 'tools'):
        (tmp_path / name).symlink_to(REPO / name)
    root = tmp_path / 'data/places_lt'
    paths = write_mini(root, 'places_lt')['train']
    with open(root / 'Places_LT_train.txt', 'a') as images:
        for first, label, number in ((paths[0], 0, 120), (paths[3], 1, 30)):
            for i in range(1000, 1000 + number):
                path = Path(first).with_name(f'{i:08d}.jpg')
                os.link(root / first, root / path)
                images.write(f'{path} {label}\n')
    return tmp_path


def descendants(pid):
    """A process and all that it has started, the youngest generation last."""
    found = [pid]
    for parent in found:
        for children in Path(f'/proc/{parent}/task').glob('*/children'):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                found += map(int, children.read_text().split())
    return found


def start_and_kill(clone, *command):
    """Kill every process of a training after its first checkpoint, as no power would.

    Launched ranks have process groups of their own.
    """
    log = clone / 'killed.log'
    with open(log, 'w') as out:
        launcher = subprocess.Popen(command, stdout=out, stderr=out, cwd=clone)
    deadline = time.monotonic() + 120
    while not list(clone.glob('work_dirs/*/last_checkpoint')):
        assert launcher.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    pids = descendants(launcher.pid)
    assert len(pids) >= 4, 'bash, the launcher and two ranks'
    for pid in pids:
        with suppress(ProcessLookupError):  # a worker process that has ended
            os.kill(pid, signal.SIGKILL)
    assert launcher.wait() == -signal.SIGKILL


def test_both_stages_on_two_ranks_through_a_kill(clone, type_in):
    train = ('bash', 'tools/dist_train.sh', STAGE1, 2)
    options = (*TRAIN, f'train_cfg.max_epochs={EPOCHS}')
    log = type_in(*train, '--work-dir', 'whole', *options).stdout
    assert 'Distributed training: True' in log and 'GPU number: 2' in log

    start_and_kill(clone, *map(str, (*train, *options)))
    folder = clone / 'work_dirs/places_lt_r152_stage1'
    assert not (folder / f'epoch_{EPOCHS}.pth').exists(), 'it was over too soon'
    assert 'resumed epoch: ' in type_in(*train, '--resume', *options).stdout
    whole, again = (
        torch.load(path / f'epoch_{EPOCHS}.pth') for path in (clone / 'whole', folder)
    )
    assert whole['state_dict'].keys() == again['state_dict'].keys()
    for name, value in whole['state_dict'].items():
        torch.testing.assert_close(again['state_dict'][name], value, rtol=0, atol=0)

    log = type_in('bash', 'tools/dist_train.sh', STAGE2, 2, *TRAIN,
                  'train_cfg.max_epochs=1').stdout  # fmt: skip
    assert f'Stage 2 starts from stage 1: {folder}/epoch_{EPOCHS}.pth' in log
    checkpoint = 'work_dirs/places_lt_r152_stage2/epoch_1.pth'
    stage2 = torch.load(clone / checkpoint)['state_dict']
    trunk = [name for name in stage2 if name.startswith('backbone.')]
    assert all(torch.equal(stage2[name], again['state_dict'][name]) for name in trunk)

    log = type_in(sys.executable, 'tools/test.py', STAGE2, checkpoint, *TEST).stdout
    table = log.splitlines()[-1]
    for group in ('top1', 'class_mean', 'many', 'medium', 'few'):
        assert f'accuracy/{group}: ' in table
