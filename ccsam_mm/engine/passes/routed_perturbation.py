# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Perturbations of any parameters from the gradients of each class (Eq. 8 and 9)."""

from typing import Callable, List, Optional, Tuple, Union

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from ccsam_mm.sharpness import ClassRouting, class_norms, direction_factor

from .class_factors import inverse_factors
from .gather_samples import gather_samples


@torch.no_grad()
def routed_perturbation(
    grads: List[Tensor],
    scale: Union[Tensor, float],
    routing: ClassRouting,
    factors: Optional[Tensor],
    lengths: Callable[[Tensor, Tensor], Tensor],
    direction: str = 'gradient',
    sync_classes: bool = False,
) -> Tuple[List[Tensor], Tensor]:
    r"""Perturbation :math:`\epsilon_c` of each parameter for each class in the batch.

    Args:
        grads (list[Tensor]): Gradients of the batch's mean loss with respect to each
            class's view of each parameter, ``(C, *shape)``.
        scale (Tensor | float): Factor to divide out of the gradients.
        routing (ClassRouting): The batch.
        factors (Tensor, optional): Factors of the classes in that loss, ``(C, )``,
            which class gradients are without; None where all are 1.
        lengths (Callable): ``(norms, classes) -> lengths`` of the perturbations.
        direction (str): ``'gradient'`` or ``'random'``. Defaults to ``'gradient'``.
        sync_classes (bool): Whether other ranks' images count. Defaults to False.

    Returns:
        tuple[list[Tensor], Tensor]: Directions ``(C, *shape)``, one per parameter, and
        multipliers ``(C, )``, the products of which are the perturbations.
    """
    sizes = torch.tensor(routing.sizes, device=grads[0].device)
    grads = [grad.float() if grad.dtype.itemsize < 4 else grad for grad in grads]
    # The loss is a mean over B images, of which a class has B_c.
    shares = routing.num_images / sizes.to(grads[0].dtype) / scale
    if factors is not None and not sync_classes:
        shares = shares * inverse_factors(factors)
    if sync_classes:
        grads, sizes = _over_ranks(grads, routing, factors)
        shares = 1 / sizes.to(grads[0].dtype) / scale
    raw_norms = class_norms(grads)
    length = lengths(raw_norms * shares, routing.classes)
    if direction == 'random':
        grads = [torch.randn_like(grad) for grad in grads]
        raw_norms = class_norms(grads)
    multipliers = direction_factor(length, raw_norms)
    if isinstance(scale, Tensor):
        # A scaled gradient may overflow; zero times infinity would be no number.
        grads = [grad.nan_to_num(0, 0, 0) for grad in grads]
        multipliers = multipliers.nan_to_num(0, 0, 0)
    return grads, multipliers


def class_mean_weights(routing: ClassRouting, sync_classes: bool) -> Tensor:
    """Weights that turn the mean over images into a mean over the batch's classes.

    Args:
        routing (ClassRouting): The batch.
        sync_classes (bool): Whether other ranks' images count.

    Returns:
        Tensor: ``(B, )`` in the order of the sorted batch.
    """
    labels = routing.expand(routing.classes)
    everyone = gather_samples([labels])[1][0] if sync_classes else labels
    sizes = (labels[:, None] == everyone).sum(dim=1)
    return len(everyone) / (sizes * len(everyone.unique())).double()


def _over_ranks(
    grads: List[Tensor], routing: ClassRouting, factors: Optional[Tensor]
) -> Tuple[List[Tensor], Tensor]:
    """Add up the classes' gradients, and count their images, over all ranks."""
    labels = gather_samples([routing.expand(routing.classes)])[1][0]
    classes, sizes = labels.unique(return_counts=True)
    own = torch.searchsorted(classes, routing.classes)
    # The factors of a class differ between ranks, where a mean divides by weights.
    times = grads[0].new_full(routing.classes.shape, routing.num_images)
    if factors is not None:
        times = times * inverse_factors(factors)
    sums = []
    for grad in grads:
        total = grad.new_zeros(len(classes), *grad.shape[1:])
        total[own] = grad * times.to(grad.dtype).view(-1, *(1,) * (grad.ndim - 1))
        all_reduce(total)
        sums.append(total[own])
    return sums, sizes[own]
