# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the modules that hold perturbed parameters and can be routed by class."""

from typing import Dict, Iterator, List, NamedTuple

import torch.nn as nn
from torch.nn.modules.batchnorm import _BatchNorm

from .perturbed_parameters import refuse_checkpointing


class PerturbedModules(NamedTuple):
    """The modules of a model that are routed by class, and those before them."""

    model: nn.Module
    # Module name -> its perturbed parameters, by their names in the module.
    modules: Dict[str, Dict[str, nn.Parameter]]
    # Modules without a perturbed parameter that are as large as can be.
    others: List[nn.Module]

    @classmethod
    def from_names(cls, model: nn.Module, names: List[str]) -> 'PerturbedModules':
        """Collect modules from the names of the perturbed parameters."""
        owners = sorted({_owner(name) for name in names})
        roots = [
            owner
            for owner in owners
            if not any(_is_inside(owner, other) for other in owners if other != owner)
        ]
        modules = {}
        for root in roots:
            _check_module(model, root)
            refuse_checkpointing(model, root)
            inside = {model.get_parameter(n): n for n in names if _is_inside(n, root)}
            start = len(root) + 1 if root else 0
            modules[root] = {name[start:]: p for p, name in inside.items()}
        # By another path, a shared module with perturbed parameters is none of them.
        own = {model.get_submodule(root) for root in modules}
        others = dict.fromkeys(_others(model, '', roots))
        return cls(model, modules, [m for m in others if own.isdisjoint(m.modules())])

    def parameters(self) -> List[nn.Parameter]:
        """All perturbed parameters, each once, whoever shares them."""
        modules = self.modules.values()
        return list(dict.fromkeys(p for module in modules for p in module.values()))


def _owner(name: str) -> str:
    """Path of the module that runs with a parameter, maybe a reparametrised one."""
    module, is_reparametrised, _ = name.partition('.parametrizations.')
    return module if is_reparametrised else name.rpartition('.')[0]


def _is_inside(name: str, root: str) -> bool:
    return root in ('', name) or name.startswith(root + '.')


def _check_module(model: nn.Module, root: str) -> None:
    """Refuse modules in which images depend on each other."""
    root_module = model.get_submodule(root)
    for name, inner in root_module.named_modules():
        full = '.'.join(filter(None, (root, name)))
        if isinstance(inner, _BatchNorm) and inner is not root_module:
            raise NotImplementedError(
                f'{root!r} ({type(root_module).__name__}) has parameters of its own '
                f'and the batch norm {full!r} inside, so it cannot be routed by class: '
                'name its submodules in optim_wrapper.perturb instead.'
            )
        is_sequential = isinstance(inner, (nn.MultiheadAttention, nn.RNNBase))
        if is_sequential and inner is root_module and not inner.batch_first:
            raise NotImplementedError(
                f'{root!r} ({type(root_module).__name__}) takes inputs whose '
                'rows are not images, so it cannot be routed by class: build it with '
                'batch_first=True, or leave it out of optim_wrapper.perturb.'
            )


def _others(module: nn.Module, name: str, roots: List[str]) -> Iterator[nn.Module]:
    """Largest submodules without perturbed parameters; module lists never run."""
    for key, child in module.named_children():
        path = f'{name}.{key}' if name else key
        if path in roots:
            continue
        holds_root = any(_is_inside(root, path) for root in roots)
        if holds_root or isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _others(child, path, roots)
        else:
            yield child
