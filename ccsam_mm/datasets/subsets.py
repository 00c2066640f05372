# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Real subsets of data sets: replacements of unreadable images stay within them."""

import copy
from typing import Optional

import numpy as np
from mmengine.dataset import BaseDataset, ClassBalancedDataset, RepeatDataset
from mmpretrain.datasets import KFoldDataset
from torch.utils.data import ConcatDataset, Dataset, Subset

from .dataset_wrapper import DatasetWrapper


def take_subset(dataset: Dataset, indices: np.ndarray) -> tuple[Dataset, np.ndarray]:
    """Take a real subset of a data set, where it can be divided.

    Args:
        dataset (Dataset): The data set, which is not changed.
        indices (np.ndarray): The images to keep, in any order.

    Returns:
        tuple[Dataset, np.ndarray]: The data set or its subset, and where the images
        are in it.

    Examples:
        >>> import numpy as np
        >>> from mmengine.dataset import RepeatDataset
        >>> from ccsam_mm.datasets import DigitsLT
        >>> from ccsam_mm.datasets.subsets import take_subset
        >>> repeated = RepeatDataset(DigitsLT(split='test'), times=2)
        >>> part, where = take_subset(repeated, np.array([7, 3, 507]))
        >>> len(part), where
        (2, array([1, 0, 1]))
    """
    indices = np.asarray(indices, dtype=np.int64)
    if isinstance(dataset, RepeatDataset):
        return take_subset(dataset.dataset, indices % max(len(dataset.dataset), 1))
    if isinstance(dataset, ClassBalancedDataset):
        return take_subset(dataset.dataset, np.asarray(dataset.repeat_indices)[indices])
    kept, where = np.unique(indices, return_inverse=True)
    if len(kept) == len(dataset):
        return dataset, indices
    part = copy.copy(dataset)
    if _makes_subsets(dataset):
        # Not `get_subset`, whose memo outlives the call and mixes up data sets.
        part.get_subset_(kept.tolist())
    elif isinstance(dataset, KFoldDataset):
        part.dataset, where = take_subset(dataset.dataset, indices)
    elif isinstance(dataset, Subset):
        part.dataset, inner = take_subset(
            dataset.dataset, np.take(dataset.indices, kept)
        )
        part.indices = inner.tolist()
    elif isinstance(dataset, ConcatDataset):
        part.datasets, where = _take_parts(dataset, indices)
        part.cumulative_sizes = ConcatDataset.cumsum(part.datasets)
    else:
        return dataset, indices
    return part, where


def find_unsplittable(dataset: Dataset) -> Optional[Dataset]:
    """Find a wrapper that would return images of one part of a data set in the other.

    Args:
        dataset (Dataset): The data set, which may wrap others.

    Returns:
        Dataset | None: The data set or one that it wraps, which returns an image
        several times or takes replacements from outside of the subset.
    """
    if isinstance(dataset, BaseDataset):
        return None
    if isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        return dataset
    shown = getattr(dataset, '_inner_indices', ())
    if len(np.unique(shown)) < len(shown):
        return dataset
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    divides = isinstance(dataset, (ConcatDataset, KFoldDataset, Subset))
    if not (divides or _makes_subsets(dataset)):
        return dataset if any(isinstance(d, BaseDataset) for d in inner) else None
    found = map(find_unsplittable, inner)
    return next((d for d in found if d is not None), None)


def _makes_subsets(dataset: Dataset) -> bool:
    own = isinstance(dataset, DatasetWrapper) and hasattr(dataset, 'get_subset_')
    return own or isinstance(dataset, BaseDataset)


def _take_parts(
    dataset: ConcatDataset, indices: np.ndarray
) -> tuple[list[Dataset], np.ndarray]:
    """Take a subset of each of the joined data sets."""
    number = np.searchsorted(dataset.cumulative_sizes, indices, side='right')
    begins = np.array([0, *dataset.cumulative_sizes[:-1]])
    parts, where = [], np.empty_like(indices)
    begin = 0
    for i, old in enumerate(dataset.datasets):
        own = number == i
        part, inner = take_subset(old, indices[own] - begins[i])
        where[own] = begin + inner
        begin += len(part)
        parts.append(part)
    return parts, where
