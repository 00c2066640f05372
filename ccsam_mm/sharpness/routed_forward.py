# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Evaluates each image under its own class's weights, in one pass over the batch.

The images of a batch are sorted by class. A module with class-wise weights sends those
of class c through the weights of class c; batch norm normalises the whole batch as ever
and then applies the affine map of each image's class.
"""

from typing import Any, Callable, Dict, Optional

import torch
import torch.nn as nn
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from .call_layout import CallLayout
from .class_calls import call_per_class
from .class_routing import ClassRouting


def routed_forward(
    module: nn.Module,
    weights: Dict[str, Tensor],
    routing: ClassRouting,
    args: tuple,
    kwargs: dict,
    layout: Optional[CallLayout] = None,
) -> Tensor:
    """Run a module with class-wise weights on a sorted batch.

    Args:
        module (nn.Module): A module that does not couple images, or a batch norm.
        weights (dict[str, Tensor]): Weights of each class by parameter name,
            ``(C, *shape)``. Parameters that are not named keep their value.
        routing (ClassRouting): The batch.
        args (tuple): Arguments of the module, with the batch among them or in
            ``kwargs``, maybe inside a tuple of feature maps.
        kwargs (dict): Keyword arguments of the module.
        layout (CallLayout, optional): Which tensors are batches. Defaults to None:
            the first one, and all that are as long.

    Returns:
        Tensor: What the module returns, rows in the order of the batch.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import ClassRouting, routed_forward
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> weights = dict(weight=torch.tensor([[[10.0]], [[100.0]]]))
        >>> routing = ClassRouting(torch.tensor([4, 4, 9]))
        >>> routed_forward(layer, weights, routing, (torch.ones(3, 1),), {}).flatten()
        tensor([ 10.,  10., 100.])
    """
    is_plain = type(module).forward in _PLAIN or isinstance(module, _BatchNorm)
    own = dict(module.named_parameters())
    # A reparametrised module (weight norm) makes its weight from others.
    if is_plain and own.keys() <= {'weight', 'bias'}:
        num_classes = len(routing.sizes)
        complete = {n: p.expand(num_classes, *p.shape) for n, p in own.items()}
        complete.update(weights)
        return _route_of(module)(module, complete, routing, args[0])
    return call_per_class(module, weights, routing, args, kwargs, layout)


# Beyond these, classes take turns: kernels of all images together, in numbers, and
# rows per class (tools/benchmarks/step_time.py, where 3 was the best of 0, 1.5, 3).
_MAX_GROUPED = 2**26
_MAX_ROWS_PER_CLASS = 3
_KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# A subclass with a forward of its own is called as it is, once per class.
_PLAIN = {kind.forward for kind in (*_KERNELS, nn.LayerNorm, nn.GroupNorm)}


def _route_of(module: nn.Module) -> Callable:
    if not isinstance(module, _KERNELS):
        return _route_norm
    if isinstance(module, nn.Linear) or module.padding_mode != 'zeros':
        return _route_kernel
    return _route_conv


def _route_conv(
    module: Any, weights: Dict[str, Tensor], routing: ClassRouting, x: Tensor
) -> Tensor:
    """Convolution: every image is a group of channels with kernels of its own."""
    per_image = routing.rows_per_image(x)
    is_large = len(x) * module.weight.numel() > _MAX_GROUPED
    if is_large or len(x) > _MAX_ROWS_PER_CLASS * len(routing.sizes):
        return _route_kernel(module, weights, routing, x)
    kernels = routing.expand(weights['weight'], per_image).flatten(0, 1)
    bias = weights.get('bias')
    bias = None if bias is None else routing.expand(bias, per_image).flatten()
    groups = module.groups
    try:
        # Only here do weight and groups not belong to the module.
        module.groups = groups * len(x)
        out = module._conv_forward(x.reshape(1, -1, *x.shape[2:]), kernels, bias)
    finally:
        module.groups = groups
    return out.view(len(x), -1, *out.shape[2:])


def _route_kernel(
    module: Any, weights: Dict[str, Tensor], routing: ClassRouting, x: Tensor
) -> Tensor:
    """Linear and convolution: split, apply, concatenate."""
    linear = isinstance(module, nn.Linear)
    apply = nn.functional.linear if linear else module._conv_forward
    biases = weights['bias'] if 'bias' in weights else [None] * len(routing.sizes)
    parts = zip(routing.split(x), weights['weight'].unbind(), biases)
    return torch.cat([apply(part, weight, bias) for part, weight, bias in parts])


def _route_norm(
    module: Any, weights: Dict[str, Tensor], routing: ClassRouting, x: Tensor
) -> Tensor:
    """Norm layer: its own normalisation and statistics, then each row's affine map."""
    neutral: Dict[str, Callable] = dict(weight=torch.ones_like, bias=torch.zeros_like)
    own = module.named_parameters(recurse=False)
    out = functional_call(module, {name: neutral[name](p) for name, p in own}, (x,))
    per_image = routing.rows_per_image(x)

    def rows(stack: Tensor) -> Tensor:
        values = routing.expand(stack, per_image)
        ones = (1,) * (out.ndim - values.ndim)
        if isinstance(module, nn.LayerNorm):  # normalises the last dimensions
            return values.view(len(values), *ones, *values.shape[1:])
        return values.view(*values.shape, *ones)

    if 'bias' not in weights:
        return out * rows(weights['weight']) if 'weight' in weights else out
    return torch.addcmul(rows(weights['bias']), out, rows(weights['weight']))
