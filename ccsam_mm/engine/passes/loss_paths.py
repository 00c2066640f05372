# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the ways on which a loss depends on parameters."""

from typing import Any, Iterable, Optional, Tuple

import torch.nn as nn
from torch import Tensor

# A tensor's place in the graph, which survives what happens to the tensor in place.
Place = Tuple[Any, int]


def place_of(tensor: Tensor) -> Place:
    """The node that makes a tensor, and the number of the tensor among its outputs."""
    return tensor.grad_fn, tensor.output_nr


def mark_gate(tensor: Any) -> None:
    """Make the only output of a node a gate for :func:`parameter_beside`."""
    tensor.grad_fn.metadata['ccsam_mm.gate'] = True


def parameter_beside(
    loss: Tensor, gates: Iterable[Place], parameters: Iterable[Tensor]
) -> Optional[Tensor]:
    """One of the parameters that a loss depends on other than through the gates.

    It reads the graph alone: nothing is computed, and no device is waited for. A
    detached use of a parameter leaves no trace in it.

    Args:
        loss (Tensor): A loss whose graph still exists.
        gates (Iterable[Place]): Places of tensors, see :func:`place_of`.
        parameters (Iterable[Tensor]): Parameters to find.

    Returns:
        Tensor | None: The first one that is found.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.passes.loss_paths import (
        ...     parameter_beside, place_of)
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> scores = 3 * weight
        >>> parameter_beside(scores.sum(), [place_of(scores)], [weight]) is None
        True
        >>> loss = scores.sum() + weight.norm()
        >>> parameter_beside(loss, [place_of(scores)], [weight]) is weight
        True
    """
    wanted = {id(parameter) for parameter in parameters}
    gates, seen = set(gates), set()
    pending = [place_of(loss)]
    while pending:
        place = pending.pop()
        node = place[0]
        if node is None or place in gates or node in seen:
            continue
        if 'ccsam_mm.gate' in node.metadata:
            continue
        seen.add(node)
        variable = getattr(node, 'variable', None)
        if variable is not None and id(variable) in wanted:
            return variable
        pending.extend(node.next_functions)
    return None


def name_of(model: nn.Module, parameter: Tensor) -> str:
    """First name of a parameter in a model."""
    return next(name for name, p in model.named_parameters() if p is parameter)
