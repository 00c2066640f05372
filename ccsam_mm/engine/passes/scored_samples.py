# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Weighs the images of a batch, whatever the loss is."""

from contextlib import contextmanager
from typing import Callable, List, Optional

import torch
import torch.nn as nn
from torch import Tensor

from .loss_paths import place_of


class ScoredSamples:
    """Scales the rows of a tensor's gradient.

    At the scores of independent images this weighs the images' losses. The weights may
    change between two backward passes through the same graph.

    Args:
        rows (Tensor): A tensor of at least one dimension, with a gradient.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.passes.scored_samples import ScoredSamples
        >>> weight = torch.ones(2, requires_grad=True)
        >>> scores = 3 * weight
        >>> ScoredSamples(scores).weights = torch.tensor([1.0, 0.5])
        >>> scores.sum().backward()
        >>> weight.grad
        tensor([3.0000, 1.5000])
    """

    def __init__(self, rows: Tensor):
        self.shape = rows.shape
        self.place = place_of(rows)
        self.weights: Optional[Tensor] = None
        if rows.requires_grad:
            rows.register_hook(self._scale)

    def _scale(self, grad: Tensor) -> Tensor:
        if self.weights is None:
            return grad
        weights = self.weights.reshape(-1, *[1] * (grad.dim() - 1))
        return (grad * weights).to(grad.dtype)


@contextmanager
def watch_scores(
    module: nn.Module, found: List[ScoredSamples], wanted: Callable[[], bool]
):
    """Collect the rows that a module returns within the context.

    Args:
        module (nn.Module): A module that returns one tensor.
        found (List[ScoredSamples]): Where they go; empty again after the context.
        wanted (Callable): Whether rows are collected at the moment.
    """

    def collect(module, args, output):
        if torch.is_grad_enabled() and wanted():
            found.append(
                ScoredSamples(output) if isinstance(output, Tensor) else output
            )

    handle = module.register_forward_hook(collect)
    try:
        yield
    finally:
        handle.remove()
        found.clear()
