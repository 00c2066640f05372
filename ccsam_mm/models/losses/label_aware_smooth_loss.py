# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Label-aware smoothing of MiSLAS (Zhong et al., CVPR 2021), Eq. 6-7."""

import math

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from .class_prior_loss import ClassPriorLoss, check_number


@MODELS.register_module()
class LabelAwareSmoothLoss(ClassPriorLoss):
    r"""Cross entropy with label smoothing, stronger for frequent classes.

    Implements the loss of `Improving Calibration for Long-Tailed Recognition
    <https://arxiv.org/abs/2104.00466>`_ as the authors' code computes it, for their
    second stage. Between the largest class (:math:`n_1` images) and the smallest
    (:math:`n_K`), with probabilities p:

    .. math::
        L = -(1 - \epsilon_y) \log p_y - \epsilon_y \frac{1}{K} \sum_c \log p_c, \qquad
        \epsilon_c = \epsilon_K + (\epsilon_1 - \epsilon_K)
            \sin \left( \frac{n_c - n_K}{n_1 - n_K} \frac{\pi}{2} \right)

    Args:
        smooth_head (float): :math:`\epsilon_1`. Defaults to 0.3, the authors' value for
            CIFAR-10-LT, ImageNet-LT and iNaturalist 2018.
        smooth_tail (float): :math:`\epsilon_K`. Defaults to 0.0.
        **kwargs: Arguments of :class:`ClassPriorLoss`.

    Note:
        Where all classes have the same count, all are smoothed by ``smooth_tail``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import LabelAwareSmoothLoss
        >>> loss = LabelAwareSmoothLoss(0.4, 0.1, class_counts=[100, 10, 1])
        >>> loss.smoothing(torch.zeros(1, 3))
        tensor([0.4000, 0.1427, 0.1000])
    """

    def __init__(self, smooth_head: float = 0.3, smooth_tail: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        check_number('smooth_head', smooth_head, most=1.0)
        check_number('smooth_tail', smooth_tail, most=1.0)
        self.smooth_head = smooth_head
        self.smooth_tail = smooth_tail

    def smoothing(self, scores: Tensor) -> Tensor:
        """Smoothing of each class.

        Args:
            scores (Tensor): Scores, ``(N, K)``.

        Returns:
            Tensor: ``(K, )``.
        """
        counts = self.counts_for(scores)
        spread = (counts.max() - counts.min()).clamp(min=1)
        place = torch.sin((counts - counts.min()) / spread * (math.pi / 2))
        return self.smooth_tail + (self.smooth_head - self.smooth_tail) * place

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy with the smoothing of the label's class."""
        losses = -scores.log_softmax(dim=1)
        own = losses.gather(1, labels[:, None]).squeeze(1)
        smoothing = self.smoothing(scores)[labels]
        return own + smoothing * (losses.mean(dim=1) - own)
