# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The largest loss in a ball around the weights, as far as steps of ascent find it."""

from typing import Callable, Tuple

import torch
from torch import Tensor

from .sam_perturbation import sam_perturbation


def projected_ascent(
    loss_and_grad: Callable[[Tensor], Tuple[Tensor, Tensor]],
    like: Tensor,
    rho: float,
    steps: int = 0,
) -> Tensor:
    r"""Largest loss that SAM's perturbation and further steps of ascent reach.

    The first step is SAM's own, :math:`\epsilon_0 = \rho\,g / \|g\|`. Each further one
    moves by :math:`\rho / 2` along the gradient there, and back to the ball:

    .. math::
        \epsilon_{t+1} = \Pi_{\|\epsilon\| \le \rho}
            \left(\epsilon_t + \tfrac{\rho}{2}\; g_t / \|g_t\|\right)

    Args:
        loss_and_grad (Callable): The loss and its gradient ``(k, )`` at a perturbation
            ``(k, )``.
        like (Tensor): A vector ``(k, )`` in the precision and on the device of those.
        rho (float): Radius of the ball.
        steps (int): Steps after SAM's. Defaults to 0.

    Returns:
        Tensor: The largest loss at any of these points, a scalar; never less than that
        of SAM's step.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import projected_ascent
        >>> def loss_and_grad(e):  # (e + 1)^2
        ...     return (e + 1).square().sum(), 2 * (e + 1)
        >>> projected_ascent(loss_and_grad, torch.zeros(1), rho=0.5)
        tensor(2.2500)
    """
    _, grad = loss_and_grad(torch.zeros_like(like))
    point = sam_perturbation(grad, rho)
    losses = []
    for step in range(steps + 1):
        loss, grad = loss_and_grad(point)
        losses.append(loss)
        if step < steps:
            point = point + sam_perturbation(grad, rho / 2)
            norm = point.norm()
            point = torch.where(norm > rho, point * (rho / norm), point)
    return torch.stack(losses).max()
