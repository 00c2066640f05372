# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the class of each image of a batch."""

from typing import List

import torch
from torch import Tensor


def class_labels(data_samples: List, check: bool = False) -> Tensor:
    """Class of each image, the one with the largest weight for soft labels.

    Args:
        data_samples (List[DataSample]): Annotations with ``gt_score`` (which a loss
            prefers, see :class:`mmpretrain.models.ClsHead`) or ``gt_label``.
        check (bool): Whether to search for several labels in ``gt_score``, which may
            wait for the device. Defaults to False.

    Returns:
        Tensor: ``(B, )`` of integers.
    """
    if 'gt_score' in data_samples[0]:
        scores = torch.stack([sample.gt_score for sample in data_samples])
        # Soft labels share one image; several labels are a whole one each.
        if check and (scores.sum(dim=1) > 1.5).any():
            raise ValueError(_ONE_LABEL.format('several labels in gt_score'))
        return scores.argmax(dim=1)
    labels = [getattr(sample, 'gt_label', None) for sample in data_samples]
    for label in labels:
        if label is None or label.numel() != 1:
            found = 'no gt_label' if label is None else f'{label.numel()} labels'
            raise ValueError(_ONE_LABEL.format(found))
    return torch.cat(labels)


_ONE_LABEL = (
    'An image has {}, and methods that treat classes differently need one class for '
    "each: use data of one label per image, or optim_wrapper.type='OptimWrapper' "
    "or 'SAMOptimWrapper'."
)
