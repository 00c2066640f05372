# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Vector-scaling loss (Kini et al., NeurIPS 2021), and CDT (Ye et al., 2020)."""

import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor

from .class_prior_loss import ClassPriorLoss, check_number


@MODELS.register_module()
class VSLoss(ClassPriorLoss):
    r"""Cross entropy of scores that are divided and shifted by class frequency.

    Implements `Label-Imbalanced and Group-Sensitive Classification under
    Overparameterization <https://arxiv.org/abs/2103.01550>`_. With :math:`n_c` training
    images of class c and the share :math:`\pi_c`:

    .. math::
        L = -\log \mathrm{softmax}_y \left( z_c / \Delta_c + \tau \log \pi_c \right),
        \qquad \Delta_c = (n_{max} / n_c)^\gamma

    Predictions use the scores :math:`z` as they are. ``tau=0`` is class-dependent
    temperatures (`CDT <https://arxiv.org/abs/2001.01385>`_), ``gamma=0`` logit
    adjustment.

    Args:
        gamma (float): :math:`\gamma`. Defaults to 0.3.
        tau (float): :math:`\tau`. Defaults to 1.0.
        **kwargs: Arguments of :class:`ClassPriorLoss`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import VSLoss
        >>> loss = VSLoss(class_counts=[90, 10])
        >>> loss(torch.zeros(2, 2), torch.tensor([0, 1]), reduction_override='none')
        tensor([0.1054, 2.3026])
    """

    def __init__(self, gamma: float = 0.3, tau: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        check_number('gamma', gamma)
        check_number('tau', tau)
        self.gamma = gamma
        self.tau = tau

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of divided and shifted scores."""
        counts = self.counts_for(scores)
        scores = scores * (counts / counts.max()) ** self.gamma
        scores = scores + self.tau * (counts / counts.sum()).log()
        return F.cross_entropy(scores, labels, reduction='none')
