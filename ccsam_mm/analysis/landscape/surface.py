# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The loss on a plane through the weights (the paper's appendix E)."""

from typing import Callable, Dict, List, Optional, Sequence

import torch
from torch import Tensor

from ccsam_mm.sharpness import filter_normalized_direction

from .curve import group_losses
from .image_losses import ImageLosses


def surface_axis(resolution: int, extent: float) -> List[float]:
    """Evenly spaced steps along a direction.

    Args:
        resolution (int): The number of steps, odd so that the weights are among them.
        extent (float): The largest step.

    Returns:
        list[float]: From ``-extent`` to ``extent``.

    Examples:
        >>> from ccsam_mm.analysis.landscape import surface_axis
        >>> surface_axis(5, 1.0)
        [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    half = resolution // 2
    return [extent * (step - half) / half for step in range(resolution)]


def loss_surface(
    losses: ImageLosses,
    groups: Dict[str, Tensor],
    axis: Sequence[float],
    seed: int = 0,
    tick: Optional[Callable[[], None]] = None,
) -> Dict[str, list]:
    r"""Evaluate the loss on the plane of two filter-normalised directions.

    Args:
        losses (ImageLosses): The losses of the images.
        groups (dict[str, Tensor]): Weights of the images for each mean to report.
        axis (Sequence[float]): Steps :math:`a, b` along both directions, in
            :math:`L(\theta + a\,d_1 + b\,d_2)`.
        seed (int): Seed of the directions. Defaults to 0.
        tick (Callable, optional): Called after each evaluation. Defaults to None.

    Returns:
        dict[str, list]: For each group a row for each ``b`` with a loss for each ``a``.

    Raises:
        ValueError: If no perturbed parameter has filters.
    """
    values = list(losses.parameters.values())
    if all(value.ndim < 2 for value in values):
        raise ValueError(
            f'The perturbed parameters ({", ".join(list(losses.parameters)[:3])}) have '
            'no filters to normalise by: set --perturb to a part with a linear layer '
            'or a convolution, or leave out --surface.'
        )
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        losses.vector(filter_normalized_direction(values, generator)) for _ in range(2)
    )
    surface: Dict[str, list] = {name: [] for name in groups}
    for b in axis:
        rows: Dict[str, list] = {name: [] for name in groups}
        for a in axis:
            own = losses.at(a * first + b * second)
            for name, value in group_losses(own, groups).items():
                rows[name].append(value)
            if tick is not None:
                tick()
        for name, row in rows.items():
            surface[name].append(row)
    return surface
