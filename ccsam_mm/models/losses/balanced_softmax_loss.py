# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Balanced Softmax (Ren et al., NeurIPS 2020), Theorem 1."""

from typing import Optional, Sequence

import torch
from mmpretrain.models.losses import CrossEntropyLoss
from mmpretrain.registry import MODELS
from torch import Tensor

from ccsam_mm.datasets import training_class_counts


@MODELS.register_module()
class BalancedSoftmaxLoss(CrossEntropyLoss):
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
    ):
        if reduction not in ('none', 'mean', 'sum'):
            raise ValueError(
                f'reduction={reduction!r}: set model.head.loss.reduction to '
                "'mean', 'sum' or 'none'."
            )
        super().__init__(reduction=reduction, loss_weight=loss_weight)
        if not isinstance(tau, (int, float)) or not 0 <= tau < float('inf'):
            raise ValueError(
                f'tau={tau!r}: set model.head.loss.tau to a number >= 0 (1 is Balanced '
                'Softmax, 0 plain cross entropy).'
            )
        self.tau = tau
        self.class_counts = class_counts
        self._log_prior: Optional[Tensor] = None
        if class_counts is not None:
            self._known_class_counts(None)

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
            label (Tensor): The labels with shape ``(N, )``, or soft ones with shape
                ``(N, K)``.
            weight (Tensor, optional): Weight of each image with shape ``(N, )``.
                Defaults to None.
            avg_factor (int, optional): Divisor of the sum, for ``reduction='mean'``.
                Defaults to None, the number of images.
            reduction_override (str, optional): Another ``reduction`` for this call.
                Defaults to None.
            **kwargs: Other keyword arguments of MMPretrain's cross entropy.

        Returns:
            Tensor: The loss.
        """
        if self._log_prior is None:
            counts = self._known_class_counts(cls_score.shape[-1]).double()
            self._log_prior = (counts / counts.sum()).log()
        if self._log_prior.device != cls_score.device:
            self._log_prior = self._log_prior.to(cls_score.device)
        # Half precision would round the offset, and with it each image's gradient.
        scores = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        scores = scores + self.tau * self._log_prior.to(scores.dtype)
        if label.is_floating_point():
            label = label.to(scores.dtype)
        return super().forward(
            scores, label, weight, avg_factor, reduction_override, **kwargs
        )

    def _known_class_counts(self, num_classes: Optional[int]) -> Tensor:
        """Training images per class, from the argument or the training data set."""
        return training_class_counts(
            'BalancedSoftmaxLoss',
            'model.head.loss.class_counts',
            self.class_counts,
            num_classes,
        )
