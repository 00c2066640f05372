# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Distributed training on CPUs.

``mmengine.dist.init_dist`` selects a CUDA device, and ``Runner.wrap_model`` hands
``device_ids`` to DDP; ``Runner`` accepts a process group that exists.
https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py
"""

import os
import subprocess
from datetime import timedelta

import torch
from mmengine.device import get_device
from mmengine.registry import MODEL_WRAPPERS
from torch.nn.parallel import DistributedDataParallel

from .config_types import class_of


def prepare_cpu_distributed(cfg) -> None:
    """Start a gloo process group when a launcher is used without an accelerator.

    Args:
        cfg (Config): The whole config. ``cfg.launcher`` says who started the process;
            ``cfg.model_wrapper_cfg`` is completed in place.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or get_device() not in ('cpu', 'mps'):
        return
    if get_device() == 'mps':
        raise RuntimeError(
            'Several processes cannot train on the GPU of Apple silicon, which has no '
            'distributed backend: leave out --launcher and tools/dist_train.sh.'
        )
    _LAUNCHER_ENV[launcher]()
    if not torch.distributed.is_initialized():
        dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
        timeout = dist_cfg.get('timeout')
        timeout = None if timeout is None else timedelta(seconds=timeout)
        torch.distributed.init_process_group('gloo', timeout=timeout)
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    wrapper = cfg.model_wrapper_cfg
    # A CPU module has no device to name; other wrappers (FSDP) know no such argument.
    kind = class_of({'type': 'MMDistributedDataParallel', **wrapper}, MODEL_WRAPPERS)
    if kind is not None and issubclass(kind, DistributedDataParallel):
        wrapper.setdefault('device_ids', None)


def _slurm_env() -> None:
    """Translate Slurm's variables as ``mmengine.dist`` does."""
    env = os.environ
    env['RANK'] = env['SLURM_PROCID']
    env['WORLD_SIZE'] = env['SLURM_NTASKS']
    env['LOCAL_RANK'] = env.get('SLURM_LOCALID', '0')
    env.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in env:
        command = ['scontrol', 'show', 'hostname', env['SLURM_NODELIST']]
        env['MASTER_ADDR'] = subprocess.check_output(command, text=True).split()[0]


def _mpi_env() -> None:
    """Translate Open MPI's variables as ``mmengine.dist`` does."""
    env = os.environ
    if 'MASTER_ADDR' not in env:
        raise RuntimeError(
            'The launcher mpi needs the address of its first host: '
            'set the environment variable MASTER_ADDR.'
        )
    env['RANK'] = env['OMPI_COMM_WORLD_RANK']
    env['WORLD_SIZE'] = env['OMPI_COMM_WORLD_SIZE']
    env['LOCAL_RANK'] = env['OMPI_COMM_WORLD_LOCAL_RANK']
    env.setdefault('MASTER_PORT', '29500')


_LAUNCHER_ENV = dict(pytorch=lambda: None, slurm=_slurm_env, mpi=_mpi_env)
