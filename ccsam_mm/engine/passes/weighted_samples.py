# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Weighs images at the scores that a head returns."""

from contextlib import ExitStack, contextmanager
from typing import Optional

import torch.nn as nn
from torch import Tensor

from .loss_paths import mark_gate


@contextmanager
def weighted_samples(head: nn.Module, sample_weights: Optional[Tensor]):
    """Scale the gradients of a head's scores row by row, within the context.

    Images are independent, so scaling a row's gradient weighs its loss.

    Args:
        head (nn.Module): The head.
        sample_weights (Tensor, optional): ``(B, )``; None changes nothing.
    """
    weighed = []

    def refuse():
        raise NotImplementedError(
            "class_reduction='class' needs a head with a forward that gives one row of "
            f'scores per image, which {type(head).__name__} has not: set '
            "optim_wrapper.class_reduction='sample'."
        )

    def weigh(head, args, scores):
        if not isinstance(scores, Tensor) or len(scores) != len(sample_weights):
            refuse()
        weighed.append(True)
        scores = scores.clone()
        shape = (-1,) + (1,) * (scores.ndim - 1)
        weights = sample_weights.to(scores.dtype).view(shape)
        if scores.requires_grad:
            mark_gate(scores)
            scores.register_hook(lambda grad: grad * weights)
        return scores

    with ExitStack() as stack:
        if sample_weights is not None:
            if head is None:
                refuse()
            stack.callback(head.register_forward_hook(weigh).remove)
        yield
        if sample_weights is not None and not weighed:
            refuse()
