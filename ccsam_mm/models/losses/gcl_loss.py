# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Gaussian clouded logits (Li et al., CVPR 2022)."""

import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor

from .class_prior_loss import ClassPriorLoss, check_number

# The noise that the authors draw: N(0, 1/3), three standard deviations within 1.
_DEVIATION = 1 / 3


@MODELS.register_module()
class GCLLoss(ClassPriorLoss):
    r"""Cross entropy of cosines that are lowered at random, more for rare classes.

    Implements `Long-tailed Visual Recognition via Gaussian Clouded Logit Adjustment
    <https://arxiv.org/abs/2305.11733>`_ on cosines, such as the scores of
    :class:`CosineLinearClsHead` with ``scale=1``. With :math:`n_c` training images of
    class c and noise :math:`\varepsilon_c \sim N(0, 1/3)`, clipped to [-1, 1], for each
    image and class:

    .. math::
        z'_c = z_c - a |\varepsilon_c|
            \frac{\log n_{max} - \log n_c}{\log n_{max} - \log n_{min}}
            - m [c = y], \qquad
        L = -(1 - p_y)^\gamma \log p_y, \quad p = \mathrm{softmax}(s z')

    No gradient flows through the factor :math:`(1 - p_y)^\gamma`.

    Args:
        margin (float): :math:`m`. Defaults to 0.0, the authors' first stage (0.1 in
            their second one).
        scale (float): :math:`s`. Defaults to 30.0 (20.0 in the second stage).
        noise (float): :math:`a`. Defaults to 0.5.
        focal_gamma (float): :math:`\gamma`. Defaults to 0.0 (1.0 in the second stage).
        **kwargs: Arguments of :class:`ClassPriorLoss`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import GCLLoss
        >>> loss = GCLLoss(noise=0.0, class_counts=[100, 10])
        >>> loss(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.6931)
    """

    needs_cosines = True

    def __init__(
        self,
        margin: float = 0.0,
        scale: float = 30.0,
        noise: float = 0.5,
        focal_gamma: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        values = dict(margin=margin, scale=scale, noise=noise, focal_gamma=focal_gamma)
        for name, value in values.items():
            check_number(name, value)
        self.margin = margin
        self.scale = scale
        self.noise = noise
        self.focal_gamma = focal_gamma

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of cosines lowered at random, with a focal factor."""
        sizes = self.counts_for(scores).log()
        sizes = sizes.max() - sizes
        # Classes of one count have no cloud.
        sizes = sizes / sizes.max().clamp(min=torch.finfo(sizes.dtype).tiny)
        noise = (_DEVIATION * torch.randn_like(scores)).clamp(-1, 1).abs()
        scores = scores - self.noise * noise * sizes
        own = F.one_hot(labels, scores.shape[1]).to(scores.dtype)
        scores = scores - self.margin * own
        losses = F.cross_entropy(self.scale * scores, labels, reduction='none')
        if self.focal_gamma:
            losses = losses * (-(-losses.detach()).expm1()) ** self.focal_gamma
        return losses
