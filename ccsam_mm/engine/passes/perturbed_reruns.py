# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Refuses what would run perturbed modules again during a backward pass."""

from contextlib import ExitStack, contextmanager
from typing import Iterable

import torch.nn as nn


@contextmanager
def refuse_reruns(model: nn.Module, names: Iterable[str], allowed: int = 0):
    """Refuse gradient checkpointing around perturbed modules, seen when they run.

    A backward pass would recompute their outputs from the unperturbed weights; if all
    images are of one class, the shapes agree, and nothing else would tell.

    Args:
        model (nn.Module): The training model, without its DDP wrapper.
        names (Iterable[str]): Names of the modules with perturbed parameters.
        allowed (int): How often each of them may run. Defaults to 0.
    """

    def hook_of(name):
        runs = []

        def refuse(module, args):
            runs.append(None)
            if len(runs) <= allowed:
                return
            raise RuntimeError(
                f'{name!r} runs again in the backward pass, a recomputation that '
                'CCSAMOptimWrapper cannot perturb: switch off the gradient '
                'checkpointing around it, or leave it out of optim_wrapper.perturb.'
            )

        return refuse

    with ExitStack() as stack:
        for name in names:
            module = model.get_submodule(name)
            handle = module.register_forward_pre_hook(hook_of(name), prepend=True)
            stack.callback(handle.remove)
        yield
