# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The trace of a matrix of which only products with vectors are known."""

from typing import Callable

import torch
from torch import Tensor


def hutchinson_trace(
    product: Callable[[Tensor], Tensor],
    like: Tensor,
    probes: int,
    generator: torch.Generator,
) -> Tensor:
    r"""Unbiased estimates of a trace (Hutchinson, 1990).

    .. math::
        \mathbb{E}\, v^\top H v = \mathrm{tr}\, H
        \qquad\text{for independent } v_i = \pm 1

    Args:
        product (Callable): ``v -> H v``.
        like (Tensor): A vector ``(k, )`` in the precision and on the device of ``v``.
        probes (int): The number of vectors.
        generator (torch.Generator): A generator on the CPU.

    Returns:
        Tensor: One estimate for each vector, ``(probes, )``, on the CPU in double
        precision. Their mean estimates the trace; it is exact for a diagonal matrix.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import hutchinson_trace
        >>> diagonal = torch.tensor([1.0, 2.0, 4.0])
        >>> hutchinson_trace(
        ...     lambda v: diagonal * v, diagonal, 2, torch.Generator().manual_seed(0))
        tensor([7., 7.], dtype=torch.float64)
    """
    estimates = []
    for _ in range(probes):
        signs = 2 * torch.randint(2, like.shape, generator=generator) - 1
        vector = signs.to(like.device, like.dtype)
        estimates.append(vector.double() @ product(vector).double())
    return torch.stack(estimates).cpu()
