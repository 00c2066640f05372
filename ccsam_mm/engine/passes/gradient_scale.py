# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The loss scale of mixed precision, for gradients taken before the update."""

from typing import Union

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor


def gradient_scale(wrapper: OptimWrapper, loss: Tensor) -> Union[Tensor, int]:
    """Factor on a loss under which its half-precision gradients do not underflow.

    It has to be divided out of the gradients before their norm is computed, since it
    may grow until the square of a scaled gradient overflows.

    Args:
        wrapper (OptimWrapper): The optimizer wrapper, of mixed precision or not.
        loss (Tensor): The loss, a scalar.

    Returns:
        Tensor | int: The scale; 1 without a gradient scaler.
    """
    scaler = getattr(wrapper, 'loss_scaler', None)
    if scaler is None or not scaler.is_enabled():
        return 1
    return scaler.scale(torch.ones_like(loss))
