# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Records which tensors of a model its checkpoints have filled."""

import re
from collections.abc import Iterable
from typing import Dict, List, Set

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

_SIZES = re.compile(r'size mismatch for (\S+):.*?(\[.*?\]).*?(\[.*?\])', re.DOTALL)
_OTHER = re.compile(r'named "(\S+)", (.+)')


class LoadRecord:
    """Records all weights that are loaded into a model.

    It records each ``load_state_dict`` of the model, its children and modules with
    an ``init_cfg``, whether PyTorch's own or MMEngine's, which only warns of tensors
    that are missing or of another size.

    Args:
        model (nn.Module): The model.

    Examples:
        >>> from torch import nn
        >>> from ccsam_mm.utils.loading.load_record import LoadRecord
        >>> model = nn.Linear(2, 3)
        >>> record = LoadRecord(model)
        >>> model.load_state_dict(dict(weight=model.weight), strict=False)
        _IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
        >>> record.missing(model)
        ['bias']
    """

    def __init__(self, model: nn.Module) -> None:
        self.num_loads = 0
        self.filled: Set[str] = set()
        self.unexpected: List[str] = []
        self._reasons: Dict[str, str] = {}
        children = dict(model.named_children())
        for name, module in model.named_modules():
            if not name or name in children or getattr(module, 'init_cfg', None):
                hooks = _LoadHooks(self, name)
                module._register_load_state_dict_pre_hook(hooks.before)
                module.register_load_state_dict_post_hook(hooks.after)

    def add(self, at: str, names: Iterable, missing, failed, unexpected) -> None:
        """Record one load.

        Args:
            at (str): Prefix of the loaded module's names in the model.
            names (Iterable[str]): The module's names.
            missing (Iterable[str]): Those that are not in the file.
            failed (Dict[str, str]): Those that do not fit, and why.
            unexpected (Iterable[str]): Other names in the file.
        """
        self.num_loads += 1
        for name in names:
            if name not in missing and name not in failed:
                self.filled.add(at + name)
        self._reasons.update({at + name: why for name, why in failed.items()})
        self.unexpected = [at + name for name in unexpected]

    def missing(self, model: nn.Module, parts: Iterable = ('',)) -> List[str]:
        """Name the tensors that no checkpoint has filled.

        Args:
            model (nn.Module): The model.
            parts (Iterable[str]): Dotted names of its submodules. Defaults to the
                model.

        Returns:
            List[str]: The names of its tensors.
        """
        return [n for n in names_of(model, parts) if n not in self.filled]

    def describe(self, model: nn.Module, missing: List[str], parts=('',)) -> str:
        """Say how much was filled, and what was not.

        Args:
            model (nn.Module): The model.
            missing (List[str]): The result of :meth:`missing`.
            parts (Iterable[str]): Same as for :meth:`missing`.

        Returns:
            str: The second half of a sentence.
        """
        total = len(names_of(model, parts))
        why = self._reasons.get(missing[0], '')
        text = (
            f'fills {total - len(missing)} of {total} names; the first missing one is '
            f"'{missing[0]}'{why}"
        )
        if self.unexpected and not why:
            text += (
                f", and it holds '{self.unexpected[0]}', which the model does not have"
            )
        return text


class _LoadHooks:
    """The hooks of one module."""

    def __init__(self, record: LoadRecord, name: str) -> None:
        self.record = record
        self.at = f'{name}.' if name else ''
        self.prefix, self.errors, self.known = '', [], 0

    def before(
        self, state_dict, prefix, local_metadata, strict, missing, extra, errors
    ):
        self.prefix, self.errors, self.known = prefix, errors, len(errors)

    def after(self, module, incompatible_keys) -> None:
        errors, self.errors = self.errors[self.known :], []
        failed = {}
        for error in errors:
            if found := _SIZES.search(error):
                why = f' (saved with size {found[2]}, here it is {found[3]})'
                failed[self._own(found[1])] = why
            elif found := _OTHER.search(error):
                failed[self._own(found[1])] = f' ({found[2][:100]})'
        missing, extra = (
            [self._own(name) for name in names if name.startswith(self.prefix)]
            for names in incompatible_keys
        )
        names = list(module.state_dict())
        self.record.add(self.at, names, {*missing}, failed, extra)

    def _own(self, name: str) -> str:
        return name[len(self.prefix) :]


def names_of(model: nn.Module, parts: Iterable = ('',)) -> List[str]:
    """Name the tensors that a checkpoint has to fill.

    Args:
        model (nn.Module): The model.
        parts (Iterable[str]): Dotted names of its submodules. Defaults to the model.

    Returns:
        List[str]: The names in its ``state_dict``, but for the counts of batches
        that are missing in older files and that no prediction uses.
    """
    starts = tuple(f'{part}.' if part else '' for part in parts)
    return [
        name
        for name in model.state_dict()
        if name.startswith(starts) and not name.endswith('num_batches_tracked')
    ]


def extra_layers(
    model: nn.Module, unexpected: Iterable, in_sequences: bool = False
) -> List[str]:
    """Name the layers of a file that the model does not have.

    A checkpoint of a deeper network fills a flatter one completely.

    Args:
        model (nn.Module): The model.
        unexpected (Iterable[str]): The names in the file that are not the model's.
        in_sequences (bool): Whether to name only layers that are missing in a
            sequence of the model. Defaults to False.

    Returns:
        List[str]: Names of weights.
    """
    return [
        name
        for name in unexpected
        if name.endswith('.weight')
        and 'loss' not in name
        and hasattr(model, name.split('.')[0])
        and (not in_sequences or _is_sequence(_deepest(model, name)))
    ]


def _deepest(model: nn.Module, name: str) -> nn.Module:
    """The last module on the way to a name that exists."""
    module = model
    for part in name.split('.'):
        if part not in dict(module.named_children()):
            break
        module = module.get_submodule(part)
    return module


def _is_sequence(module: nn.Module) -> bool:
    return isinstance(module, (nn.Sequential, nn.ModuleList))


def innermost(model: nn.Module) -> nn.Module:
    """The model itself, without wrappers of distributed training and augmentation.

    Args:
        model (nn.Module): The model of a runner.

    Returns:
        nn.Module: The module that MMEngine loads checkpoints into.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
