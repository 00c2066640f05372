# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Length of the class-conditional perturbation (CC-SAM, CVPR 2023, Eq. 8 and 9)."""

from typing import Optional, Union

import torch
from torch import Tensor


def characteristic_radius(
    weight_norm: Tensor,
    grad_norm: Tensor,
    num_params: int,
    class_counts: Tensor,
    min_grad_norm: float = 0.0,
) -> Tensor:
    r"""Radius (rho) of the perturbation of each class (Eq. 8).

    .. math::
        \rho_c = \sqrt{\frac{\|w\|}{2 \|g_c\|}} \; k^{-1/4} \, (n_c - 1)^{-1/4}

    For a class of one image, :math:`n_c - 1` counts as 1.

    Args:
        weight_norm (Tensor): :math:`\|w\|` over all perturbed parameters, a scalar.
        grad_norm (Tensor): :math:`\|g_c\|`, one entry per class (any shape).
        num_params (int): :math:`k`, the number of perturbed parameters.
        class_counts (Tensor): :math:`n_c`, training images of the class, in the shape
            of ``grad_norm``.
        min_grad_norm (float): Gradient-norm floor, under :math:`\|g_c\|`: it bounds the
            radius of a class that is fitted. Defaults to 0.0, the literal Eq. 8.

    Returns:
        Tensor: :math:`\rho_c` in the shape of ``grad_norm``; infinite where the
        gradient is zero and has no floor.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import characteristic_radius
        >>> characteristic_radius(
        ...     torch.tensor(8.0), torch.tensor([1.0, 4.0]), 16, torch.tensor([17, 1]))
        tensor([0.5000, 0.5000])
    """
    images = (class_counts.to(grad_norm.dtype) - 1).clamp(min=1)
    steepness = grad_norm.clamp(min=min_grad_norm)
    return (weight_norm / (2 * steepness)).sqrt() * (num_params * images) ** -0.25


def perturbation_norm(
    weight_norm: Tensor,
    grad_norm: Tensor,
    num_params: int,
    class_counts: Optional[Tensor] = None,
    *,
    rho_scale: float = 1.0,
    max_relative_norm: Optional[float] = None,
    radius: Union[str, float] = 'characteristic',
    min_grad_norm: float = 0.0,
) -> Tensor:
    r"""Perturbation norm :math:`\|\epsilon_c\|` of each class (Eq. 9).

    Args:
        weight_norm (Tensor): :math:`\|w\|` over all perturbed parameters, a scalar.
        grad_norm (Tensor): :math:`\|g_c\|`, one entry per class (any shape).
        num_params (int): :math:`k`, the number of perturbed parameters.
        class_counts (Tensor, optional): :math:`n_c` in the shape of ``grad_norm``;
            not needed with a fixed ``radius``. Defaults to None.
        rho_scale (float): Factor on Eq. 8. Defaults to 1.0.
        max_relative_norm (float, optional): Relative cap, the upper bound of
            :math:`\|\epsilon_c\| / \|w\|`, after the paper's premise
            :math:`\rho \ll \|w\|`. Defaults to None, no bound.
        radius (str | float): ``'characteristic'`` is :math:`\sqrt{k} \rho_c`; a number
            is the norm itself. Defaults to ``'characteristic'``.
        min_grad_norm (float): Gradient-norm floor, under :math:`\|g_c\|` in Eq. 8.
            Defaults to 0.0, no floor.

    Returns:
        Tensor: Norms in the shape of ``grad_norm``; zero for a gradient that is zero or
        not finite.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import perturbation_norm
        >>> perturbation_norm(
        ...     torch.tensor(8.0), torch.tensor([1.0, 0.0]), 16, torch.tensor([17, 5]))
        tensor([2., 0.])
    """
    if isinstance(radius, str):  # 'characteristic'
        rho = characteristic_radius(
            weight_norm, grad_norm, num_params, class_counts, min_grad_norm
        )
        length = rho_scale * num_params**0.5 * rho
    else:
        length = torch.full_like(grad_norm, radius)
    if max_relative_norm is not None:
        length = torch.minimum(length, max_relative_norm * weight_norm)
    # For a tiny gradient, an infinite length times a zero entry would be NaN.
    length = length.clamp(max=torch.finfo(length.dtype).max ** 0.5)
    # A gradient that is zero or overflowed has no direction.
    has_direction = (grad_norm > 0) & grad_norm.isfinite()
    return torch.where(has_direction, length, torch.zeros_like(length))


def direction_factor(length: Tensor, norm: Tensor) -> Tensor:
    r"""Factor that scales a direction to a length; it is always finite.

    Args:
        length (Tensor): :math:`\|\epsilon_c\|`, zero where the direction is zero.
        norm (Tensor): Norm of the direction, in the shape of ``length``.

    Returns:
        Tensor: ``length / norm``, zero for a zero direction.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import direction_factor
        >>> direction_factor(torch.tensor([2.0, 0.0]), torch.tensor([4.0, 0.0]))
        tensor([0.5000, 0.0000])
    """
    limits = torch.finfo(norm.dtype)
    # Infinity times a zero entry of the direction would be NaN.
    return (length / norm.clamp(min=limits.tiny)).clamp(max=limits.max)
