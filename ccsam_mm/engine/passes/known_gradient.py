# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A loss of which the gradient has been computed before, so that its graph can go."""

from typing import Any, Sequence

import torch
from torch import Tensor


def with_known_gradient(
    loss: Tensor, parameters: Sequence[Tensor], grads: Sequence[Tensor]
) -> Tensor:
    """Give the value of a loss another graph, which leads to its gradients at once.

    Args:
        loss (Tensor): The loss, a scalar.
        parameters (Sequence[Tensor]): Parameters.
        grads (Sequence[Tensor]): Gradient of the loss with respect to each of them.

    Returns:
        Tensor: A scalar of the same value.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.passes.known_gradient import with_known_gradient
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> loss = with_known_gradient(torch.tensor(5.0), [weight], [torch.ones(2)])
        >>> (3 * loss).backward()
        >>> loss.item(), weight.grad
        (5.0, tensor([3., 3.]))
    """
    grads = [grad.to(p.dtype) for grad, p in zip(grads, parameters)]
    return _KnownGradient.apply(loss.detach(), len(grads), *grads, *parameters)


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[:count])
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        grads = [grad.to(known.dtype) * known for known in ctx.saved_tensors]
        return (None, None, *[None] * len(grads), *grads)
