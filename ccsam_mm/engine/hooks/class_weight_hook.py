# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Re-weighting by class frequency, from the start or deferred (DRW)."""

from typing import Optional

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

from ccsam_mm.models.losses import ClassPriorLoss
from ccsam_mm.utils.config_types import is_count, is_number
from ccsam_mm.utils.loading.load_record import innermost

RULES = ('effective', 'inverse', 'sqrt', 'power')


@HOOKS.register_module()
class ClassWeightHook(Hook):
    r"""Sets the class weights of the loss from an epoch on.

    The loss of the head has to be a :class:`ClassPriorLoss`, whose weighted mean
    divides by the sum of the weights. With :math:`n_c` training images of class c,
    weights are proportional to

    - ``'effective'``: :math:`(1 - \beta) / (1 - \beta^{n_c})`, of `Class-Balanced Loss
      Based on Effective Number of Samples <https://arxiv.org/abs/1901.05555>`_. From a
      late epoch on it is the deferred re-weighting (DRW) of `LDAM
      <https://arxiv.org/abs/1906.07413>`_: epoch 160 of 200 on CIFAR.
    - ``'inverse'``: :math:`1 / n_c`.
    - ``'sqrt'``: :math:`1 / \sqrt{n_c}`.
    - ``'power'``: :math:`1 / n_c^q`, the generalised re-weighting (GRW) of `DisAlign
      <https://arxiv.org/abs/2103.16370>`_.

    Their mean over the classes is 1. The epoch alone decides, so a resumed training has
    the same weights. Under CC-SAM they weigh the objective and change no radius.

    Args:
        rule (str): One of the rules above. Defaults to ``'effective'``.
        begin (int): The first epoch with weights, counted from 0. Defaults to 0.
        beta (float): :math:`\beta`. Defaults to 0.9999.
        power (float): :math:`q`. Defaults to 1.2, DisAlign's value for ImageNet-LT.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.hooks import ClassWeightHook
        >>> ClassWeightHook('inverse').weights(torch.tensor([30, 10]))
        tensor([0.5000, 1.5000], dtype=torch.float64)
    """

    def __init__(
        self,
        rule: str = 'effective',
        begin: int = 0,
        beta: float = 0.9999,
        power: float = 1.2,
    ):
        if rule not in RULES:
            raise ValueError(
                f'ClassWeightHook has no rule {rule!r}: set it to one of '
                f'{", ".join(map(repr, RULES))}.'
            )
        if not is_count(begin, least=0):
            raise ValueError(
                f'ClassWeightHook.begin is {begin!r}: set it to an epoch >= 0.'
            )
        if not is_number(beta) or beta >= 1:
            raise ValueError(
                f'ClassWeightHook.beta is {beta!r}: set it to a number >= 0 and < 1.'
            )
        if not is_number(power):
            raise ValueError(
                f'ClassWeightHook.power is {power!r}: set it to a number >= 0.'
            )
        self.rule = rule
        self.begin = begin
        self.beta = beta
        self.power = power
        self._weights: Optional[Tensor] = None

    def weights(self, class_counts: Tensor) -> Tensor:
        """Weight of each class, with a mean of 1.

        Args:
            class_counts (Tensor): Training images per class, ``(K, )``.

        Returns:
            Tensor: ``(K, )``, in double precision.
        """
        counts = class_counts.double()
        if self.rule == 'effective':
            weights = (1 - self.beta) / (1 - self.beta**counts)
        else:
            power = dict(inverse=1.0, sqrt=0.5).get(self.rule, self.power)
            weights = counts**-power
        return weights / weights.mean()

    def before_train(self, runner: Runner) -> None:
        """Compute the weights: a wrong config costs no training time.

        Args:
            runner (Runner): The runner of the training process.
        """
        loss = _loss_of(runner)
        if self._weights is None and loss.class_weight is not None:
            raise ValueError(
                'ClassWeightHook would replace model.head.loss.class_weight: remove '
                'one of the two from the config.'
            )
        num_classes = getattr(innermost(runner.model).head, 'num_classes', None)
        self._weights = self.weights(loss.known_class_counts(num_classes))
        planned = getattr(runner.train_loop, 'max_epochs', None)
        if self.begin and isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                f'ClassWeightHook begins with epoch {self.begin}, and the training has '
                'no epochs: set train_cfg.by_epoch=True, or begin=0 of the hook.'
            )
        if planned is not None and self.begin >= planned:
            # A trial run of a few epochs is no mistake.
            runner.logger.warning(
                f'ClassWeightHook begins with epoch {self.begin} (counted from 0), and '
                f'the training has {planned}, so classes never have weights: set its '
                '`begin` to an earlier epoch, unless this is a trial run.'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Give the loss the weights of this epoch.

        Args:
            runner (Runner): The runner of the training process.
        """
        has_weights = runner.epoch >= self.begin
        _loss_of(runner).class_weight = self._weights if has_weights else None
        if runner.epoch == self.begin:
            runner.logger.info(
                f'From this epoch on, classes have weights from '
                f'{self._weights.min():.3g} to {self._weights.max():.3g}.'
            )


def _loss_of(runner: Runner) -> ClassPriorLoss:
    head = getattr(innermost(runner.model), 'head', None)
    loss = getattr(head, 'loss_module', None)
    if not isinstance(loss, ClassPriorLoss):
        raise TypeError(
            f'ClassWeightHook sets the weights of a loss such as LDAMLoss, and '
            f'{type(loss).__name__} has none that divide by their sum: set '
            'model.head.loss.type to one of them (SoftmaxFocalLoss with gamma=0 is '
            'cross entropy).'
        )
    return loss
