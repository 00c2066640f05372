# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Norms of class gradients that are spread over several parameters."""

from typing import List, Sequence

import torch
from torch import Tensor


def class_norms(grads: Sequence[Tensor]) -> Tensor:
    r"""Norm of each class gradient over all parameters together.

    Args:
        grads (Sequence[Tensor]): One tensor per parameter, ``(C, *shape)``.

    Returns:
        Tensor: :math:`\|g_c\|`, ``(C, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import class_norms
        >>> class_norms([torch.tensor([[3.0], [0.0]]), torch.tensor([[4.0], [0.0]])])
        tensor([5., 0.])
    """
    rows = [grad.reshape(len(grad), -1) for grad in grads]
    norms = _norms(rows, 2)
    # Squares of entries below the root of the smallest number underflow.
    if (norms < torch.finfo(norms.dtype).tiny ** 0.25).any():
        scale = _norms(rows, float('inf'))
        divisor = scale.clamp(min=torch.finfo(scale.dtype).tiny)[:, None]
        norms = scale * _norms([row / divisor for row in rows], 2)
    return norms


def _norms(rows: List[Tensor], order: float) -> Tensor:
    norm = torch.linalg.vector_norm
    return norm(torch.stack([norm(row, order, dim=1) for row in rows]), order, dim=0)
