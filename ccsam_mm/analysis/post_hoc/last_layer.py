# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The last layer of a classifier, if it is a plain linear one."""

from typing import Optional

import torch
from torch import nn

from ccsam_mm.evaluation.post_hoc import Layer, Outputs
from ccsam_mm.models.heads.last_linear import find_last_linear
from ccsam_mm.models.losses import ClassPriorLoss


def last_layer_name(head: nn.Module) -> Optional[str]:
    """Name the plain linear layer of a head that has an output for each class.

    Args:
        head (nn.Module): The head.

    Returns:
        str, optional: The name in the head; None where there is no such layer.
    """
    if not hasattr(head, 'num_classes'):
        return None
    try:
        return find_last_linear(head, head.num_classes)
    except ValueError:
        return None


def last_layer(
    head: nn.Module, name: Optional[str], images: Outputs
) -> Optional[Layer]:
    """Take the weights of a layer, if it makes the scores alone.

    Args:
        head (nn.Module): The head.
        name (str, optional): The name of the layer in the head.
        images (Outputs): Images to compare its scores on.

    Returns:
        Layer, optional: On the CPU, in single precision; None if the scores are others,
        as where the head scales them.
    """
    if name is None:
        return None
    linear = head.get_submodule(name)
    weight = linear.weight.detach().float().cpu()
    if weight.shape[1] != images.features.shape[1]:
        return None
    bias = weight.new_zeros(len(weight))
    if linear.bias is not None:
        bias = linear.bias.detach().float().cpu()
    layer = Layer(weight, bias)
    tolerance = 1e-3 * float(images.logits.abs().max())
    is_same = torch.allclose(
        layer.scores(images), images.logits, rtol=0, atol=tolerance
    )
    return layer if is_same else None


def score_scale(head: nn.Module) -> float:
    """The factor that a loss of this package puts on the scores of a head.

    The loss of LDAM gets cosines, which it multiplies; its probabilities are those of
    the products.

    Args:
        head (nn.Module): The head.

    Returns:
        float: The factor, 1 for other losses.
    """
    loss = getattr(head, 'loss_module', None)
    return (
        float(getattr(loss, 'scale', 1.0)) if isinstance(loss, ClassPriorLoss) else 1.0
    )


def no_layer(name: str, head: nn.Module) -> str:
    """Say that a head has no layer to replace.

    Args:
        name (str): What was to be saved.
        head (nn.Module): The head.

    Returns:
        str: A sentence.
    """
    if name.partition(':')[0] == 'tau_norm':
        return (
            f'{type(head).__name__} has no tau_norm: its scores are not those of a '
            'plain linear layer whose weights have norms to change, so leave out '
            '--save tau_norm.'
        )
    return (
        f'--save {name}: the scores of {type(head).__name__} are not those of a plain '
        'linear layer (it normalises or scales them), so that no checkpoint for this '
        'config predicts the same: leave out --save.'
    )
