# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Distribution alignment (Zhang et al., CVPR 2021), section 3.2, Eq. 4-6."""

from typing import Tuple

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from .stage1_linear_cls_head import Stage1LinearClsHead

FORMS = ('released', 'paper')


@MODELS.register_module()
class DisAlignClsHead(Stage1LinearClsHead):
    r"""Linear head that learns to calibrate its scores, for stage 2 of DisAlign.

    Implements `Distribution Alignment: A Unified Framework for Long-tail Visual
    Recognition <https://arxiv.org/abs/2103.16370>`_. With the scores z of stage 1's
    classifier, a confidence :math:`\sigma = \mathrm{sigmoid}(v \cdot f + u)` for each
    image, and magnitudes :math:`\alpha` and margins :math:`\beta` of the classes:

    .. math::
        z' &= (1 + \sigma \alpha) \odot z + \sigma \beta \qquad &\text{released code} \\
        z' &= \sigma (\alpha \odot z + \beta) + (1 - \sigma) z \qquad &\text{paper}

    Only :math:`\alpha` (starting from 1), :math:`\beta` (0), v (0.1) and u learn:
    :class:`DecoupledClassifier` has to freeze the rest, by ``frozen=('backbone',
    'neck', 'head.fc')``. The authors train with a weighted loss,
    ``ClassWeightHook(rule='power', power=1.2)``, on images as they are distributed.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Length of the features.
        form (str): ``'released'`` or ``'paper'``. Both predict as stage 1 does before
            training; the released form starts from larger scores. Defaults to
            ``'released'``.
        **kwargs: Other arguments of :class:`mmpretrain.models.LinearClsHead`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.heads import DisAlignClsHead
        >>> head = DisAlignClsHead(num_classes=3, in_channels=8, form='paper')
        >>> features = torch.rand(2, 8)
        >>> torch.allclose(head((features,)), head.fc(features), atol=1e-6)
        True
    """

    def __init__(
        self, num_classes: int, in_channels: int, form: str = 'released', **kwargs
    ):
        super().__init__(num_classes=num_classes, in_channels=in_channels, **kwargs)
        if form not in FORMS:
            raise ValueError(
                f"form={form!r}: set model.head.form to 'released' or 'paper'."
            )
        self.form = form
        self.magnitude = nn.Parameter(torch.ones(num_classes))
        self.margin = nn.Parameter(torch.zeros(num_classes))
        self.confidence = nn.Linear(in_channels, 1)
        nn.init.constant_(self.confidence.weight, 0.1)

    def init_weights(self) -> None:
        """Initialise the linear layer alone: the confidence has a start of its own."""
        confidence = self.confidence.state_dict()
        confidence = {name: value.clone() for name, value in confidence.items()}
        super().init_weights()
        self.confidence.load_state_dict(confidence)

    def forward(self, feats: Tuple[Tensor]) -> Tensor:
        """Calibrated scores of the images.

        Args:
            feats (tuple[Tensor]): Features; the last ones, ``(N, d)``, count.

        Returns:
            Tensor: ``(N, K)``.
        """
        features = self.pre_logits(feats)
        scores = self.fc(features)
        confidence = self.confidence(features).sigmoid()
        aligned = self.magnitude * scores + self.margin
        rest = scores if self.form == 'released' else (1 - confidence) * scores
        return confidence * aligned + rest
