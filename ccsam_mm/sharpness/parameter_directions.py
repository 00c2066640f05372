# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Random directions in the space of several parameters, for pictures of a loss."""

from typing import List, Sequence

import torch
from torch import Tensor


def gaussian_direction(
    parameters: Sequence[Tensor], generator: torch.Generator
) -> List[Tensor]:
    r"""Gaussian noise as long as all parameters together, as in the paper's Fig. 1.

    .. math::
        d = \|\theta\| \; z / \|z\|, \qquad z \sim \mathcal{N}(0, I)

    So the noise :math:`\epsilon = r\,d` has the ratio
    :math:`\|\epsilon\| / \|\theta\| = r`.

    Args:
        parameters (Sequence[Tensor]): The parameters :math:`\theta`.
        generator (torch.Generator): A generator on the CPU, so that a seed gives the
            same noise on all devices.

    Returns:
        list[Tensor]: One tensor for each parameter, in its shape.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import gaussian_direction
        >>> parts = gaussian_direction(
        ...     [torch.tensor([3.0]), torch.tensor([[4.0]])],
        ...     torch.Generator().manual_seed(0))
        >>> torch.cat([part.flatten() for part in parts]).norm()
        tensor(5.)
    """
    noise = [_noise_like(value, generator) for value in parameters]
    length = _norm(parameters) / _norm(noise)
    return [length.to(part) * part for part in noise]


def filter_normalized_direction(
    parameters: Sequence[Tensor], generator: torch.Generator
) -> List[Tensor]:
    r"""Gaussian noise of which each filter is as long as that of the network.

    Filter normalisation of `Visualizing the Loss Landscape of Neural Nets
    <https://arxiv.org/abs/1712.09913>`_ (NeurIPS 2018, Sec. 4). A filter is what makes
    one output: a row of a linear layer, a kernel of a convolution. Parameters of one
    dimension (biases, norm layers) do not move, as in the authors' pictures.

    Args:
        parameters (Sequence[Tensor]): The parameters.
        generator (torch.Generator): A generator on the CPU.

    Returns:
        list[Tensor]: One tensor for each parameter, in its shape.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import filter_normalized_direction
        >>> weight, bias = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.ones(2)
        >>> parts = filter_normalized_direction(
        ...     [weight, bias], torch.Generator().manual_seed(0))
        >>> parts[0].norm(dim=1), parts[1]
        (tensor([5., 1.]), tensor([0., 0.]))
    """
    parts = []
    for value in parameters:
        noise = _noise_like(value, generator)
        if value.ndim < 2:
            parts.append(torch.zeros_like(noise))
            continue
        wanted, drawn = (t.flatten(1).norm(dim=1) for t in (value.detach(), noise))
        factors = (wanted / drawn).view(-1, *[1] * (value.ndim - 1))
        parts.append(factors * noise)
    return parts


def _noise_like(value: Tensor, generator: torch.Generator) -> Tensor:
    # In double precision, a seed gives the same noise in all precisions.
    noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    return noise.to(value.device, value.dtype)


def _norm(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack([part.detach().norm() for part in parts]).norm()
