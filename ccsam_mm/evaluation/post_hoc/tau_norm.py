# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tau-normalisation, of `Decoupling <https://arxiv.org/abs/1910.09217>`_."""

import torch
from torch import Tensor

from .candidates import Layer, Method, grid, of_layer


def tau_norm_weight(weight: Tensor, tau: float) -> Tensor:
    r"""Divide each class's weights by a power of their norm.

    .. math:: \tilde w_c = w_c / \lVert w_c \rVert^\tau

    Args:
        weight (Tensor): ``(K, d)``.
        tau (float): :math:`\tau`; 0 changes nothing, 1 gives all classes one norm.

    Returns:
        Tensor: ``(K, d)``; weights of norm 0 stay.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import tau_norm_weight
        >>> tau_norm_weight(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), 1.0).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 1.0]]
    """
    norm = weight.double().norm(dim=1, keepdim=True)
    divisor = torch.where(norm > 0, norm, 1.0) ** tau
    return (weight.double() / divisor).to(weight.dtype)


def tau_norm(layer: Layer) -> Method:
    r"""Tau-normalisation of a linear layer, which loses its bias.

    Args:
        layer (Layer): The layer.

    Returns:
        Method: With :math:`\tau` from 0 to 2.
    """
    no_bias = torch.zeros_like(layer.bias)
    return Method(
        'tau_norm',
        [
            of_layer(
                f'{tau:.1f}', Layer(tau_norm_weight(layer.weight, tau), no_bias), tau
            )
            for tau in grid()
        ],
    )
