# Copyright (c) ccsam_mm contributors. All rights reserved.
"""One training a work directory; who holds it ends, and so do its children."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from ccsam_mm.utils import work_dir_lock as module
from ccsam_mm.utils.launcher_watch import is_first_process
from ccsam_mm.utils.work_dir_lock import LOCK, work_dir_lock

pytestmark = pytest.mark.skipif(module.fcntl is None, reason='Windows has no locks')
PACKAGE = Path(module.__file__).parent
# The modules alone: the package would import PyTorch.
PRELUDE = f"""
import os, runpy, subprocess, sys, time
lock = runpy.run_path({str(PACKAGE / 'work_dir_lock.py')!r})['work_dir_lock']
launched = runpy.run_path({str(PACKAGE / 'launcher_watch.py')!r})
def tell(*words):
    os.write(1, (' '.join(map(str, words)) + '\\n').encode())
"""


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, '-c', PRELUDE + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def holder(tmp_path):
    """A process that holds the work directory, and has forked a worker."""
    script = """
with lock(sys.argv[1]):
    worker = os.fork()
    if not worker:
        time.sleep(60)
        os._exit(0)
    tell(worker)
    time.sleep(float(sys.argv[2]))
"""
    started = []

    def begin(seconds=60):
        process = start(script, tmp_path, seconds)
        worker = int(process.stdout.readline())
        started.append((process, worker))
        return process, worker

    yield begin
    for process, worker in started:
        process.kill()
        process.wait()
        os.kill(worker, signal.SIGKILL)


def test_second_training_is_told_who_holds_it(tmp_path, holder):
    process, _ = holder()
    with pytest.raises(RuntimeError) as error, work_dir_lock(tmp_path, patience=0):
        pass
    text = str(error.value)
    assert text.startswith(f'{tmp_path} is in use by another training (process ')
    assert f'process {process.pid} on {socket.gethostname()} since 20' in text
    assert 'another --work-dir' in text


def test_a_killed_training_does_not_hold_it_by_its_workers(tmp_path, holder):
    process, worker = holder()
    process.kill()
    process.wait()
    os.kill(worker, 0)  # is still there
    with work_dir_lock(tmp_path, patience=0):
        assert f'process {os.getpid()} on' in bytes_of(tmp_path)


def bytes_of(work_dir):
    """What others read; in this process, reading the file would give it back."""
    return subprocess.check_output(['cat', work_dir / LOCK], text=True)


def test_waits_for_a_training_that_is_about_to_end(tmp_path, holder):
    holder(seconds=0.5)
    begin = time.monotonic()
    with work_dir_lock(tmp_path, patience=60):
        assert time.monotonic() - begin < 30


def test_an_error_gives_it_back(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), work_dir_lock(tmp_path / 'new'):
            raise KeyboardInterrupt
    with work_dir_lock(tmp_path / 'new'):
        pass
    assert bytes_of(tmp_path / 'new') == ''
    script = 'with lock(sys.argv[1], 0): tell("mine")'
    assert start(script, tmp_path / 'new').communicate()[0] == 'mine\n'


@pytest.mark.parametrize('code', [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_systems_without_locks_are_told(tmp_path, monkeypatch, code):
    def no_locks(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.fcntl, 'lockf', no_locks)
    message = f'{LOCK} cannot be locked .*no two trainings use this work directory'
    with pytest.warns(UserWarning, match=message), work_dir_lock(tmp_path):
        pass


def test_without_fcntl_nothing_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'fcntl', None)
    with warnings.catch_warnings(), work_dir_lock(tmp_path / 'new'):
        warnings.simplefilter('error')
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize(
    'launcher, variable',
    [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')],
)
def test_first_process(monkeypatch, launcher, variable):
    monkeypatch.setenv(variable, '3')
    assert is_first_process('none') and not is_first_process(launcher)
    monkeypatch.setenv(variable, '0')
    assert is_first_process(launcher)


def is_alive(pid):
    """Whether a process runs; one that nobody waited for does not."""
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except FileNotFoundError:
        return False
    return state != 'Z'


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='Linux tells')
def test_a_process_ends_with_its_parent():
    script = """
child = os.fork()
if not child:
    launched['end_with_parent'](interval=0.1)
    tell(os.getpid())
    time.sleep(120)
else:
    time.sleep(120)
"""
    process = start(script)
    child = int(process.stdout.readline())
    time.sleep(0.5)
    assert is_alive(child)
    process.kill()
    wait_for(lambda: not is_alive(child), 10)
    process.wait()


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='Linux tells')
def test_ranks_end_with_a_killed_torchrun(tmp_path):
    """They hold the work directory before, and not after."""
    rank = tmp_path / 'rank.py'
    rank.write_text(
        PRELUDE
        + f"""
launched['end_with_parent']()
def run():
    open({str(tmp_path)!r} + '/' + os.environ['RANK'], 'w').write(str(os.getpid()))
    time.sleep(300)
if launched['is_first_process']('pytorch'):
    with lock({str(tmp_path)!r}): run()
run()
"""
    )
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2']
    torchrun = subprocess.Popen(
        [*command, '--master_port=0', rank], env=dict(os.environ, OMP_NUM_THREADS='1')
    )
    files = [tmp_path / str(number) for number in range(2)]
    try:
        wait_for(lambda: all(f.exists() and f.read_text() for f in files), 240)
        pids = [int(file.read_text()) for file in files]
        assert all(map(is_alive, pids))
        message = f'process {pids[0]} on'
        with pytest.raises(RuntimeError, match=message), work_dir_lock(tmp_path, 0):
            pass
    finally:
        torchrun.kill()
        torchrun.wait()
    with work_dir_lock(tmp_path):
        assert not is_alive(pids[0])
    wait_for(lambda: not any(map(is_alive, pids)), 10)
