# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds what ``perturb`` names in a model, or says in a sentence why it can't."""

import inspect
from typing import List, NamedTuple, Optional, Sequence, Set, Union

import torch.nn as nn
from mmengine.model import is_model_wrapper
from mmpretrain.models import MultiLabelClsHead
from mmpretrain.models.heads import MultiTaskHead
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
        f'{wrapper} cannot perturb the parameters inside '
        f'{type(model).__name__}: train with MMDistributedDataParallel '
        '(remove `model_wrapper_cfg` or `strategy` from the config).'
    )


def refuse_nested_wrappers(model: nn.Module, wrapper: str) -> None:
    """Refuse a model of which parts are wrapped, each with a forward of its own."""
    parts = [module for module in model.modules() if is_model_wrapper(module)]
    if parts:
        raise TypeError(
            f'{wrapper} cannot run twice a model that holds a '
            f'{type(parts[0]).__name__}: wrap the whole model in '
            'MMDistributedDataParallel (remove `model_wrapper_cfg` from the config).'
        )


def refuse_checkpointing(model: nn.Module, name: str) -> None:
    """Refuse activation checkpointing of a module, of its parts and around it."""
    path = name.split('.')
    names = {'.'.join(path[:depth]) for depth in range(len(path))}
    parts = model.get_submodule(name).named_modules(prefix=name)
    for name in sorted(names.union(part for part, _ in parts)):
        module = model.get_submodule(name)
        # MMEngine's activation_checkpointing replaces the forward.
        if getattr(module, 'with_cp', False) or 'forward' in vars(module):
            raise NotImplementedError(
                f'{name!r} ({type(module).__name__}) uses activation checkpointing, or '
                'has another forward than its class, and may run again when the '
                'perturbation is gone: switch that off (with_cp, compile, '
                'activation_checkpointing) or leave it out of optim_wrapper.perturb.'
            )


def refuse_inseparable_losses(model: nn.Module, wrapper: str) -> None:
    """Refuse losses that are no sum over images with one class each."""
    head = getattr(model, 'head', None)
    if isinstance(head, (MultiLabelClsHead, MultiTaskHead)):
        raise NotImplementedError(
            f'{wrapper} treats images by their class, and those of a '
            f'{type(head).__name__} have several labels: set optim_wrapper.type to '
            'SAMOptimWrapper or OptimWrapper.'
        )
    loss = getattr(head, 'loss_module', None)
    if getattr(loss, 'couples_images', False):
        raise NotImplementedError(
            f'{wrapper} needs a mean over independent images, and '
            f'{type(loss).__name__} depends on all images of a batch at once: set '
            'model.head.loss.type to another loss, or optim_wrapper.type to '
            'SAMOptimWrapper or OptimWrapper.'
        )


def check_classifier(model: nn.Module) -> None:
    """Refuse models without the arguments of MMPretrain's classifiers."""
    needed = ('inputs', 'data_samples', 'mode')
    given = inspect.signature(model.forward).parameters
    if not all(name in given for name in needed):
        raise TypeError(
            f'CCSAMOptimWrapper needs a classifier with forward{needed}, which '
            f"{type(model).__name__} is not: use optim_wrapper.type='SAMOptimWrapper' "
            'for other models.'
        )
    refuse_inseparable_losses(model, 'CCSAMOptimWrapper')


def find_linear_classifier(
    model: nn.Module, names: List[str]
) -> Optional[LinearClassifier]:
    """Find the linear layer whose parameters are exactly those that are perturbed.

    Args:
        model (nn.Module): The training model, without its DDP wrapper.
        names (List[str]): Names of the perturbed parameters.

    Returns:
        LinearClassifier | None: The layer and the head whose ``loss`` uses it; None
        where there is no such layer.
    """
    owners = {name.rpartition('.')[0] for name in names}
    name = min(owners)
    linear = model.get_submodule(name)
    if len(owners) > 1 or not isinstance(linear, nn.Linear):
        return None
    if type(linear).forward is not nn.Linear.forward:
        return None
    # A reparametrised layer (weight norm) has others, and its weight is none of them.
    own = {key for key, _ in linear.named_parameters()}
    if own - {'weight', 'bias'} or len(names) < len(own):
        return None
    head = _loss_head(model, name)
    return None if head is None else LinearClassifier(model, head, linear, name)


def matching_parameters(
    model: nn.Module,
    perturb: Union[str, Sequence[str]],
    key: str = 'optim_wrapper.perturb=',
) -> List[str]:
    """Names of the parameters under the prefixes; each prefix must match.

    A parameter that several modules share is perturbed in all of them: it matches by
    any of its names, and all of them are returned. The key says in errors what gave
    the prefixes.
    """
    parameters = {
        f'{path}.{key}' if path else key: parameter
        for path, module in model.named_modules()
        for key, parameter in module.named_parameters(recurse=False)
    }
    names = list(parameters)
    matches: Set[nn.Parameter] = set()
    for prefix in [perturb] if isinstance(perturb, str) else perturb:
        found = [n for n in names if prefix in ('', n) or n.startswith(prefix + '.')]
        if not found:
            tops = dict.fromkeys(name.partition('.')[0] for name in names)
            parts = ', '.join(f"'{top}'" for top in tops)
            raise ValueError(
                f'{key}{prefix!r} matches no parameter of '
                f'{type(model).__name__}: use a prefix of its parameter names, which '
                f'start with {parts}.'
            )
        matches.update(parameters[name] for name in found)
    return [name for name in names if parameters[name] in matches]


def trained_parameters(model: nn.Module, names: List[str]) -> List[str]:
    """Those of the names whose parameters are not frozen; there must be one."""
    trained = [name for name in names if model.get_parameter(name).requires_grad]
    if not trained:
        raise ValueError(
            f'All parameters that optim_wrapper.perturb names, such as {names[0]!r}, '
            'are frozen: let it name a part that is trained, or train that part.'
        )
    return trained


def _loss_head(model: nn.Module, name: str) -> Optional[nn.Module]:
    """Nearest module around the layer that has a ``loss(feats, data_samples)``."""
    path = name.split('.')
    for depth in range(len(path) - 1, 0, -1):
        module = model.get_submodule('.'.join(path[:depth]))
        loss = getattr(module, 'loss', None)
        if callable(loss) and not isinstance(loss, nn.Module):
            return module
    return None
