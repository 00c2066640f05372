# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Cuts the perturbed part of a model into units that can be routed by class."""

from typing import Dict, Iterator, List, NamedTuple

import torch.nn as nn
from torch.nn.modules.batchnorm import _BatchNorm

from .perturbed_parameters import refuse_checkpointing


class PerturbedModules(NamedTuple):
    """The perturbed part of a model, in units that are routed by class."""

    model: nn.Module
    # Unit name -> its perturbed parameters, by their names in the unit.
    units: Dict[str, Dict[str, nn.Parameter]]
    # Modules without a perturbed parameter that are as large as can be.
    others: List[nn.Module]

    @classmethod
    def from_names(cls, model: nn.Module, names: List[str]) -> 'PerturbedModules':
        """Collect units from the names of the perturbed parameters."""
        owners = sorted({_owner(name) for name in names})
        roots = [
            owner
            for owner in owners
            if not any(_is_inside(owner, other) for other in owners if other != owner)
        ]
        units = {}
        for root in roots:
            _check_module(model, root)
            refuse_checkpointing(model, root)
            inside = {model.get_parameter(n): n for n in names if _is_inside(n, root)}
            start = len(root) + 1 if root else 0
            units[root] = {name[start:]: p for p, name in inside.items()}
        # By another path, a shared module with perturbed parameters is none of them.
        own = {model.get_submodule(root) for root in units}
        others = dict.fromkeys(_others(model, '', roots))
        return cls(model, units, [m for m in others if own.isdisjoint(m.modules())])

    def parameters(self) -> List[nn.Parameter]:
        """All perturbed parameters, each once, whoever shares them."""
        units = self.units.values()
        return list(dict.fromkeys(p for unit in units for p in unit.values()))


def _owner(name: str) -> str:
    """Path of the module that runs with a parameter, maybe a reparametrised one."""
    module, is_reparametrised, _ = name.partition('.parametrizations.')
    return module if is_reparametrised else name.rpartition('.')[0]


def _is_inside(name: str, root: str) -> bool:
    return root in ('', name) or name.startswith(root + '.')


def _check_module(model: nn.Module, root: str) -> None:
    """Refuse units in which images depend on each other."""
    unit = model.get_submodule(root)
    for name, module in unit.named_modules():
        full = '.'.join(filter(None, (root, name)))
        if isinstance(module, _BatchNorm) and module is not unit:
            raise NotImplementedError(
                f'{root!r} ({type(unit).__name__}) has parameters of its own and the '
                f'batch norm {full!r} inside, so it can not be routed by class: name '
                'its submodules in optim_wrapper.perturb instead.'
            )
        is_sequential = isinstance(module, (nn.MultiheadAttention, nn.RNNBase))
        if is_sequential and module is unit and not module.batch_first:
            raise NotImplementedError(
                f'The rows of {root!r} ({type(unit).__name__}) are not images, so it '
                'can not be routed by class: build it with batch_first=True, or leave '
                'it out of optim_wrapper.perturb.'
            )


def _others(module: nn.Module, name: str, roots: List[str]) -> Iterator[nn.Module]:
    """Largest submodules without a unit; lists of modules are never called."""
    for key, child in module.named_children():
        path = f'{name}.{key}' if name else key
        if path in roots:
            continue
        holds_unit = any(_is_inside(root, path) for root in roots)
        if holds_unit or isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _others(child, path, roots)
        else:
            yield child
