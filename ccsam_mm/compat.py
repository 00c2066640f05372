# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Every remedy for the stack below us: PyTorch, MMEngine, MMCV, MMPretrain.

Importing this module checks the versions and lets checkpoints load, as
:mod:`ccsam_mm.loading.gate` says; the tools use the other functions. Nothing else in
the package works around a dependency.
"""

import os
import subprocess
import warnings
from datetime import timedelta
from importlib import import_module, metadata

from .version import DISTRIBUTIONS, SUPPORTED


def check_versions() -> None:
    """Import the stack and refuse missing or unsupported parts in one sentence.

    MMPretrain's own check is an assertion that fires in its import, so this one has to
    look at MMEngine and MMCV first.

    Raises:
        ImportError: If a package is missing or outside of its supported range.
    """
    for name, supported in SUPPORTED.items():
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ImportError(
                f'ccsam_mm needs {name}{supported}, but {name} is not installed: '
                f'run {_pip_command(name)}'
            ) from None
        _check_version(name, module.__version__)


def _check_version(name: str, installed: str) -> None:
    """Refuse a version outside of the supported range."""
    # torch, mmengine and mmcv all need `packaging`, so it is there by now.
    from packaging.specifiers import SpecifierSet

    supported = SUPPORTED[name]
    if not SpecifierSet(supported).contains(installed, prereleases=True):
        raise ImportError(
            f'ccsam_mm needs {name}{supported}, but {name} {installed} is installed: '
            f'run {_pip_command(name)}'
        )


def _pip_command(name: str) -> str:
    """The command that installs a supported version of what is in use here."""
    candidates = DISTRIBUTIONS[name]
    found = [candidate for candidate in candidates if _is_installed(candidate)]
    fork = [candidate for candidate in candidates if candidate.startswith('onedl-')]
    if not found and fork and _is_installed('onedl-mmengine'):
        found = fork
    return f"`pip install '{(found or candidates)[0]}{SUPPORTED[name]}'`"


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


check_versions()

# Only now: a missing or outdated package has been reported in a sentence.
import torch  # noqa: E402
from mmengine.device import get_device  # noqa: E402
from mmengine.registry import MODEL_WRAPPERS, OPTIM_WRAPPERS  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

from .config_types import class_of  # noqa: E402
from .loading.gate import allow_checkpoints  # noqa: E402

with warnings.catch_warnings():
    # mmcv-lite misses a compiled operator that nothing here needs, and warns each time.
    warnings.filterwarnings('ignore', 'Fail to import')
    import_module('mmcv.cnn.bricks.transformer')

# --------------------------------------------------------------------------------------
# Distributed training on CPUs: mmengine.dist.init_dist selects a CUDA device, and
# Runner.wrap_model hands device_ids to DDP; Runner leaves alone what it finds done.
# https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py
# --------------------------------------------------------------------------------------


def prepare_cpu_distributed(cfg) -> None:
    """Start a gloo process group when a launcher meets a machine without accelerator.

    Args:
        cfg (Config): The whole config. ``cfg.launcher`` says who started the process;
            ``cfg.model_wrapper_cfg`` is completed in place.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or get_device() not in ('cpu', 'mps'):
        return
    if get_device() == 'mps':
        raise RuntimeError(
            'Several processes can not train on the GPU of Apple silicon, which has no '
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


# --------------------------------------------------------------------------------------
# Mixed precision: MMPretrain's --amp overwrites the type of the optimizer wrapper.
# https://github.com/open-mmlab/mmpretrain/blob/main/tools/train.py (merge_args)
# --------------------------------------------------------------------------------------


def amp_twin(wrapper_type):
    """Find the mixed-precision twin of an optimizer wrapper.

    Args:
        wrapper_type (str | type): Type of the configured wrapper.

    Returns:
        str: Name of its twin, ``Amp`` + its own name.

    Raises:
        ValueError: If no such twin is registered.
        RuntimeError: If there is no accelerator to run it.

    """
    name = wrapper_type if isinstance(wrapper_type, str) else wrapper_type.__name__
    scope, _, name = name.rpartition('.')
    twin = name if name.startswith('Amp') else f'Amp{name}'
    twin = f'{scope}.{twin}' if scope else twin
    if OPTIM_WRAPPERS.get(twin) is None:
        raise ValueError(
            f'--amp found no {twin} beside optim_wrapper.type {name}: leave out --amp, '
            'or register a wrapper of that name.'
        )
    if get_device() in ('cpu', 'mps'):
        raise RuntimeError(
            '--amp needs an accelerator, and this machine shows none to PyTorch: '
            'leave out --amp.'
        )
    return twin


# --------------------------------------------------------------------------------------
# MMEngine finds `mmpretrain::` bases through pkg_resources, gone since setuptools 82.
# https://github.com/pypa/setuptools/issues/5174
# --------------------------------------------------------------------------------------


def explain(error: Exception) -> str:
    """What the user can do about an error from the stack below us.

    Args:
        error (Exception): The error.

    Returns:
        str: A sentence, empty if there is nothing to add.
    """
    if isinstance(error, ModuleNotFoundError) and error.name == 'pkg_resources':
        return (
            'MMEngine needs pkg_resources for `package::` bases in configs, and '
            "setuptools 82 dropped it: run `pip install 'setuptools<82'`, or copy the "
            'base config and name it by a relative path.'
        )
    return ''


allow_checkpoints()
