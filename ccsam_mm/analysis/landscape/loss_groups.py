# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Means of the images' losses: over all images, all classes and each shot group."""

from typing import Dict, Sequence

import numpy as np
import torch
from torch import Tensor

from ccsam_mm.evaluation import shot_groups


def loss_groups(
    labels: Tensor,
    class_counts: Sequence[int],
    available: Sequence[int],
    shot_rule: str = 'strict',
) -> Dict[str, Tensor]:
    """Weigh images so that the sum of their losses is the mean over a group.

    The loss of a shot group is the mean of the losses of its classes, as the accuracy
    of ``ShotAccuracy`` is. Classes without an image are left out.

    Args:
        labels (Tensor): Classes of the evaluated images, ``(N, )``.
        class_counts (Sequence[int]): Training images of each class, ``(K, )``.
        available (Sequence[int]): Images of each class in the whole data set, ``(K, )``.
            Where some of them were left out, the others count for them in ``all``.
        shot_rule (str): The bounds of the groups. Defaults to 'strict'.

    Returns:
        dict[str, Tensor]: Weights ``(N, )`` in double precision for ``all`` (the mean
        over the images), ``class_mean``, and those of ``many``, ``medium`` and ``few``
        that have an image. Each sums to 1.

    Examples:
        >>> import torch
        >>> from ccsam_mm.analysis.landscape import loss_groups
        >>> groups = loss_groups(torch.tensor([0, 0, 0, 1]), [500, 4], [3, 1])
        >>> groups['all'], groups['class_mean'][-1], list(groups)[2:]
        (tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64), tensor(0.5000, dtype=torch.float64), ['many', 'few'])
    """  # noqa: E501
    own = torch.bincount(labels, minlength=len(class_counts))
    shares = torch.as_tensor(np.asarray(available), dtype=torch.float64)
    shares = shares * (own > 0)
    groups = dict(all=shares, class_mean=(own > 0).double())
    for name, members in shot_groups(class_counts, shot_rule).items():
        groups[name] = (own > 0) * torch.as_tensor(members).double()
    return {
        name: (share / share.sum() / own.clamp(min=1))[labels]
        for name, share in groups.items()
        if share.sum() > 0
    }
