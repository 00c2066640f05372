# Copyright (c) ccsam_mm contributors. All rights reserved.
import math
from itertools import chain
from typing import Iterable, Optional, Tuple

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

from ccsam_mm.utils.checkpoints import last_checkpoint
from ccsam_mm.utils.config_types import is_count


@HOOKS.register_module()
class CheckFiniteHook(Hook):
    """Stop a training whose loss or weights are no longer finite.

    The error names the iteration and the last checkpoint. That one is always good:
    weights are checked before a checkpoint is written, and before MMEngine deletes
    an older one for it.

    Args:
        interval (int): Check the loss every so many iterations, and at the last
            one of an epoch. MMEngine has the loss on the CPU at each iteration, so
            no check costs anything. Defaults to 1.

    Examples:
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> HOOKS.build(dict(type='CheckFiniteHook')).interval
        1
    """

    def __init__(self, interval: int = 1):
        if not is_count(interval):
            raise ValueError(
                f'interval={interval!r}: set interval of CheckFiniteHook to a number '
                'of iterations >= 1.'
            )
        self.interval = interval

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Optional[dict] = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Check the loss, and the weights if a checkpoint is due.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): The index of the current batch in the train loop.
            data_batch (dict, optional): Data from the data loader. Defaults to
                None.
            outputs (dict, optional): Outputs from the model. Defaults to None.
        """
        if self.every_n_train_iters(runner, self.interval) or self.end_of_epoch(
            runner.train_dataloader, batch_idx
        ):
            loss = runner.message_hub.get_scalar('train/loss').current()
            if not math.isfinite(loss):
                raise RuntimeError(
                    f'The loss is {loss} at iteration {runner.iter + 1} (epoch '
                    f'{runner.epoch + 1}). {_advice(runner)}'
                )
        if _checkpoint_is_due(runner):
            _check_weights(_named_tensors(runner), runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Check the weights before MMEngine makes room for a new checkpoint.

        Args:
            runner (Runner): The runner of the training process.
        """
        _check_weights(_named_tensors(runner), runner, runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights that are about to be written.

        Args:
            runner (Runner): The runner of the training process.
            checkpoint (dict): The checkpoint to save.
        """
        state_dict = checkpoint['state_dict'].items()
        _check_weights(state_dict, runner, checkpoint['meta']['iter'])


def _checkpoint_is_due(runner: Runner) -> bool:
    """Whether MMEngine will save a checkpoint at this iteration, not epoch."""
    return any(
        hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
        or (hook.save_last and hook.is_last_train_iter(runner))
        for hook in runner.hooks
        if isinstance(hook, CheckpointHook) and not hook.by_epoch
    )


def _named_tensors(runner: Runner) -> Iterable[Tuple[str, Tensor]]:
    return chain(runner.model.named_parameters(), runner.model.named_buffers())


def _check_weights(
    named_tensors: Iterable[Tuple[str, Tensor]], runner: Runner, iteration: int
) -> None:
    for name, tensor in named_tensors:
        if not torch.isfinite(tensor).all():
            raise RuntimeError(
                f"The weights '{name}' are not finite after iteration {iteration}. "
                f'{_advice(runner)}'
            )


def _advice(runner: Runner) -> str:
    return (
        f'Last good checkpoint: {last_checkpoint(runner.work_dir) or "none yet"}. Try '
        'a lower lr, a smaller rho_scale or max_relative_norm (with a CC-SAM wrapper), '
        'or clip_grad=dict(max_norm=5) in optim_wrapper.'
    )
