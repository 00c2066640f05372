# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The norm constraint of weight balancing (Alshammari et al., CVPR 2022)."""

from typing import Any, Optional

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ccsam_mm.models.heads.last_linear import find_last_linear
from ccsam_mm.utils.config_types import is_number
from ccsam_mm.utils.loading.load_record import innermost

# The message hub is saved with every checkpoint.
_KEPT = 'max_norm'


@HOOKS.register_module()
class MaxNormHook(Hook):
    r"""Keeps the classifier's weight vectors inside a ball, by projected gradients.

    After each iteration, the weights :math:`w_c` of a class are scaled back to the
    bound :math:`\delta` where their norm exceeds it, as in `Long-Tailed Recognition via
    Weight Balancing <https://arxiv.org/abs/2203.14197>`_; biases stay as they are:

    .. math::
        w_c \leftarrow \min(1, \delta / \|w_c\|_2) \, w_c

    Args:
        max_norm (float, optional): :math:`\delta`. Defaults to None, which derives it
            as the authors' code does, from the norms at the start of the training:
            :math:`\min_c \|w_c\| + \text{fraction}
            (\max_c \|w_c\| - \min_c \|w_c\|)`. A resumed training keeps it.
        fraction (float): See ``max_norm``. Defaults to 0.1, the authors' value.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.hooks import MaxNormHook
        >>> layer = torch.nn.Linear(4, 3)
        >>> MaxNormHook.project(layer, 0.1)
        >>> bool((layer.weight.norm(dim=1) < 0.1 + 1e-6).all())
        True
    """

    # Before hooks that average or copy the weights.
    priority = 'ABOVE_NORMAL'

    def __init__(self, max_norm: Optional[float] = None, fraction: float = 0.1):
        if max_norm is not None and (not is_number(max_norm) or max_norm == 0):
            raise ValueError(
                f'MaxNormHook.max_norm is {max_norm!r}: set it to a number > 0, or to '
                'None, which derives it from the weights at the start.'
            )
        if not is_number(fraction) or fraction > 1:
            raise ValueError(
                f'MaxNormHook.fraction is {fraction!r}: set it to a number from 0 to 1.'
            )
        self.max_norm = max_norm
        self.fraction = fraction

    def before_train(self, runner: Runner) -> None:
        """Derive the bound, unless it is given or the training is resumed.

        Args:
            runner (Runner): The runner of the training process.
        """
        layer = _classifier(runner)
        bound = self.max_norm or runner.message_hub.runtime_info.get(_KEPT)
        if bound is None:
            norms = layer.weight.detach().norm(dim=1)
            if runner.iter:
                raise RuntimeError(
                    'The resumed checkpoint has no bound of MaxNormHook, and its '
                    'weights may be far from those at the start: set '
                    'MaxNormHook.max_norm, or start the training anew.'
                )
            bound = float(norms.min() + self.fraction * (norms.max() - norms.min()))
        runner.message_hub.update_info(_KEPT, bound)
        runner.logger.info(f'Weight vectors of classes have a norm of {bound:.3g}.')

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Project the weights.

        Args:
            runner (Runner): The runner of the training process.
            *args: Unused.
            **kwargs: Unused.
        """
        self.project(_classifier(runner), runner.message_hub.get_info(_KEPT))

    @staticmethod
    @torch.no_grad()
    def project(layer: nn.Linear, max_norm: float) -> None:
        """Scale weight vectors back to the bound, in place.

        Args:
            layer (nn.Linear): The classifier.
            max_norm (float): The bound.
        """
        layer.weight.renorm_(2, 0, max_norm)


def _classifier(runner: Runner) -> nn.Linear:
    head: Any = innermost(runner.model).head
    name = find_last_linear(head, head.num_classes, 'MaxNormHook', 'remove the hook')
    layer: Any = head.get_submodule(name)
    if is_parametrized(layer):
        raise ValueError(
            f"The weights of 'head.{name}' are computed from others (as by spectral "
            'normalisation), so MaxNormHook cannot set them: remove one of the two.'
        )
    if not layer.weight.requires_grad:
        raise ValueError(
            f"'head.{name}' is frozen, and MaxNormHook would change it: take it out of "
            'model.frozen, or remove the hook.'
        )
    return layer
