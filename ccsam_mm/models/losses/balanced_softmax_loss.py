# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Balanced Softmax (Ren et al., NeurIPS 2020), Theorem 1."""

from typing import Optional, Sequence

import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor

from .class_prior_loss import ClassPriorLoss, check_number


@MODELS.register_module()
class BalancedSoftmaxLoss(ClassPriorLoss):
    r"""Cross entropy after adding the log of the class prior to the scores.

    With ``n_c`` training images of class c, an image of class y, and its scores ``a``:

    .. math::
        L = -\log \frac{n_y^\tau e^{a_y}}{\sum_c n_c^\tau e^{a_c}}

    The network learns scores for equally frequent classes, so predictions remain those
    of the plain softmax. :math:`\tau = 1` is `Balanced
    Meta-Softmax for Long-Tailed Visual Recognition <https://arxiv.org/abs/2007.10740>`_
    (without its sampler), another value the loss of `Long-tail Learning via Logit
    Adjustment <https://arxiv.org/abs/2007.07314>`_, and 0 plain cross entropy.

    Args:
        tau (float): Power :math:`\tau` of the class counts. Defaults to 1.0.
        class_counts (Sequence[int], optional): Training images per class. If None,
            those of the training data set. Defaults to None.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        reduction (str): The method used to reduce the loss. Options are "none", "mean"
            and "sum". Defaults to "mean".
        class_weight (Sequence[float], optional): Weight of each class, see
            :class:`ClassPriorLoss`. Defaults to None, equal weights.

    Note:
        Behind a :class:`ClassBalancedSampler` all classes are equally frequent, and
        plain cross entropy is the right loss.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import BalancedSoftmaxLoss
        >>> loss = BalancedSoftmaxLoss(class_counts=[90, 10])
        >>> loss(torch.zeros(2, 2), torch.tensor([0, 1]), reduction_override='none')
        tensor([0.1054, 2.3026])
    """

    def __init__(
        self,
        tau: float = 1.0,
        class_counts: Optional[Sequence[int]] = None,
        loss_weight: float = 1.0,
        reduction: str = 'mean',
        class_weight: Optional[Sequence[float]] = None,
    ):
        super().__init__(class_counts, class_weight, loss_weight, reduction)
        check_number('tau', tau)
        self.tau = tau

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy after adding the log of the class prior."""
        counts = self.counts_for(scores)
        scores = scores + self.tau * (counts / counts.sum()).log()
        return F.cross_entropy(scores, labels, reduction='none')
