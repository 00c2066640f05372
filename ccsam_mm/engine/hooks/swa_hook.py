# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Stochastic weight averaging (Izmailov et al., UAI 2018)."""

from itertools import chain

from mmengine.dist import get_world_size
from mmengine.hooks import EMAHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.engine.hooks.precise_bn_hook import update_bn_stats
from mmpretrain.registry import HOOKS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ccsam_mm.utils.config_types import is_count

from ..passes.random_state import RandomState


@HOOKS.register_module()
class SWAHook(EMAHook):
    r"""Averages the weights of the last epochs, and validates and saves the average.

    Implements `Averaging Weights Leads to Wider Optima and Better Generalization
    <https://arxiv.org/abs/1803.05407>`_: the mean of the weights at the ends of the
    epochs from ``begin_epoch`` on, with batch-norm statistics made anew. MMEngine's
    ``EMAHook`` averages iterations, and keeps the statistics of the weights in
    training; MMPretrain's ``PreciseBNHook`` makes anew those of the weights in
    training: together, they leave an average without statistics of its own.

    At the end of each such epoch the training images pass once through the averaged
    network (without Mixup), which has the exact means and variances of its own batches
    then. It is what is validated, and the ``state_dict`` of the checkpoint; the weights
    in training are its ``ema_state_dict``, from which a training is resumed. Batch norm
    in evaluation mode, as in a frozen trunk of stage 2, keeps its statistics. Random
    numbers and the training itself are as without the hook.

    The learning rate should stay up, as in ``configs/_base_/schedules/
    cifar_200e_swa.py``: what has converged has nothing to average.

    Args:
        begin_epoch (int): The first epoch whose weights are averaged, counted from 1.
            Defaults to 161, the authors' value for 225 epochs.

    Examples:
        >>> import ccsam_mm
        >>> from mmpretrain.registry import HOOKS
        >>> custom_hooks = [dict(type='SWAHook', begin_epoch=161)]
        >>> HOOKS.build(custom_hooks[0]).begin_epoch
        161
    """

    def __init__(self, begin_epoch: int = 161):
        if not is_count(begin_epoch):
            raise ValueError(
                f'SWAHook.begin_epoch is {begin_epoch!r}: set it to an epoch >= 1 '
                '(the first one is 1).'
            )
        super().__init__(
            'StochasticWeightAverage', strict_load=True, begin_epoch=begin_epoch
        )

    def before_train(self, runner: Runner) -> None:
        """Refuse a training without epochs; warn of one that is too short.

        Args:
            runner (Runner): The runner of the training process.
        """
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'SWAHook averages the weights of epochs, and the training has none: '
                'set train_cfg.by_epoch=True, or take the hook out of custom_hooks.'
            )
        if runner.train_dataloader.batch_size is None:
            raise ValueError(
                'SWAHook counts the batches of its pass over the training images by '
                'their size: set train_dataloader.batch_size instead of batch_sampler.'
            )
        if self.begin_epoch > runner.max_epochs:
            # A trial run of a few epochs is no mistake.
            runner.logger.warning(
                f'SWAHook begins with epoch {self.begin_epoch}, and the training has '
                f'{runner.max_epochs}, so nothing is averaged: set its `begin_epoch` '
                'to an earlier epoch, unless this is a trial run.'
            )

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Leave the average as it is until the end of the epoch.

        Args:
            runner (Runner): The runner of the training process.
            *args: Unused.
            **kwargs: Unused.
        """

    def after_train_epoch(self, runner: Runner) -> None:
        """Add the weights of this epoch; give the average its own statistics.

        Args:
            runner (Runner): The runner of the training process.
        """
        if not self._ema_started(runner):
            return
        self.ema_model.update_parameters(self.src_model)
        model = self.ema_model.module.train()
        # A frozen trunk stays in evaluation mode.
        if not any(isinstance(m, _BatchNorm) and m.training for m in model.modules()):
            return
        loader = runner.train_dataloader
        num_samples = len(loader) * loader.batch_size * get_world_size()
        with RandomState({p.device for p in model.parameters()}).replayed():
            update_bn_stats(model, loader, num_samples, logger='silent')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the average, once there is one, and the weights in training beside it.

        Args:
            runner (Runner): The runner of the training process.
            checkpoint (dict): The checkpoint, changed in place.
        """
        if self._has_average:
            super().before_save_checkpoint(runner, checkpoint)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the average of a checkpoint that a training is resumed from.

        Args:
            runner (Runner): The runner of the process.
            checkpoint (dict): The checkpoint, changed in place.
        """
        if runner._resume and 'ema_state_dict' in checkpoint:
            super().after_load_checkpoint(runner, checkpoint)

    @property
    def _has_average(self) -> bool:
        return bool(self.ema_model.steps > 0)

    def _swap_ema_parameters(self) -> None:
        """Exchange the average, with its statistics, and the weights in training."""
        if not self._has_average:
            return
        pairs = zip(_tensors(self.ema_model.module), _tensors(self.src_model))
        for average, source in pairs:
            kept = average.data.clone()
            average.data.copy_(source.data)
            source.data.copy_(kept)


def _tensors(model: nn.Module):
    return chain(model.parameters(), model.buffers())
