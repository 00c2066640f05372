# Copyright (c) ccsam_mm contributors. All rights reserved.
r"""Evaluates each image under its own class's weights, in one pass over the batch.

The rows of a batch are sorted by class. A module with class-wise weights applies the
weights of class c to the rows of class c. Batch norm normalises the whole batch as
usual and then applies the affine map of each row's class.
"""

from typing import Callable, Dict, List, Optional

import torch
import torch.nn as nn
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from .call_layout import CallLayout, ClassRoutingError
from .class_calls import call_per_class


class ClassRouting:
    """Tells which rows of a sorted batch belong to which class.

    Args:
        labels (Tensor): Class of each image, ``(B, )``.

    Attributes:
        order (Tensor): Permutation that sorts the batch by class, ``(B, )``.
        classes (Tensor): The classes in the batch in ascending order, ``(C, )``.
        sizes (list[int]): Images of each of these classes.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import ClassRouting
        >>> routing = ClassRouting(torch.tensor([7, 2, 7]))
        >>> routing.order.tolist(), routing.classes.tolist(), routing.sizes
        ([1, 0, 2], [2, 7], [1, 2])
        >>> routing.expand(torch.tensor([[0.2], [0.7]])).flatten().tolist()
        [0.20000000298023224, 0.699999988079071, 0.699999988079071]
    """

    def __init__(self, labels: Tensor):
        self.order = labels.argsort(stable=True)
        self.classes, counts = labels.unique(return_counts=True)
        self.sizes: List[int] = counts.tolist()
        self.num_images = len(labels)
        self._row_class = torch.arange(len(counts), device=labels.device)
        self._row_class = self._row_class.repeat_interleave(counts)

    def split(self, rows: Tensor) -> List[Tensor]:
        """Rows of each class; an image may have several consecutive rows.

        Args:
            rows (Tensor): ``(B * r, ...)`` of the sorted batch.

        Returns:
            list[Tensor]: One tensor per class.
        """
        per_image = self.rows_per_image(rows)
        return list(rows.split([size * per_image for size in self.sizes]))

    def expand(self, values: Tensor, per_image: int = 1) -> Tensor:
        """Values per class ``(C, ...)`` as values per row ``(B * r, ...)``."""
        rows = self._row_class
        return values[rows if per_image == 1 else rows.repeat_interleave(per_image)]

    def rows_per_image(self, rows: Tensor) -> int:
        """How many rows ``r`` an image has (windows and tokens may be rows)."""
        if rows.ndim == 0 or not len(rows) or len(rows) % self.num_images:
            raise ClassRoutingError(
                f'{tuple(rows.shape)} does not begin with a multiple of the '
                f'{self.num_images} images'
            )
        return len(rows) // self.num_images


def routed_forward(
    module: nn.Module,
    weights: Dict[str, Tensor],
    routing: ClassRouting,
    args: tuple,
    kwargs: dict,
    layout: Optional[CallLayout] = None,
) -> Tensor:
    """Run a module on a sorted batch, each image with the weights of its class.

    Args:
        module (nn.Module): A module that does not couple images, or a batch norm.
        weights (dict[str, Tensor]): Weights of each class by parameter name,
            ``(C, *shape)``. Parameters that are not named keep their value.
        routing (ClassRouting): The batch.
        args (tuple): Arguments of the module; the batch is among them or in
            ``kwargs``, possibly inside a tuple of feature maps.
        kwargs (dict): Keyword arguments of the module.
        layout (CallLayout, optional): Which tensors are batches. Defaults to None:
            the first one, and all of the same length.

    Returns:
        Tensor: The module's output, rows in the order of the batch.

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
    # A reparametrised module (weight norm) computes its weight from other parameters.
    if is_plain and own.keys() <= {'weight', 'bias'}:
        num_classes = len(routing.sizes)
        complete = {n: p.expand(num_classes, *p.shape) for n, p in own.items()}
        complete.update(weights)
        return _route_of(module)(module, complete, routing, args[0])
    return call_per_class(module, weights, routing, args, kwargs, layout)


# Above these limits, classes run one after another: numbers in the kernels of all
# images; rows per class (tools/benchmarks/step_time.py: 3 was the best of 0, 1.5, 3).
_MAX_GROUPED = 2**26
_MAX_ROWS_PER_CLASS = 3
_KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# A subclass with its own forward is called once per class.
_PLAIN = {kind.forward for kind in (*_KERNELS, nn.LayerNorm, nn.GroupNorm)}


def _route_of(module: nn.Module) -> Callable:
    if not isinstance(module, _KERNELS):
        return _route_norm
    if isinstance(module, nn.Linear) or module.padding_mode != 'zeros':
        return _route_kernel
    return _route_conv


def _route_conv(
    module: nn.Module, weights: Dict[str, Tensor], routing: ClassRouting, x: Tensor
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
        # Only in this call do weight and groups differ from those of the module.
        module.groups = groups * len(x)
        out = module._conv_forward(x.reshape(1, -1, *x.shape[2:]), kernels, bias)
    finally:
        module.groups = groups
    return out.view(len(x), -1, *out.shape[2:])


def _route_kernel(
    module: nn.Module, weights: Dict[str, Tensor], routing: ClassRouting, x: Tensor
) -> Tensor:
    """Linear and convolution: split, apply, concatenate."""
    linear = isinstance(module, nn.Linear)
    apply = nn.functional.linear if linear else module._conv_forward
    biases = weights['bias'] if 'bias' in weights else [None] * len(routing.sizes)
    parts = zip(routing.split(x), weights['weight'].unbind(), biases)
    return torch.cat([apply(part, weight, bias) for part, weight, bias in parts])


def _route_norm(
    module: nn.Module, weights: Dict[str, Tensor], routing: ClassRouting, x: Tensor
) -> Tensor:
    """Norm layer: its own normalisation and statistics, then each row's affine map."""
    neutral = dict(weight=torch.ones_like, bias=torch.zeros_like)
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
