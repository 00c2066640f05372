# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A classifier of cosines, as LDAM and its followers use it."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS
from torch import Tensor


class CosineLinear(nn.Module):
    """Cosines between features and one weight vector per class.

    Args:
        in_features (int): Length of the features.
        out_features (int): Number of classes.
        scale (float): Factor on the cosines.
    """

    def __init__(self, in_features: int, out_features: int, scale: float):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.scale = scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw unit vectors, as the authors of LDAM do."""
        with torch.no_grad():
            self.weight.copy_(F.normalize(self.weight.uniform_(-1, 1)))

    def forward(self, features: Tensor) -> Tensor:
        """Cosines times the scale.

        Args:
            features (Tensor): ``(N, d)``.

        Returns:
            Tensor: ``(N, K)``.
        """
        return self.scale * F.linear(F.normalize(features), F.normalize(self.weight))


@MODELS.register_module()
class CosineLinearClsHead(LinearClsHead):
    """A linear head without bias whose scores are cosines, times a factor.

    The classifier of `LDAM <https://arxiv.org/abs/1906.07413>`_ and of GCL, whose
    losses have the factor themselves: they need ``scale=1``. Cross entropy cannot fit
    bare cosines: set ``scale``, to 16 or 30 for instance.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Length of the features.
        scale (float): Factor on the cosines. Defaults to 1.0.
        **kwargs: Other arguments of :class:`mmpretrain.models.LinearClsHead`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.heads import CosineLinearClsHead
        >>> head = CosineLinearClsHead(num_classes=3, in_channels=8)
        >>> scores = head((5 * torch.rand(2, 8),))
        >>> scores.shape, bool((scores.abs() <= 1).all())
        (torch.Size([2, 3]), True)
    """

    def __init__(
        self, num_classes: int, in_channels: int, scale: float = 1.0, **kwargs
    ):
        super().__init__(num_classes=num_classes, in_channels=in_channels, **kwargs)
        self.fc = CosineLinear(in_channels, num_classes, scale)
