# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Focal loss (Lin et al., ICCV 2017) for softmax classifiers."""

import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor

from .class_prior_loss import ClassPriorLoss, check_number


@MODELS.register_module()
class SoftmaxFocalLoss(ClassPriorLoss):
    r"""Cross entropy that counts less for images that are classified well.

    The softmax form of `Focal Loss for Dense Object Detection
    <https://arxiv.org/abs/1708.02002>`_, which long-tailed recognition compares with;
    MMPretrain's ``FocalLoss`` is the sigmoid form. With :math:`p_y` the probability of
    an image's class:

    .. math::
        L = -(1 - p_y)^\gamma \log p_y

    Args:
        gamma (float): :math:`\gamma`; 0 is cross entropy. Defaults to 2.0.
        **kwargs: Arguments of :class:`ClassPriorLoss`: ``class_weight``,
            ``loss_weight`` and ``reduction``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import SoftmaxFocalLoss
        >>> SoftmaxFocalLoss(gamma=1.0)(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.3466)
    """

    def __init__(self, gamma: float = 2.0, **kwargs):
        super().__init__(**kwargs)
        check_number('gamma', gamma)
        self.gamma = gamma

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy times the focal factor."""
        losses = F.cross_entropy(scores, labels, reduction='none')
        # -expm1(-loss) is 1 - p without cancellation; 0 ** gamma has no gradient.
        rest = (-(-losses).expm1()).clamp(min=1e-30)
        return rest**self.gamma * losses
