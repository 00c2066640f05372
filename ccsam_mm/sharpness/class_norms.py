# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Norms of class gradients that are spread over several parameters."""

from typing import Sequence

import torch
from torch import Tensor


def class_norms(grads: Sequence[Tensor]) -> Tensor:
    r"""Norm of each class's gradient over all parameters together.

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
    rows = [grad.flatten(1) for grad in grads]
    # Scaled by the class's largest entry, tiny gradients' squares can't underflow.
    scale = torch.stack([row.abs().amax(dim=1) for row in rows]).amax(dim=0)
    divisor = scale.clamp(min=torch.finfo(scale.dtype).tiny)[:, None]
    squares = torch.stack([(row / divisor).square().sum(dim=1) for row in rows])
    return scale * squares.sum(dim=0).sqrt()
