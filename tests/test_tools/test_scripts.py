# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Shell scripts without the trainings that they start."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ccsam_mm.version import SUPPORTED

REPO = Path(__file__).parents[2]
TOOLS = REPO / 'tools'


@pytest.fixture
def recorder(tmp_path):
    """A folder for PATH with programs that print how they are called."""

    def record(*names):
        folder = tmp_path / 'bin'
        folder.mkdir()
        for name in names:
            program = folder / name
            program.write_text(
                f'#!/bin/bash\nprintf "{name}"\nprintf " <%s>" "$@"\necho\n'
                'echo "threads ${OMP_NUM_THREADS:-}"\n'
            )
            program.chmod(0o755)
        return dict(PATH=f'{folder}:/usr/bin:/bin')

    return record


@pytest.mark.parametrize(
    'script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test', 'train_stages']
)
def test_usage_without_arguments(type_in, script):
    result = type_in('bash', TOOLS / f'{script}.sh', check=False)
    assert result.returncode == 2
    assert result.stdout.startswith(f'Usage: bash tools/{script}.sh ')


@pytest.mark.parametrize('script', sorted(TOOLS.glob('**/*.sh')), ids=lambda p: p.name)
def test_syntax(type_in, script):
    type_in('bash', '-n', script)


def test_dist_train_passes_everything_on(type_in, recorder):
    env = dict(recorder('python'), NNODES='2', NODE_RANK='1', MASTER_ADDR='10.0.0.1')
    script = ('bash', TOOLS / 'dist_train.sh', 'my config.py', 4)
    log = type_in(*script, '--cfg-options', 'a="b c"', **env).stdout
    assert log.splitlines()[0] == (
        'python <-m> <torch.distributed.run> <--nnodes=2> <--node_rank=1> '
        '<--master_addr=10.0.0.1> <--nproc_per_node=4> <--master_port=29500> '
        f'<{TOOLS}/train.py> <my config.py> <--cfg-options> <a="b c"> '
        '<--launcher> <pytorch>'
    )


def test_dist_test_takes_the_given_port(type_in, recorder):
    script = ('bash', TOOLS / 'dist_test.sh', 'c.py', 'e.pth', 2, '--tta')
    log = type_in(*script, PORT='1234', **recorder('python')).stdout
    assert '<--master_port=1234>' in log
    assert '<c.py> <e.pth> <--tta> <--launcher> <pytorch>' in log


def test_one_machine_gets_a_free_port(type_in):
    source = f'source {TOOLS}/common.sh; free_port; free_port'
    env = dict(PATH=f'{Path(sys.executable).parent}:/usr/bin:/bin')
    first, second = map(int, type_in('bash', '-c', source, **env).stdout.split())
    assert first != second and min(first, second) >= 1024


def test_slurm_scripts_pass_everything_on(type_in, recorder):
    env = dict(recorder('srun'), GPUS='16', SRUN_ARGS='--qos=high --time=1')
    script = ('bash', TOOLS / 'slurm_train.sh', 'part', 'job', 'c.py', 'dir', '--amp')
    log = type_in(*script, **env).stdout
    assert (
        'srun <-p> <part> <--job-name=job> <--gres=gpu:8> <--ntasks=16> '
        '<--ntasks-per-node=8> <--cpus-per-task=5> <--kill-on-bad-exit=1> '
        f'<--qos=high> <--time=1> <python> <-u> <{TOOLS}/train.py> <c.py> '
        '<--work-dir=dir> <--launcher=slurm> <--amp>'
    ) in log
    script = ('bash', TOOLS / 'slurm_test.sh', 'part', 'job', 'c.py', 'e.pth')
    log = type_in(*script, **env).stdout
    assert f'<{TOOLS}/test.py> <c.py> <e.pth> <--launcher=slurm>' in log


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['nowhere'], 'nowhere_stage1.py does not exist: give the part'),
        (
            [REPO / 'configs/ccsam/digits_lt_r20', '--work-dir=x'],
            'leave out --work-dir',
        ),
        ([REPO / 'configs/ccsam/digits_lt_r20', 2, '--resume'], 'leave out --resume'),
    ],
)
def test_train_stages_refuses(type_in, arguments, sentence):
    result = type_in('bash', TOOLS / 'train_stages.sh', *arguments, check=False)
    assert result.returncode == 1 and sentence in result.stdout


@pytest.mark.parametrize('stage', [1, 2])
def test_train_stages_pairs_configs_with_a_suffix(type_in, recorder, stage):
    prefix = f'{REPO}/configs/ccsam/cifar10_lt_ir100_r32_stage'
    config = f'{prefix}{stage}_released.py'
    log = type_in(
        'bash', TOOLS / 'train_stages.sh', config, **recorder('python')
    ).stdout
    trained = [line for line in log.splitlines() if '/train.py>' in line]
    assert [f'<{prefix}{n}_released.py>' in trained[n - 1] for n in (1, 2)] == [
        True
    ] * 2


def test_last_checkpoint_survives_a_move(tmp_path, type_in):
    """MMEngine records an absolute path."""
    source = f'source {TOOLS}/common.sh; last_checkpoint run'
    assert type_in('bash', '-c', source).stdout == ''
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'last_checkpoint').write_text('/elsewhere/epoch_7.pth')
    assert type_in('bash', '-c', source).stdout == ''
    (tmp_path / 'run' / 'epoch_7.pth').touch()
    assert type_in('bash', '-c', source).stdout == 'run/epoch_7.pth\n'


@pytest.mark.parametrize('newer, refused', [('stage1', True), ('stage2', False)])
def test_stage2_of_an_older_stage1_is_refused(tmp_path, type_in, newer, refused):
    source = f'source {TOOLS}/common.sh; refuse_older stage1 stage2; echo fine'
    for name in ('stage1', 'stage2'):
        assert type_in('bash', '-c', source).stdout == 'fine\n'
        (tmp_path / name).mkdir()
        (tmp_path / name / 'last_checkpoint').write_text('epoch_7.pth')
        checkpoint = tmp_path / name / 'epoch_7.pth'
        checkpoint.touch()
        os.utime(checkpoint, (1e9 + (name == newer), 1e9 + (name == newer)))
    log = type_in('bash', '-c', source, check=False).stdout
    assert ('delete stage2 to train it again' in log) == refused
    assert ('fine' in log) != refused


@pytest.mark.slow
def test_missing_packages_are_of_one_family(tmp_path, type_in):
    """An installed full mmcv is left alone, and so are the forks."""
    folder = tmp_path / 'venv'
    venv.create(folder)
    (packages,) = folder.glob('lib/python3*/site-packages')
    source = f'source {TOOLS}/common.sh; source {TOOLS}/environment.sh; missing'
    env = dict(PATH=f'{folder}/bin:/usr/bin:/bin')

    def missing():
        return type_in('bash', '-c', source, **env).stdout.split()

    assert [m.split('>')[0] for m in missing()] == [
        'torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmpretrain'
    ]  # fmt: skip
    assert missing()[0] == f'torch{SUPPORTED["torch"]}'
    (packages / 'mmcv').mkdir()
    (packages / 'mmcv' / '__init__.py').touch()
    assert [m.split('>')[0] for m in missing()][2:] == ['mmengine', 'mmpretrain']
    fork = packages / 'onedl_mmengine-0.10.12.dist-info'
    fork.mkdir()
    (fork / 'METADATA').write_text('Name: onedl-mmengine\nVersion: 0.10.12\n')
    (packages / 'mmengine').mkdir()
    (packages / 'mmengine' / '__init__.py').touch()
    assert [m.split('>')[0] for m in missing()][2:] == ['onedl-mmpretrain']


@pytest.mark.slow
def test_compare_results_prints_and_draws(tmp_path, type_in):
    for name in 'ab':
        (tmp_path / f'{name}.json').write_text(
            '{"accuracy/top1": 50, "accuracy/per_class": [100, 0], '
            '"accuracy/class_counts": [9, 1]}'
        )
    tool = (sys.executable, TOOLS / 'analysis_tools' / 'compare_results.py')
    log = type_in(*tool, 'CE=a.json', 'ours=b.json', '--out', 'plot.png').stdout
    assert log.splitlines()[0].split() == ['|', '|', 'top1', '|']
    assert (tmp_path / 'plot.png').stat().st_size > 10_000
    result = subprocess.run([*map(str, tool), 'a.json'], capture_output=True, text=True)
    assert 'a.json has no name: write NAME=a.json' in result.stderr
