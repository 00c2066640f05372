# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The label of every item of a data set, without loading an image."""

from typing import Any

import numpy as np
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from torch.utils.data import ConcatDataset, Dataset, Subset

from ..quoting import quote


def get_gt_labels(dataset: Dataset) -> np.ndarray:
    """Get the label of every item of a data set without loading an image.

    It looks through the wrappers of MMEngine and MMPretrain and through
    :class:`torch.utils.data.Subset`, nested in any order.

    Args:
        dataset (Dataset): A single-label classification data set.

    Returns:
        np.ndarray: The labels, with shape ``(N, )`` and type ``int64``.

    Examples:
        >>> from torch.utils.data import Subset
        >>> from ccsam_mm.datasets import DigitsLT, get_gt_labels
        >>> get_gt_labels(Subset(DigitsLT(split='test'), [0, 3, 499]))
        array([8, 2, 8])
    """
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if isinstance(dataset, ConcatDataset):
        return np.concatenate([get_gt_labels(part) for part in dataset.datasets])
    if isinstance(dataset, RepeatDataset):
        return np.tile(get_gt_labels(dataset.dataset), dataset.times)
    if isinstance(dataset, ClassBalancedDataset):
        return get_gt_labels(dataset.dataset)[np.asarray(dataset.repeat_indices)]
    if isinstance(dataset, Subset):
        return get_gt_labels(dataset.dataset)[np.asarray(dataset.indices)]
    # `num_batch_per_epoch` makes MMEngine's Runner shorten the data set.
    return _own_labels(dataset)[: len(dataset)]


def _own_labels(dataset: Dataset) -> np.ndarray:
    """Read the labels that a data set itself keeps."""
    name = type(dataset).__name__
    try:
        if hasattr(dataset, 'get_gt_labels'):
            labels = dataset.get_gt_labels()
        else:
            infos = (dataset.get_data_info(i) for i in range(len(dataset)))
            labels = [info['gt_label'] for info in infos]
        labels = np.asarray(labels)
    except (AttributeError, KeyError) as error:
        raise TypeError(
            f'{name} has no labels (no `gt_label` entries): class counts and '
            'class-balanced sampling need a labelled data set, so set '
            '`with_label=True` or another `type` in its config.'
        ) from error
    except ValueError as error:  # NumPy's error for lists of different lengths
        raise _multi_label_error(name) from error
    if labels.ndim != 1:
        if labels.size == 0:
            return np.zeros(0, dtype=np.int64)
        raise _multi_label_error(name)
    if len(labels) and not np.issubdtype(labels.dtype, np.integer):
        raise _label_type_error(name, labels[0], labels.dtype)
    return labels.astype(np.int64)


def _multi_label_error(name: str) -> TypeError:
    return TypeError(
        f'{name} does not give each image one integer `gt_label`: only single-label '
        'classification has class counts, so choose another `type` in its config.'
    )


def _label_type_error(name: str, label: Any, dtype: np.dtype) -> TypeError:
    """The error for single labels that are not integers."""
    kinds = {'U': 'texts', 'S': 'texts', 'f': 'floats', 'b': 'truth values'}
    kind = kinds.get(dtype.kind)
    if kind is None:
        return _multi_label_error(name)
    # NumPy turns all labels into texts if one is a text; the first is enough.
    return TypeError(
        f'{name} does not give each image one integer `gt_label`, but {kind} such as '
        f'{quote(label.item())}: convert them to integers, the positions of the '
        "classes in `metainfo['classes']`."
    )
