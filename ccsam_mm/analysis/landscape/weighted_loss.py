# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A weighted mean of the images' losses, with its gradients and curvature."""

from typing import Tuple

import torch
from torch import Tensor

from .image_losses import ImageLosses


class WeightedLoss:
    r"""The loss :math:`L(\epsilon) = \sum_i \alpha_i\, \ell_i(w + \epsilon)`.

    Args:
        losses (ImageLosses): The losses of the images.
        weights (Tensor): :math:`\alpha`, ``(N, )``. Images of weight zero are never
            evaluated.

    Examples:
        >>> import torch
        >>> from ccsam_mm.analysis.landscape import Batch, ImageLosses, WeightedLoss
        >>> model = torch.nn.Linear(2, 1, bias=False).requires_grad_(False)
        >>> batch = Batch((torch.tensor([[1.0, 2.0]]),), {}, torch.tensor([0]))
        >>> losses = ImageLosses(model, ['weight'], [batch],
        ...                      lambda scores, labels: scores[:, 0].square())
        >>> loss = WeightedLoss(losses, torch.ones(1))
        >>> loss.hessian_product(torch.tensor([1.0, 0.0]))  # 2 z z^T
        tensor([2., 4.])
    """

    def __init__(self, losses: ImageLosses, weights: Tensor):
        self.losses = losses.of(weights > 0)
        sizes = [len(batch.labels) for batch in self.losses.batches]
        self.weights = weights[weights > 0].split(sizes)
        self.start = torch.zeros_like(losses.vector())

    def value(self, step: Tensor) -> Tensor:
        """The loss at a perturbation ``(k, )``, without a graph."""
        with torch.no_grad():
            return torch.stack([loss for loss in self._each(step)]).sum()

    def value_and_grad(self, step: Tensor) -> Tuple[Tensor, Tensor]:
        """The loss at a perturbation, and its gradient ``(k, )``."""
        step = step.detach().requires_grad_()
        value, grad = torch.zeros_like(step[0].detach()), torch.zeros_like(self.start)
        for loss in self._each(step):
            grad += torch.autograd.grad(loss, step)[0]
            value += loss.detach()
        return value, grad

    def hessian_product(self, vector: Tensor) -> Tensor:
        r"""The product :math:`\nabla^2 L(0)\, v` with a vector ``(k, )``.

        It is exact (Pearlmutter, 1994): a gradient of a gradient, and no difference.
        """
        product = torch.zeros_like(self.start)
        for loss in self._each(step := self.start.clone().requires_grad_()):
            (grad,) = torch.autograd.grad(loss, step, create_graph=True)
            # A loss that is linear in the parameters has no curvature.
            if grad.requires_grad:
                (part,) = torch.autograd.grad(grad @ vector, step, allow_unused=True)
                product += 0 if part is None else part
        return product

    def _each(self, step: Tensor):
        for losses, weights in zip(self.losses.each(step), self.weights):
            yield losses @ weights.to(losses)
