# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Learnable weight scaling (Kang et al., ICLR 2020), section 4.2."""

from typing import Tuple

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from .stage1_linear_cls_head import Stage1LinearClsHead


@MODELS.register_module()
class LWSClsHead(Stage1LinearClsHead):
    r"""Linear head that learns one factor per class, for stage 2 of LWS and MiSLAS.

    The scores of `Decoupling Representation and Classifier for Long-Tailed Recognition
    <https://arxiv.org/abs/1910.09217>`_ are those of stage 1's classifier, times
    factors :math:`s \in R^K` that start from 1:

    .. math::
        z' = s \odot (W f + b)

    As in the authors' code, the factor is on the bias, too. LWS learns the factors
    alone: :class:`DecoupledClassifier` has to freeze the linear layer, by
    ``frozen=('backbone', 'neck', 'head.fc')``. `MiSLAS
    <https://arxiv.org/abs/2104.00466>`_ learns the layer as well, with a smaller
    learning rate: ``paramwise_cfg=dict(custom_keys={'head.fc': dict(lr_mult=0.5)})``.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Length of the features.
        **kwargs: Other arguments of :class:`mmpretrain.models.LinearClsHead`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.heads import LWSClsHead
        >>> head = LWSClsHead(num_classes=3, in_channels=8)
        >>> features = torch.rand(2, 8)
        >>> torch.equal(head((features,)), head.fc(features))
        True
    """

    def __init__(self, num_classes: int, in_channels: int, **kwargs):
        super().__init__(num_classes=num_classes, in_channels=in_channels, **kwargs)
        self.scale = nn.Parameter(torch.ones(num_classes))

    def forward(self, feats: Tuple[Tensor]) -> Tensor:
        """Scores of the images.

        Args:
            feats (tuple[Tensor]): Features; the last ones, ``(N, d)``, count.

        Returns:
            Tensor: ``(N, K)``.
        """
        return self.scale * super().forward(feats)
