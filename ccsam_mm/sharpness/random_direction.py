# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Random unit directions, the paper's "Stage 1 + mag" ablation (Table 2)."""

import torch
from torch import Tensor


def random_linear_products(
    features: Tensor, labels: Tensor, out_features: int, bias: bool = True
) -> Tensor:
    """Outputs of a linear layer whose weights are a random unit vector per class.

    Args:
        features (Tensor): ``(B, d)``; gradients flow into them.
        labels (Tensor): Class of each row, ``(B, )``.
        out_features (int): ``K``.
        bias (bool): Whether the layer has a bias. Defaults to True.

    Returns:
        Tensor: ``(B, K)``, row i is ``u_c (z_i, 1)`` with ``u_c`` the ``K x (d + 1)``
        Gaussian matrix of image i's class, scaled to Frobenius norm 1.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import random_linear_products
        >>> random_linear_products(torch.ones(2, 3), torch.tensor([1, 1]), 4).shape
        torch.Size([2, 4])
    """
    if bias:
        features = torch.cat([features, features.new_ones(len(features), 1)], dim=1)
    products = features.new_zeros(len(features), out_features)
    for label in labels.unique():
        rows = (labels == label).nonzero().squeeze(1)
        direction = torch.randn_like(features[:1].expand(out_features, -1))
        direction = direction / direction.norm()
        products = products.index_copy(0, rows, features[rows] @ direction.T)
    return products
