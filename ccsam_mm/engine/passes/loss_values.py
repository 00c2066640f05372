# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads the losses that a model returns."""

from typing import Any, List, Union

from torch import Tensor


def loss_scalar(value: Union[Tensor, List[Tensor]]) -> Tensor:
    """Scalar of a loss entry as MMEngine's ``parse_losses`` adds it up."""
    if isinstance(value, Tensor):
        return value.mean()
    total: Any = sum(item.mean() for item in value)
    return total
