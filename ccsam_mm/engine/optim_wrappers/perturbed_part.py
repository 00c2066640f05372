# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds what ``perturb`` names in a model, or says in a sentence why it can't."""

from typing import List, NamedTuple, Sequence, Union

import torch.nn as nn
from mmengine.model import is_model_wrapper
from torch.nn.parallel import DistributedDataParallel


class LinearClassifier(NamedTuple):
    """A head and its one linear layer, which holds all perturbed parameters."""

    model: nn.Module
    head: nn.Module
    linear: nn.Linear
    name: str


def unwrap_model(model: nn.Module, wrapper: str = 'CCSAMOptimWrapper') -> nn.Module:
    """Return the model inside DDP; refuse wrappers that shard or copy parameters."""
    if not is_model_wrapper(model):
        return model
    if isinstance(model, DistributedDataParallel):
        return model.module
    raise TypeError(
        f'{wrapper} can not perturb the parameters inside '
        f'{type(model).__name__}: train with MMDistributedDataParallel '
        '(remove `model_wrapper_cfg` or `strategy` from the config).'
    )


def find_linear_classifier(
    model: nn.Module, perturb: Union[str, Sequence[str]]
) -> LinearClassifier:
    """Find the linear layer whose parameters are exactly those that are perturbed.

    Args:
        model (nn.Module): The training model, without its DDP wrapper.
        perturb (str | Sequence[str]): Parameter-name prefixes; a prefix ends at a dot
            of the name, and ``''`` stands for everything.

    Returns:
        LinearClassifier: The layer and the head whose ``loss`` uses it.
    """
    parameters = matching_parameters(model, perturb)
    owners = sorted({name.rpartition('.')[0] for name in parameters})
    linear = model.get_submodule(owners[0])
    is_linear = isinstance(linear, nn.Linear) and (
        type(linear).forward is nn.Linear.forward
    )
    is_whole = is_linear and len(parameters) == len(list(linear.parameters()))
    if len(owners) > 1 or not is_whole:
        raise NotImplementedError(
            f'optim_wrapper.perturb={perturb!r} covers {_shorten(parameters)}, but '
            'only a single linear layer (weight and bias) can be perturbed so far: '
            f'set perturb to the name of the classifier{_suggestion(model)}.'
        )
    head = _loss_head(model, owners[0])
    return LinearClassifier(model, head, linear, owners[0])


def matching_parameters(
    model: nn.Module, perturb: Union[str, Sequence[str]]
) -> List[str]:
    """Names of the parameters under the prefixes; each prefix must match."""
    names = [name for name, _ in model.named_parameters()]
    matches = set()
    for prefix in [perturb] if isinstance(perturb, str) else perturb:
        found = [n for n in names if prefix in ('', n) or n.startswith(prefix + '.')]
        if not found:
            parts = ', '.join(f"'{name}'" for name, _ in model.named_children())
            raise ValueError(
                f'optim_wrapper.perturb={prefix!r} matches no parameter of '
                f'{type(model).__name__}: use a prefix of its parameter names, which '
                f'start with {parts}.'
            )
        matches.update(found)
    return [name for name in names if name in matches]


def _loss_head(model: nn.Module, name: str) -> nn.Module:
    """Nearest module around the layer that has a ``loss(feats, data_samples)``."""
    path = name.split('.')
    for depth in range(len(path) - 1, 0, -1):
        module = model.get_submodule('.'.join(path[:depth]))
        loss = getattr(module, 'loss', None)
        if callable(loss) and not isinstance(loss, nn.Module):
            return module
    raise NotImplementedError(
        f'optim_wrapper.perturb: the linear layer {name!r} is not inside a head with a '
        '`loss(feats, data_samples)` method, so its loss can not be looked at twice: '
        f"set perturb to the head's classifier{_suggestion(model)}."
    )


def _suggestion(model: nn.Module) -> str:
    head = getattr(model, 'head', None)
    layers = [] if not isinstance(head, nn.Module) else list(head.named_modules())
    names = [name for name, layer in layers if isinstance(layer, nn.Linear)]
    return f", here perturb='head.{names[-1]}'" if names else ''


def _shorten(names: List[str]) -> str:
    shown = ', '.join(names[:3])
    return shown if len(names) <= 3 else f'{shown}, ... ({len(names)} parameters)'
