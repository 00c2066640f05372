# Copyright (c) ccsam_mm contributors. All rights reserved.
import os

import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel

import ccsam_mm  # noqa: F401
from ccsam_mm.utils import cpu_process_groups
from ccsam_mm.utils.cpu_process_groups import prepare_cpu_distributed


@pytest.fixture
def environ(monkeypatch):
    """An environment that forgets what the launchers write."""
    for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(key, '')
        monkeypatch.delenv(key)
    monkeypatch.setattr(cpu_process_groups, 'get_device', lambda: 'cpu')
    yield monkeypatch
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return str(sock.getsockname()[1])


LAUNCHERS = dict(
    pytorch=dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1'),
    slurm=dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_NODELIST='x'),
    mpi=dict(
        OMPI_COMM_WORLD_RANK='0',
        OMPI_COMM_WORLD_SIZE='1',
        OMPI_COMM_WORLD_LOCAL_RANK='0',
        MASTER_ADDR='127.0.0.1',
    ),
)


@pytest.mark.parametrize('launcher', list(LAUNCHERS))
def test_process_group_on_cpu(environ, tmp_path, launcher):
    for key, value in dict(LAUNCHERS[launcher], MASTER_PORT=free_port()).items():
        environ.setenv(key, value)
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho 127.0.0.1\necho second\n')
    scontrol.chmod(0o755)
    environ.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')

    cfg = Config(dict(launcher=launcher, find_unused_parameters=True))
    cfg.env_cfg = dict(dist_cfg=dict(backend='nccl', timeout=60))
    prepare_cpu_distributed(cfg)
    assert torch.distributed.get_backend() == 'gloo'
    assert os.environ['LOCAL_RANK'] == '0' and os.environ['MASTER_ADDR'] == '127.0.0.1'
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=True,
        device_ids=None,
    )


@pytest.mark.parametrize(
    'kind', [MMDistributedDataParallel, 'mmengine.MMDistributedDataParallel']
)
def test_ddp_by_another_name_has_no_device(environ, kind):
    for key, value in dict(LAUNCHERS['pytorch'], MASTER_PORT=free_port()).items():
        environ.setenv(key, value)
    cfg = Config(dict(launcher='pytorch', model_wrapper_cfg=dict(type=kind)))
    prepare_cpu_distributed(cfg)
    assert cfg.model_wrapper_cfg.device_ids is None


def test_several_processes_on_apple_silicon_are_refused(environ):
    environ.setattr(cpu_process_groups, 'get_device', lambda: 'mps')
    with pytest.raises(RuntimeError, match='leave out --launcher'):
        prepare_cpu_distributed(Config(dict(launcher='pytorch')))


def test_mpi_without_address_is_one_sentence(environ):
    with pytest.raises(RuntimeError, match='MASTER_ADDR'):
        prepare_cpu_distributed(Config(dict(launcher='mpi')))


def test_accelerator_and_single_process_are_left_alone(environ):
    cfg = Config(dict(launcher='none'))
    prepare_cpu_distributed(cfg)
    environ.setattr(cpu_process_groups, 'get_device', lambda: 'cuda')
    cfg.launcher = 'pytorch'
    prepare_cpu_distributed(cfg)
    assert 'model_wrapper_cfg' not in cfg and not torch.distributed.is_initialized()


def test_own_model_wrapper_is_kept(environ):
    for key, value in dict(LAUNCHERS['pytorch'], MASTER_PORT=free_port()).items():
        environ.setenv(key, value)
    cfg = Config(dict(launcher='pytorch', model_wrapper_cfg=dict(type='Other', x=1)))
    prepare_cpu_distributed(cfg)
    assert cfg.model_wrapper_cfg == dict(type='Other', x=1)
