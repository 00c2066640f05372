# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Measures of how sharp a minimum is, for each shot group."""

from typing import Callable, Dict, NamedTuple, Optional, Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from ccsam_mm.sharpness import (
    direction_factor,
    hutchinson_trace,
    perturbation_norm,
    projected_ascent,
)

from .eigenvalues import largest_eigenvalues
from .image_losses import ImageLosses
from .weighted_loss import WeightedLoss


class SharpnessOptions(NamedTuple):
    """What is measured, and at which radius.

    Args:
        eigenvalues (int): The number of largest eigenvalues. Defaults to 3.
        probes (int): Random vectors of the trace's estimate. Defaults to 30.
        rho (float): Radius of SAM's ball. Defaults to 0.05, SAM's for CIFAR-10.
        ascent_steps (int): Steps of ascent after SAM's. Defaults to 0.
        rho_scale (float): Of CC-SAM's perturbation norm, see
            :func:`ccsam_mm.sharpness.perturbation_norm`. Defaults to 0.01.
        min_grad_norm (float): Of the same. Defaults to 3.0.
        max_relative_norm (float, optional): Of the same. Defaults to None.

    Examples:
        >>> from ccsam_mm.analysis.landscape import SharpnessOptions
        >>> SharpnessOptions(rho=0.1).eigenvalues
        3
    """

    eigenvalues: int = 3
    probes: int = 30
    rho: float = 0.05
    ascent_steps: int = 0
    rho_scale: float = 0.01
    min_grad_norm: float = 3.0
    max_relative_norm: Optional[float] = None


def measure_sharpness(
    losses: ImageLosses,
    groups: Dict[str, Tensor],
    class_counts: Sequence[int],
    options: SharpnessOptions = SharpnessOptions(),  # noqa: B008 (immutable)
    tick: Optional[Callable[[], None]] = None,
) -> Dict[str, dict]:
    """Measure curvature and increases of the loss for each group.

    Args:
        losses (ImageLosses): The losses of the images.
        groups (dict[str, Tensor]): Weights of the images, see :func:`loss_groups`.
        class_counts (Sequence[int]): Training images of each class, ``(K, )``.
        options (SharpnessOptions): What is measured.
        tick (Callable, optional): Called after each group. Defaults to None.

    Returns:
        dict[str, dict]: For each group ``loss``; ``eigenvalues``, the largest ones of
        its Hessian; ``trace``, ``trace_low`` and ``trace_high``, the estimate with its
        95 % interval; ``sam``, the increase of the loss at SAM's perturbation;
        ``ccsam`` and ``ccsam_norm``, the mean over the classes of the increase at their
        own perturbation of Eq. 9 and of its norm as a share of the weights' norm.
    """
    increases, norms = class_sharpness(losses, class_counts, options)
    measures = {}
    for name, weights in groups.items():
        loss = WeightedLoss(losses, weights)
        start = float(loss.value(loss.start))
        own = dict(loss=start)
        own['eigenvalues'] = largest_eigenvalues(
            loss.hessian_product, loss.start, options.eigenvalues
        )
        generator = torch.Generator().manual_seed(0)
        probes = hutchinson_trace(
            loss.hessian_product, loss.start, options.probes, generator
        )
        own.update(trace_interval(probes.numpy()))
        worst = projected_ascent(
            loss.value_and_grad, loss.start, options.rho, options.ascent_steps
        )
        own['sam'] = float(worst) - start
        labels = losses.labels
        shares = torch.zeros(len(class_counts), dtype=torch.float64)
        shares = shares.index_add(0, labels, weights.double())
        own.update(ccsam=float(shares @ increases), ccsam_norm=float(shares @ norms))
        measures[name] = own
        if tick is not None:
            tick()
    return measures


def trace_interval(estimates: np.ndarray) -> dict:
    """Mean of independent estimates with the 95 % interval of Student's distribution.

    Args:
        estimates (np.ndarray): At least two estimates.

    Returns:
        dict: ``trace``, ``trace_low`` and ``trace_high``.
    """
    number = len(estimates)
    error = estimates.std(ddof=1) / number**0.5
    half = stats.t.ppf(0.975, number - 1) * error
    mean = float(estimates.mean())
    return dict(trace=mean, trace_low=mean - float(half), trace_high=mean + float(half))


def class_sharpness(
    losses: ImageLosses, class_counts: Sequence[int], options: SharpnessOptions
) -> tuple:
    r"""Increase of each class's loss along its own gradient, at CC-SAM's norm (Eq. 9).

    Args:
        losses (ImageLosses): The losses of the images.
        class_counts (Sequence[int]): :math:`n_c`, ``(K, )``.
        options (SharpnessOptions): Those of the perturbation norm are used.

    Returns:
        tuple[Tensor, Tensor]: :math:`L_c(w + \epsilon_c) - L_c(w)` and
        :math:`\|\epsilon_c\| / \|w\|`, ``(K, )`` in double precision; zero for a class
        without an image.
    """
    weight_norm = losses.vector().norm()
    increases = torch.zeros(len(class_counts), dtype=torch.float64)
    norms = torch.zeros_like(increases)
    for label in losses.labels.unique().tolist():
        mine = losses.labels == label
        loss = WeightedLoss(losses, mine.double() / mine.sum())
        start, grad = loss.value_and_grad(loss.start)
        length = perturbation_norm(
            weight_norm,
            grad.norm(),
            losses.size,
            torch.tensor(class_counts[label], device=grad.device),
            rho_scale=options.rho_scale,
            max_relative_norm=options.max_relative_norm,
            min_grad_norm=options.min_grad_norm,
        )
        step = direction_factor(length, grad.norm()) * grad
        increases[label] = float(loss.value(step)) - float(start)
        norms[label] = float(length / weight_norm)
    return increases, norms
