# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Temperature scaling, of `Guo et al. <https://arxiv.org/abs/1706.04599>`_."""

from typing import Optional

import torch
from torch import Tensor

from .candidates import Candidate, Layer, Method, Outputs

# Perfect predictions would want 0, and predictions worse than chance infinity.
LEAST, MOST = 1e-3, 1e3


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    r"""Temperature of the least negative log likelihood.

    .. math:: \arg\min_T \sum_i -\log softmax(z_i / T)_{y_i}

    The likelihood is convex in :math:`1 / T`, so that its slope is 0 in one place,
    which is found by halving intervals.

    Args:
        logits (Tensor): ``(N, K)``.
        labels (Tensor): ``(N, )``.

    Returns:
        float: The temperature, from 0.001 to 1000.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import fit_temperature
        >>> logits = torch.tensor([[4.0, 0.0]] * 4)  # certain, and right in 3 of 4
        >>> round(fit_temperature(logits, torch.tensor([0, 0, 0, 1])), 3)
        3.641
    """
    logits = logits.double()
    # A constant added to the scores of an image changes nothing but the rounding.
    logits = logits - logits.max(dim=1, keepdim=True).values
    own = logits.gather(1, labels[:, None])[:, 0].mean()

    def slope(log_t: float) -> float:
        probabilities = (logits / 10**log_t).softmax(dim=1)
        return float((probabilities * logits).sum(dim=1).mean() - own)

    low, high = (float(torch.tensor(t).double().log10()) for t in (LEAST, MOST))
    if slope(low) <= 0:
        return LEAST
    if slope(high) >= 0:
        return MOST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return 10 ** ((low + high) / 2)


def temperature_scaling(images: Outputs, layer: Optional[Layer] = None) -> Method:
    """Temperature scaling, which changes the probabilities and no prediction.

    Args:
        images (Outputs): The validation images, by which the temperature is chosen.
        layer (Layer, optional): The last layer, if it is linear. Defaults to None.

    Returns:
        Method: With one candidate.
    """
    temperature = fit_temperature(images.logits, images.labels)
    if layer is not None:
        layer = Layer(layer.weight / temperature, layer.bias / temperature)
    scaled = Candidate(
        f'{temperature:.4g}', lambda each: each.logits / temperature, layer, temperature
    )
    return Method('temperature', [scaled])
