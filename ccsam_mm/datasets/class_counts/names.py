# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The names of the classes of a data set."""

from collections.abc import Sequence
from typing import Optional

from torch.utils.data import Dataset


def class_names(dataset: Dataset) -> Optional[list[str]]:
    """Find ``metainfo['classes']`` of a data set or of what it wraps.

    Args:
        dataset (Dataset): The data set.

    Returns:
        list[str] | None: The names, or None if there are none.
    """
    classes = getattr(dataset, 'metainfo', {}).get('classes')
    if classes is not None:
        return list(classes)
    if hasattr(dataset, 'datasets'):
        return class_names(dataset.datasets[0])
    return class_names(dataset.dataset) if hasattr(dataset, 'dataset') else None


def describe_class(index: int, classes: Optional[Sequence[str]] = None) -> str:
    """Write a class as people recognise it, for example ``9 ('truck')``.

    Args:
        index (int): The index of the class.
        classes (Sequence[str], optional): The names of all classes. Defaults
            to None.

    Returns:
        str: The index, and the name where it is known.
    """
    return f'{index}' if classes is None else f"{index} ('{classes[index]}')"
