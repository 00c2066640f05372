# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Counts the images of each class of a data set."""

from collections.abc import Sequence
from typing import Optional

import numpy as np
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmpretrain.datasets import KFoldDataset
from torch.utils.data import ConcatDataset, Dataset, Subset

from .labels import get_gt_labels
from .names import class_names, describe_class


def count_classes(dataset: Dataset) -> list[int]:
    """Count the images of each class of a data set.

    An image that ``RepeatDataset`` or ``ClassBalancedDataset`` returns several
    times counts once: the radius of a class depends on how many different
    images were collected. The number of classes is that of
    ``metainfo['classes']``, or the largest label plus one where no class names
    are known.

    Args:
        dataset (Dataset): A single-label classification data set.

    Returns:
        list[int]: The number of images of each class, all positive.

    Examples:
        >>> from ccsam_mm.datasets import DigitsLT, count_classes
        >>> count_classes(DigitsLT(split='train'))
        [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
    """
    return count_labels(
        _labels_of_different_images(dataset),
        class_names(dataset),
        name=type(dataset).__name__,
    )


def known_class_counts(dataset: Dataset) -> Optional[list[int]]:
    """Find the training counts that a data set carries.

    The counts of joined or divided data sets are not those of the whole.

    Args:
        dataset (Dataset): The data set.

    Returns:
        list[int] | None: ``metainfo['class_counts']``, or None if it has to be counted.
    """
    if isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        return known_class_counts(dataset.dataset)
    if isinstance(dataset, (ConcatDataset, KFoldDataset, Subset)):
        return None
    counts = getattr(dataset, 'metainfo', {}).get('class_counts')
    return None if counts is None else [int(count) for count in counts]


def count_labels(
    labels: np.ndarray,
    classes: Optional[Sequence[str]] = None,
    name: str = 'The data set',
) -> list[int]:
    """Count labels, and refuse those that no classifier could be trained on.

    Args:
        labels (np.ndarray): The labels, with shape ``(N, )``.
        classes (Sequence[str], optional): The names of all classes. Defaults
            to None, which takes the largest label for the last class.
        name (str): What the labels belong to, for error messages. Defaults to
            'The data set'.

    Returns:
        list[int]: The number of labels of each class, all positive.
    """
    if len(labels) == 0:
        raise ValueError(
            f'{name} holds no image: check its `data_root`, `data_prefix` and '
            '`ann_file` in the config.'
        )
    num_classes = int(labels.max()) + 1 if classes is None else len(classes)
    outside = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(outside):
        raise ValueError(
            f'{name} gives its image {outside[0]} the label {labels[outside[0]]}, '
            f'but labels must be in 0..{num_classes - 1}: correct the annotation, or '
            'name all classes in `classes=[...]` of the data set.'
        )
    counts = np.bincount(labels, minlength=num_classes)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        raise ValueError(
            f'{name} has no image of class {describe_class(empty[0], classes)} '
            f'({len(empty)} of {num_classes} classes are empty): add images, or '
            'remove the class (its folder, or its name in `classes=[...]` and its '
            'number among the labels).'
        )
    return counts.tolist()


def _labels_of_different_images(dataset: Dataset) -> np.ndarray:
    """Like :func:`get_gt_labels`, but with every repeated image once."""
    if isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        return _labels_of_different_images(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        parts = [_labels_of_different_images(part) for part in dataset.datasets]
        return np.concatenate(parts)
    return get_gt_labels(dataset)
