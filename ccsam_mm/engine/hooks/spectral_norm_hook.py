# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Spectral normalisation (Miyato et al., ICLR 2018) of any model in training."""

from collections import OrderedDict
from typing import Dict, Sequence, Union

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import FlexibleRunner, Runner
from mmpretrain.registry import HOOKS
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from ccsam_mm.utils.loading.load_record import innermost

from .utils import is_about_to_train

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# What PyTorch appends to the name of a layer, and the two singular vectors.
_PART = 'parametrizations.weight'
_VECTORS = ('0._u', '0._v')


@HOOKS.register_module()
class SpectralNormHook(Hook):
    r"""Divides the weights of layers by their largest singular value, in training.

    Implements `Spectral Normalization for Generative Adversarial Networks
    <https://arxiv.org/abs/1802.05957>`_ by PyTorch's parametrisation: a convolution or
    linear layer uses :math:`W / \sigma(W)`, with :math:`\sigma` estimated by one power
    iteration a step. Frozen layers stay as they are.

    A checkpoint holds the weights that the layers use, :math:`W / \sigma(W)`, under
    their usual names. So it is one of the plain network: tests, inferencers and a
    second stage, with this hook or without, take it like any other, and a training with
    this hook starts from any checkpoint. What a training is resumed from, :math:`W` and
    its singular vectors, is beside it under ``spectral_norm``.

    SAM and CC-SAM perturb :math:`W`; CC-SAM takes the class-routed passes for it.

    Args:
        modules (str | Sequence[str]): Prefixes of the names of the layers, such as
            ``['backbone.layer3', 'head']``; ``''`` is everything. Defaults to ``''``.

    Examples:
        >>> import ccsam_mm
        >>> from mmpretrain.registry import HOOKS
        >>> custom_hooks = [dict(type='SpectralNormHook', modules='backbone')]
        >>> HOOKS.build(custom_hooks[0]).modules
        ['backbone']
    """

    # Before hooks that copy the model.
    priority = 'VERY_HIGH'

    def __init__(self, modules: Union[str, Sequence[str]] = ''):
        prefixes = [modules] if isinstance(modules, str) else modules
        if (
            not isinstance(prefixes, Sequence)
            or not prefixes
            or not all(isinstance(prefix, str) for prefix in prefixes)
        ):
            raise ValueError(
                f'SpectralNormHook.modules is {modules!r}: set it to a prefix of names '
                'of modules or to a list of them.'
            )
        self.modules = list(prefixes)
        self._layers: Dict[str, nn.Module] = {}
        self._vectors_are_stale = False

    def before_run(self, runner: Runner) -> None:
        """Parametrise the layers of a model that is about to be trained.

        Args:
            runner (Runner): The runner of the process.
        """
        if not is_about_to_train(runner) or self._layers:
            return
        if isinstance(runner, FlexibleRunner):
            raise TypeError(
                'SpectralNormHook cannot resume with FlexibleRunner, which loads '
                'before it calls hooks: remove runner_type from the config.'
            )
        # Initialisers would write to a copy of a parametrised weight.
        runner._init_model_weights()
        model = innermost(runner.model)
        for prefix in self.modules:
            found = {
                name: layer
                for name, layer in model.named_modules()
                if (prefix in ('', name) or name.startswith(f'{prefix}.'))
                and isinstance(layer, _LAYERS)
                and not is_parametrized(layer)
                and layer.weight.requires_grad
            }
            if not found:
                raise ValueError(
                    f'SpectralNormHook.modules={prefix!r} names no convolution or '
                    f'linear layer of {type(model).__name__} that is trained: set it '
                    'to a prefix of names of such layers.'
                )
            self._layers.update(found)
        for layer in self._layers.values():
            spectral_norm(layer)
        if is_model_wrapper(runner.model):
            # The parametrisation has taken the weights out of DDP's reach.
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)
        # Last of all: what others save has the names of the model in training.
        runner.register_hook(_FoldHook(self._layers), priority='LOWEST')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give the weights in a checkpoint the names that they have in training.

        Args:
            runner (Runner): The runner of the process.
            checkpoint (dict): The loaded checkpoint, changed in place.
        """
        if not self._layers:
            return
        weights = checkpoint.get('state_dict', checkpoint)
        kept = checkpoint.pop('spectral_norm', None)
        if runner._resume:
            if kept is None or set(kept) != set(self._layers):
                raise ValueError(
                    f'The checkpoint that {runner.work_dir} is resumed from was '
                    'written without SpectralNormHook or with other `modules`: resume '
                    'with the config of that training, or set load_from and '
                    'resume=False.'
                )
            for name, tensors in kept.items():
                weights.pop(f'{name}.weight', None)
                weights.update((f'{name}.{_PART}.{k}', v) for k, v in tensors.items())
            return
        for name in self._layers:
            if f'{name}.weight' in weights:
                weights[f'{name}.{_PART}.original'] = weights.pop(f'{name}.weight')
        # An average of another training, whose names would not be those of the model.
        checkpoint.pop('ema_state_dict', None)
        self._vectors_are_stale = True

    def before_train(self, runner: Runner) -> None:
        """Find the singular vectors of weights that were loaded.

        Args:
            runner (Runner): The runner of the training process.
        """
        if self._vectors_are_stale:
            with torch.no_grad():
                for layer in self._layers.values():
                    layer.train()
                    for _ in range(15):  # as many as PyTorch takes at the start
                        layer.weight  # noqa: B018 (each reading is an iteration)
            self._vectors_are_stale = False


class _FoldHook(Hook):
    """Saves a parametrised model as a plain one."""

    def __init__(self, layers: Dict[str, nn.Module]):
        self.layers = layers

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the weights that the layers use under their usual names.

        Args:
            runner (Runner): The runner of the training process.
            checkpoint (dict): The checkpoint, changed in place.
        """
        weights = checkpoint['state_dict']
        names = {f'{name}.{_PART}.original': name for name in self.layers}
        kept: Dict[str, Dict[str, Tensor]] = {name: {} for name in self.layers}
        folded: OrderedDict = OrderedDict()
        for key, value in weights.items():
            layer, _, part = key.rpartition(f'.{_PART}.')
            if layer in kept:
                kept[layer][part] = value
            if key in names:
                vectors = [weights[f'{layer}.{_PART}.{part}'] for part in _VECTORS]
                folded[f'{layer}.weight'] = normalised(value, *vectors)
            elif layer not in kept:
                folded[key] = value
        folded._metadata = getattr(weights, '_metadata', {})  # type: ignore
        checkpoint['state_dict'] = folded
        checkpoint['spectral_norm'] = kept


def normalised(weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """A weight over its largest singular value, as the layer uses it.

    Args:
        weight (Tensor): The weight, ``(n, *shape)``.
        left (Tensor): The left singular vector, ``(n, )``.
        right (Tensor): The right singular vector, ``(prod(shape), )``.

    Returns:
        Tensor: ``(n, *shape)``.
    """
    return weight / torch.vdot(left, weight.flatten(1).mv(right))
