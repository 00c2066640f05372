# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The loss along random directions (the paper's Fig. 1)."""

from typing import Callable, Dict, Optional, Sequence

import torch
from torch import Tensor

from ccsam_mm.sharpness import gaussian_direction

from .image_losses import ImageLosses

# Relative noise norms: the global range of Fig. 1, and finer steps near the weights.
RATIOS = (
    *(0, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15),
    *(round(0.1 * step, 1) for step in range(2, 21)),
)


def loss_curve(
    losses: ImageLosses,
    groups: Dict[str, Tensor],
    ratios: Sequence[float] = RATIOS,
    seeds: int = 5,
    tick: Optional[Callable[[], None]] = None,
) -> Dict[str, list]:
    r"""Evaluate the loss over the relative norm of Gaussian noise.

    Each direction is taken both ways, and its loss is the mean of the two,
    :math:`(L(\theta + \epsilon) + L(\theta - \epsilon)) / 2`. The expected value is
    that of single directions. The slope cancels, which would hide the curvature in a
    few directions, since no group of classes alone is at a minimum.

    Args:
        losses (ImageLosses): The losses of the images.
        groups (dict[str, Tensor]): Weights of the images for each mean to report, see
            :func:`loss_groups`.
        ratios (Sequence[float]): :math:`\|\epsilon\| / \|\theta\|` over all perturbed
            parameters together. Defaults to 28 values from 0 to 2.
        seeds (int): The number of directions, those of the seeds 0, 1, ... Defaults
            to 5.
        tick (Callable, optional): Called after each evaluation. Defaults to None.

    Returns:
        dict[str, list]: For each group ``len(ratios)`` lists of one loss per seed; one
        that is not finite is None.

    Examples:
        >>> import torch
        >>> from ccsam_mm.analysis.landscape import Batch, ImageLosses, loss_curve
        >>> model = torch.nn.Linear(1, 1, bias=False).requires_grad_(False)
        >>> batch = Batch((torch.ones(1, 1),), {}, torch.tensor([0]))
        >>> # The loss is (w + e)^2 / w^2 with e = r w and -r w: its mean is 1 + r^2.
        >>> losses = ImageLosses(
        ...     model, ['weight'], [batch],
        ...     lambda scores, labels: (scores[:, 0] / model.weight[0]) ** 2)
        >>> curve = loss_curve(losses, dict(all=torch.ones(1)), [0, 0.5], seeds=1)
        >>> [[round(loss, 4) for loss in point] for point in curve['all']]
        [[1.0], [1.25]]
    """
    curve: Dict[str, list] = {name: [[] for _ in ratios] for name in groups}
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        parts = gaussian_direction(list(losses.parameters.values()), generator)
        direction = losses.vector(parts)
        for place, ratio in enumerate(ratios):
            step = ratio * direction
            own = (losses.at(step) + losses.at(-step)) / 2 if ratio else losses.at()
            for name, value in group_losses(own, groups).items():
                curve[name][place].append(value)
            if tick is not None:
                tick()
    return curve


def group_losses(losses: Tensor, groups: Dict[str, Tensor]) -> Dict[str, float]:
    """Mean losses of groups.

    Args:
        losses (Tensor): The losses of the images, ``(N, )``.
        groups (dict[str, Tensor]): Weights of the images, ``(N, )``.

    Returns:
        dict[str, float | None]: One value for each group, None for infinity and NaN.
    """
    means = {}
    for name, weights in groups.items():
        own = weights > 0  # zero times infinity would be NaN
        value = float(weights[own].double() @ losses[own].double())
        means[name] = value if abs(value) < float('inf') else None
    return means
