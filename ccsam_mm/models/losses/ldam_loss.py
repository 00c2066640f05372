# Copyright (c) ccsam_mm contributors. All rights reserved.
"""LDAM (Cao et al., NeurIPS 2019), Eq. 10-13."""

import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor

from .class_prior_loss import ClassPriorLoss, check_number


@MODELS.register_module()
class LDAMLoss(ClassPriorLoss):
    r"""Cross entropy with a margin on the true class, larger for rare classes.

    Implements `Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss
    <https://arxiv.org/abs/1906.07413>`_ on cosines, such as the scores of
    :class:`CosineLinearClsHead` with ``scale=1``. With :math:`n_c` training images of
    class c and the scores :math:`z`:

    .. math::
        L = -\log \frac{e^{s (z_y - \Delta_y)}}
            {e^{s (z_y - \Delta_y)} + \sum_{c \neq y} e^{s z_c}}, \qquad
        \Delta_c = m \, n_c^{-1/4} / \max_j n_j^{-1/4}

    Args:
        max_margin (float): Margin :math:`m` of the rarest class. Defaults to 0.5, the
            authors' value for CIFAR.
        scale (float): Factor :math:`s` on the cosines. Defaults to 30.0.
        **kwargs: Arguments of :class:`ClassPriorLoss`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import LDAMLoss
        >>> loss = LDAMLoss(class_counts=[100, 10, 1])
        >>> loss.margins(torch.zeros(1, 3))
        tensor([0.1581, 0.2812, 0.5000])
    """

    needs_cosines = True

    def __init__(self, max_margin: float = 0.5, scale: float = 30.0, **kwargs):
        super().__init__(**kwargs)
        check_number('max_margin', max_margin)
        check_number('scale', scale)
        self.max_margin = max_margin
        self.scale = scale

    def margins(self, scores: Tensor) -> Tensor:
        """Margin of each class.

        Args:
            scores (Tensor): Scores, ``(N, K)``.

        Returns:
            Tensor: ``(K, )``.
        """
        powers = self.counts_for(scores) ** -0.25
        return self.max_margin * powers / powers.max()

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of scaled cosines, with the margin of the label's class."""
        margins = self.margins(scores)[labels]
        images = torch.arange(len(labels), device=labels.device)
        scores = scores.index_put((images, labels), -margins, accumulate=True)
        return F.cross_entropy(self.scale * scores, labels, reduction='none')
