# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Starts the trainings and tests of a sweep: here, through Slurm, or on Ray."""

import os
import os.path as osp
import shlex
import shutil
import sys
from typing import List, Optional, Sequence

import torch

from .processes import LocalProcess, RayTask
from .stage import SweepStage

THREADS = ('OMP', 'MKL', 'OPENBLAS', 'NUMEXPR')


class Launcher:
    """Starts ``train.py`` and ``test.py`` for the stages of a sweep.

    Args:
        tools (str): The folder of these tools.
        kind (str): 'local', 'slurm' or 'ray'. Defaults to 'local'.
        threads (int): CPU threads of each training. Defaults to 1.
        partition (str, optional): The partition of Slurm. Defaults to None.
        keep_open (Sequence[int]): File descriptors that local processes inherit.
            Defaults to ().
    """

    def __init__(
        self,
        tools: str,
        kind: str = 'local',
        threads: int = 1,
        partition: Optional[str] = None,
        keep_open: Sequence[int] = (),
    ):
        self.tools, self.kind, self.threads = tools, kind, threads
        self.partition, self.keep_open = partition, keep_open

    def train(self, stage: SweepStage, slot: int):
        """Start a training, or resume it.

        Args:
            stage (SweepStage): The stage.
            slot (int): The number of a free slot, which chooses the GPU.

        Returns:
            LocalProcess | RayTask: The running task.
        """
        options = ['--resume', '--cfg-options', *stage.cfg_options]
        return self._launch('train', stage.config, stage.work_dir, options, slot)

    def test(self, stage: SweepStage, checkpoint: str, out: str, slot: int):
        """Start the test of a checkpoint.

        Args:
            stage (SweepStage): The stage that trained it.
            checkpoint (str): The checkpoint.
            out (str): The file to write the metrics to.
            slot (int): The number of a free slot, which chooses the GPU.

        Returns:
            LocalProcess | RayTask: The running task.
        """
        options = ['--work-dir', stage.work_dir, '--out', out, '--out-item', 'metrics']
        options += ['--cfg-options', *stage.cfg_options]
        return self._launch('test', stage.config, checkpoint, options, slot)

    def train_command(self, stage: SweepStage) -> str:
        """The command that trains a stage by hand.

        Args:
            stage (SweepStage): The stage.

        Returns:
            str: The command, to be pasted into a shell.
        """
        tool = osp.join(self.tools, 'train.py')
        tool = min(tool, osp.relpath(tool), key=len)
        command = ['python', tool, stage.config, '--work-dir', stage.work_dir]
        return shlex.join([*command, '--cfg-options', *stage.cfg_options])

    def _launch(self, tool, config, target, options, slot):
        """Start train.py (target: a work directory) or test.py (a checkpoint)."""
        work_dir = target if tool == 'train' else osp.dirname(target)
        log = osp.join(work_dir, f'{tool}.log')
        env = {f'{name}_NUM_THREADS': str(self.threads) for name in THREADS}
        command = [sys.executable, osp.join(self.tools, f'{tool}.py'), config]
        command += ['--work-dir', target] if tool == 'train' else [target]
        if self.kind == 'ray':
            return RayTask([*command, *options], log, env, self.threads)
        if self.kind == 'slurm':
            script = osp.join(self.tools, f'slurm_{tool}.sh')
            command = ['bash', script, self.partition, osp.basename(work_dir)]
            command += [config, target]
            needs = dict(GPUS=1, GPUS_PER_NODE=1, CPUS_PER_TASK=self.threads)
            env.update({k: os.environ.get(k, str(v)) for k, v in needs.items()})
        elif len(gpus := _visible_gpus()) > 1:
            env['CUDA_VISIBLE_DEVICES'] = gpus[slot % len(gpus)]
        env = {**os.environ, **env}
        return LocalProcess([*command, *options], log, env, self.keep_open)


def _visible_gpus() -> List[str]:
    """The GPUs that local trainings share out among them."""
    if 'CUDA_VISIBLE_DEVICES' in os.environ:
        return [d for d in os.environ['CUDA_VISIBLE_DEVICES'].split(',') if d]
    return [str(d) for d in range(torch.cuda.device_count())]


def check_launcher(kind: str) -> None:
    """Refuse a launcher whose software is missing, before anything starts.

    Args:
        kind (str): 'local', 'slurm' or 'ray'.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        FileNotFoundError: If there is no ``srun``.
    """
    if kind == 'ray':
        try:
            import ray  # noqa: F401
        except ImportError:
            raise ModuleNotFoundError(
                '--launcher ray needs Ray: `pip install ray`, or leave --launcher out.'
            ) from None
    if kind == 'slurm' and shutil.which('srun') is None:
        raise FileNotFoundError(
            '--launcher slurm needs srun, which is not on the PATH: start the sweep on '
            'a login node, or leave --launcher out.'
        )
