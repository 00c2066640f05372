# Copyright (c) ccsam_mm contributors. All rights reserved.
"""How much a loss's class weights multiply the gradients of a batch's images."""

from typing import Any, List, Optional

import torch
from torch import Tensor


def class_factors(head: Any, data_samples: List, like: Tensor) -> Optional[Tensor]:
    """Factor of each class's images in a batch's loss, against equal class weights.

    Without its factor, a class gradient is that of the class's unweighted mean loss:
    exactly so for hard labels. An image with soft labels counts with the factor of the
    class with the largest weight, also where another label has its part in the loss.

    Args:
        head (nn.Module): The head, whose ``loss_module`` may have class weights: a
            :class:`ClassPriorLoss`, or a loss of MMPretrain with a softmax. (With a
            sigmoid, its weights weigh scores, not images.)
        data_samples (List[DataSample]): Annotations of this rank's batch.
        like (Tensor): A tensor with the type and device of the factors.

    Returns:
        Tensor | None: ``(K, )``; None without class weights.

    Examples:
        >>> import torch
        >>> from mmpretrain.models import LinearClsHead
        >>> from mmpretrain.structures import DataSample
        >>> from ccsam_mm.engine.passes.class_factors import class_factors
        >>> head = LinearClsHead(2, 4, loss=dict(
        ...     type='SoftmaxFocalLoss', class_weight=[1.0, 3.0]))
        >>> samples = [DataSample().set_gt_label(c) for c in (0, 1)]
        >>> class_factors(head, samples, torch.zeros(()))
        tensor([0.5000, 1.5000])
    """
    loss = getattr(head, 'loss_module', None)
    if hasattr(loss, 'class_factors'):
        if 'gt_score' in data_samples[0]:
            labels = torch.stack([sample.gt_score for sample in data_samples])
        else:
            labels = torch.cat([sample.gt_label for sample in data_samples])
        return loss.class_factors(labels.to(like.device), like.dtype)
    # LabelSmoothLoss keeps its weights in a cross entropy of its own.
    loss = getattr(loss, 'ce', loss)
    weights = getattr(loss, 'class_weight', None)
    if weights is None or getattr(loss, 'use_sigmoid', False):
        return None
    return torch.as_tensor(weights, dtype=like.dtype, device=like.device)


def inverse_factors(factors: Tensor) -> Tensor:
    """What divides the factors out; zero for those that are zero.

    Args:
        factors (Tensor): Factors of any shape, >= 0.

    Returns:
        Tensor: In the shape of ``factors``.
    """
    return torch.where(factors > 0, 1 / factors, torch.zeros_like(factors))
