# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The perturbation of SAM (Foret et al., ICLR 2021) and ASAM (Kwon et al., ICML 2021).

ASAM's Eq. 3 and Algorithm 1 with element-wise normalisation; plain SAM is the case
``T_w = 1``.
"""

from typing import Optional

import torch
from torch import Tensor


@torch.no_grad()
def sam_perturbation(
    grad: Tensor, rho: float, normalizer: Optional[Tensor] = None
) -> Tensor:
    r"""Perturbation to the largest loss within the radius, to first order.

    .. math::
        \epsilon = \rho \; T_w^2 \, g \,/\, \|T_w \, g\|_2

    Args:
        grad (Tensor): :math:`g`, the gradients of all parameters in one vector.
        rho (float): Radius.
        normalizer (Tensor, optional): Diagonal of ASAM's :math:`T_w`, in the shape of
            ``grad``. Defaults to None, SAM's identity.

    Returns:
        Tensor: :math:`\epsilon`, in the shape of ``grad``. It is zero for a gradient
        that vanishes or is not finite, because that has no direction.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import sam_perturbation
        >>> sam_perturbation(torch.tensor([3.0, 4.0]), rho=0.5)
        tensor([0.3000, 0.4000])
        >>> sam_perturbation(
        ...     torch.tensor([3.0, 4.0]), rho=0.5, normalizer=torch.tensor([1.0, 0.0]))
        tensor([0.5000, 0.0000])
    """
    step = grad if normalizer is None else normalizer * grad
    norm = step.norm()
    # Not an `if`: that would make the host wait for the device in every step.
    usable = norm.isfinite() & (norm >= torch.finfo(norm.dtype).tiny)
    step = step * (rho / norm)
    if normalizer is not None:
        step = step * normalizer
    return torch.where(usable, step, 0)
