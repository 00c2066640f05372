# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The class counts that training modules use."""

from typing import Optional, Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor


def training_class_counts(
    user: str, key: str, counts: Optional[Sequence[int]], num_classes: Optional[int]
) -> Tensor:
    """Check the given class counts, or find those of the training data set.

    Args:
        user (str): Name of the class that needs them, for messages.
        key (str): The config key that sets them by hand, for messages.
        counts (Sequence[int], optional): Those of the config key; None stands
            for the ``class_counts`` in the training data set's ``metainfo``, which
            MMEngine keeps in its message hub.
        num_classes (int, optional): Number of the head's classes; None where it is
            unknown.

    Returns:
        Tensor: Training images per class, ``(K, )``, on the CPU.

    Examples:
        >>> from ccsam_mm.datasets import training_class_counts
        >>> training_class_counts(
        ...     'CCSAMOptimWrapper', 'optim_wrapper.class_counts', [100, 10], 2)
        tensor([100,  10])
    """
    if counts is None:
        meta = MessageHub.get_current_instance().runtime_info
        counts = (meta.get('dataset_meta') or {}).get('class_counts')
    if counts is None:
        raise RuntimeError(
            f'{user} does not know how many training images each class has: '
            "add default_hooks.class_counts=dict(type='ClassCountsHook'), which "
            f'counts them, or set {key} to the list.'
        )
    counts = [int(count) for count in counts]
    if num_classes is not None and len(counts) != num_classes:
        raise ValueError(
            f'class_counts has {len(counts)} entries, but the head has {num_classes} '
            f'classes: set model.head.num_classes (or {key}) so '
            'that they agree.'
        )
    if min(counts) < 1:
        raise ValueError(
            f'class_counts[{counts.index(min(counts))}] is {min(counts)}, but each '
            'class needs at least one training image: correct '
            f'{key} or the training data set.'
        )
    return torch.tensor(counts)
