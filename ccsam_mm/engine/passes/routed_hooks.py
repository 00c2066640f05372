# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Runs the hooks of a module once, though it is called once per class."""

from collections import OrderedDict
from contextlib import contextmanager
from typing import Iterator

import torch.nn as nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


@contextmanager
def hooks_around(module: nn.Module) -> Iterator[None]:
    """Keep hooks that make weights from others away from the call of all classes."""
    hooks = module._forward_pre_hooks
    module._forward_pre_hooks = _select(hooks, makes_weights=False)
    try:
        yield
    finally:
        module._forward_pre_hooks = hooks


@contextmanager
def hooks_inside(module: nn.Module, pre_hooks: OrderedDict) -> Iterator[None]:
    """Have these hooks alone in the calls of the classes.

    Args:
        module (nn.Module): The module.
        pre_hooks (OrderedDict): Its forward pre-hooks, as they were.
    """
    around = module._forward_pre_hooks, module._forward_hooks
    module._forward_pre_hooks = _select(pre_hooks, makes_weights=True)
    module._forward_hooks = OrderedDict()
    try:
        yield
    finally:
        module._forward_pre_hooks, module._forward_hooks = around


def _select(hooks: dict, makes_weights: bool) -> OrderedDict:
    kinds = (SpectralNorm, WeightNorm)
    return OrderedDict(
        (key, hook)
        for key, hook in hooks.items()
        if isinstance(hook, kinds) == makes_weights
    )
