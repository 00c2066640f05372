# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Perturbed logits of a linear classifier, without a second pass (Eq. 8 to 11)."""

from typing import Callable, Optional, Tuple

import torch
import torch.nn as nn
from torch import Tensor

from ccsam_mm.sharpness import (
    LinearClassGradients,
    direction_factor,
    random_linear_products,
)

from .class_factors import inverse_factors
from .gather_samples import gather_samples


def perturbed_logits(
    linear: nn.Linear,
    features: Tensor,
    logits: Tensor,
    grads: Tensor,
    labels: Tensor,
    factors: Optional[Tensor],
    lengths: Callable[[Tensor, Tensor], Tensor],
    direction: str = 'gradient',
    class_reduction: str = 'sample',
    sync_classes: bool = False,
) -> Tuple[Tensor, Optional[Tensor]]:
    r"""Logits of each image under its own class's perturbed classifier.

    Args:
        linear (nn.Linear): The classifier.
        features (Tensor): Its inputs, ``(B, d)``.
        logits (Tensor): Its outputs, ``(B, K)``.
        grads (Tensor): Gradient of the batch's mean loss at the logits, ``(B, K)``.
        labels (Tensor): Class of each image, ``(B, )``.
        factors (Tensor, optional): Factors of the images in that loss, ``(B, )``,
            which class gradients are without; None where all are 1.
        lengths (Callable): ``(norms, labels) -> lengths`` of the perturbations.
        direction (str): ``'gradient'`` or ``'random'``. Defaults to ``'gradient'``.
        class_reduction (str): ``'sample'`` or ``'class'``. Defaults to ``'sample'``.
        sync_classes (bool): Whether other ranks' images count. Defaults to False.

    Returns:
        tuple[Tensor, Tensor | None]: The logits, ``(B, K)``, and weights of the images,
        ``(B, )``, None where they are equal; the gradient of the weighted loss is that
        of :math:`\sum_c \omega_c L_c(w + \epsilon_c)`.
    """
    bias = linear.bias is not None
    # The loss is a mean: an image's own gradient is B times its share.
    first, own, share = 0, len(labels), len(labels)
    if factors is not None:
        grads = grads * inverse_factors(factors)[:, None]
    seen = [features.detach(), grads, labels]
    if sync_classes:
        first, seen = gather_samples([seen[0], share * grads, labels])
        share = 1
    all_features, all_grads, all_labels = seen
    gradients = LinearClassGradients(all_features, all_grads, all_labels, bias=bias)
    norms = gradients.norms()[first : first + own]
    with torch.no_grad():
        length = lengths(share * norms, labels)
    if direction == 'random':
        products = random_linear_products(features, labels, linear.out_features, bias)
    else:
        length = direction_factor(length, norms)
        products = gradients.products(features, labels)
    perturbed = torch.addcmul(logits, length[:, None], products)
    if class_reduction == 'sample':
        return perturbed, None
    all_sizes = gradients.class_sizes(gradients.labels)
    weights = len(all_sizes) / (1 / all_sizes).sum() / gradients.class_sizes(labels)
    return perturbed, weights
