# Copyright (c) ccsam_mm contributors. All rights reserved.
"""LADE (Hong et al., CVPR 2021), Eq. 9-11."""

import math
from typing import Optional

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from .balanced_softmax_loss import BalancedSoftmaxLoss
from .class_prior_loss import check_number


@MODELS.register_module()
class LADELoss(BalancedSoftmaxLoss):
    r"""Balanced Softmax with a regulariser that frees the scores from the class prior.

    Implements `Disentangling Label Distribution for Long-tailed Visual Recognition
    <https://arxiv.org/abs/2012.00321>`_ as the authors' code computes it. With the
    share :math:`\pi_c` of the training images, K classes, and :math:`B_c` of the B
    images of a batch in class c:

    .. math::
        L = L_{BS} - \alpha \sum_c \pi_c \left[ \frac{1}{B_c} \sum_{i: y_i = c} z_{ic}
            - s_c - \lambda s_c^2 \right], \qquad
        s_c = \log \frac{1}{B} \sum_i \frac{e^{z_{ic}}}{K \pi_c}

    The regulariser :math:`s_c` depends on all images of a batch at once: each rank has
    its own, a soft label has none, and methods that need a mean over independent images
    (CC-SAM, ImbSAM, Focal-SAM) refuse this loss.

    Args:
        alpha (float): :math:`\alpha`. Defaults to 0.1, the authors' value for
            CIFAR-100-LT (0.005 for Places-LT, 0.05 for ImageNet-LT, iNaturalist 2018).
        lam (float): :math:`\lambda`. Defaults to 0.01, from the same place (0.1 for
            Places-LT, 0.5 for ImageNet-LT and iNaturalist 2018).
        **kwargs: Arguments of :class:`ClassPriorLoss`; ``reduction`` is ``'mean'``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import LADELoss
        >>> loss = LADELoss(alpha=0.0, class_counts=[90, 10])
        >>> loss(torch.zeros(1, 2), torch.tensor([1]))
        tensor(2.3026)
    """

    couples_images = True

    def __init__(self, alpha: float = 0.1, lam: float = 0.01, **kwargs):
        super().__init__(**kwargs)
        check_number('alpha', alpha)
        check_number('lam', lam)
        self.alpha = alpha
        self.lam = lam
        self._check_reduction(self.reduction)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Optional[Tensor] = None,
        avg_factor: Optional[int] = None,
        reduction_override: Optional[str] = None,
        **kwargs,
    ) -> Tensor:
        """Calculate the loss.

        Args:
            cls_score (Tensor): The scores with shape ``(N, K)``.
            label (Tensor): The labels with shape ``(N, )``.
            weight (Tensor, optional): Weight of each image in Balanced Softmax.
                Defaults to None.
            avg_factor (int, optional): Divisor of the sum in Balanced Softmax.
                Defaults to None, the number of images.
            reduction_override (str, optional): Only ``'mean'``. Defaults to None.
            **kwargs: Unused.

        Returns:
            Tensor: The loss.
        """
        self._check_reduction(reduction_override or 'mean')
        if label.is_floating_point():
            raise ValueError(
                'LADELoss has no definition for soft labels: leave out Mixup and '
                'CutMix, or set model.head.loss.type to BalancedSoftmaxLoss.'
            )
        loss = super().forward(cls_score, label, weight, avg_factor)
        scores = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        return loss + self.loss_weight * self.alpha * self.regulariser(scores, label)

    def regulariser(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The regulariser of a batch, without its factor.

        Args:
            scores (Tensor): Scores, ``(N, K)``.
            labels (Tensor): Labels, ``(N, )``.

        Returns:
            Tensor: A scalar.
        """
        num_images, num_classes = scores.shape
        prior = self.counts_for(scores)
        prior = prior / prior.sum()
        own = scores.gather(1, labels[:, None]).squeeze(1)
        sums = scores.new_zeros(num_classes).index_add(0, labels, own)
        sizes = torch.bincount(labels, minlength=num_classes).to(scores.dtype)
        shares = scores.logsumexp(dim=0) - math.log(num_images * num_classes)
        shares = shares - prior.log()
        # A class without an image in the batch has no mean of scores.
        means = sums / sizes.clamp(min=1)
        return -(prior * (means - shares - self.lam * shares**2)).sum()

    def _check_reduction(self, reduction: str) -> None:
        if reduction != 'mean':
            raise ValueError(
                f'LADELoss is a mean over a batch, and reduction={reduction!r} is not: '
                "set model.head.loss.reduction to 'mean'."
            )
