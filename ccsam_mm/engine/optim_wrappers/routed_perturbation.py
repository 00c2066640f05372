# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Perturbations of any parameters from the gradients of each class (Eq. 8 and 9)."""

from typing import Callable, List, Union

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from ccsam_mm.sharpness import ClassRouting, class_norms

from .gather_rows import gather_rows


@torch.no_grad()
def routed_perturbation(
    grads: List[Tensor],
    scale: Union[Tensor, float],
    routing: ClassRouting,
    lengths: Callable[[Tensor, Tensor], Tensor],
    direction: str = 'gradient',
    sync_classes: bool = False,
) -> List[Tensor]:
    r"""Perturbation :math:`\epsilon_c` of each parameter for each class in the batch.

    Args:
        grads (list[Tensor]): Gradients of the batch's mean loss with respect to each
            class's view of each parameter, ``(C, *shape)``.
        scale (Tensor | float): Factor that is in the gradients and shall not be.
        routing (ClassRouting): The batch.
        lengths (Callable): ``(norms, classes) -> lengths`` of the perturbations.
        direction (str): ``'gradient'`` or ``'random'``. Defaults to ``'gradient'``.
        sync_classes (bool): Whether other ranks' images count. Defaults to False.

    Returns:
        list[Tensor]: One tensor per parameter, ``(C, *shape)``.
    """
    sizes = torch.tensor(routing.sizes, device=grads[0].device)
    # The loss is a mean over B images, of which a class has B_c.
    grads = [_full(grad) * (routing.num_images / scale) for grad in grads]
    if sync_classes:
        grads, sizes = _over_ranks(grads, routing)
    grads = [_times(grad, 1 / sizes.double()) for grad in grads]
    norms = class_norms(grads)
    length = lengths(norms, routing.classes)
    if direction == 'random':
        grads = [torch.randn_like(grad) for grad in grads]
        norms = class_norms(grads)
    factors = length / norms.clamp(min=torch.finfo(norms.dtype).tiny)
    # Gradients that overflowed have length zero, and zero times infinity is no number.
    return [_times(grad.nan_to_num(0, 0, 0), factors) for grad in grads]


def class_mean_weights(routing: ClassRouting, sync_classes: bool) -> Tensor:
    """Weights that turn the mean over images into a mean over the batch's classes.

    Args:
        routing (ClassRouting): The batch.
        sync_classes (bool): Whether other ranks' images count.

    Returns:
        Tensor: ``(B, )`` in the order of the sorted batch.
    """
    labels = routing.expand(routing.classes)
    everyone = gather_rows([labels])[1][0] if sync_classes else labels
    sizes = (labels[:, None] == everyone).sum(dim=1)
    return len(everyone) / (sizes * len(everyone.unique())).double()


def _over_ranks(grads: List[Tensor], routing: ClassRouting):
    """Add up the classes' gradients, and count their images, over all ranks."""
    labels = gather_rows([routing.expand(routing.classes)])[1][0]
    classes, sizes = labels.unique(return_counts=True)
    own = torch.searchsorted(classes, routing.classes)
    sums = []
    for grad in grads:
        total = grad.new_zeros(len(classes), *grad.shape[1:])
        total[own] = grad
        all_reduce(total)
        sums.append(total[own])
    return sums, sizes[own]


def _full(grad: Tensor) -> Tensor:
    return grad.float() if grad.dtype.itemsize < 4 else grad


def _times(stack: Tensor, factors: Tensor) -> Tensor:
    """Multiply by a number per class."""
    return stack * factors.to(stack.dtype).view(-1, *(1,) * (stack.ndim - 1))
