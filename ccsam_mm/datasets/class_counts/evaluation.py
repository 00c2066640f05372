# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The class counts by which an evaluation groups the classes."""

from collections.abc import Sequence
from typing import Optional

from mmengine.logging import MessageHub


def evaluated_class_counts(
    class_counts: Optional[Sequence[int]], dataset_meta: Optional[dict]
) -> Optional[list[int]]:
    """Take the given counts, or else those of the evaluated or the training data.

    Args:
        class_counts (Sequence[int], optional): Those of a metric's argument.
        dataset_meta (dict, optional): The meta information of the evaluated data set.

    Returns:
        list[int], optional: Training images of each class; None if unknown.

    Examples:
        >>> from ccsam_mm.datasets.class_counts import evaluated_class_counts
        >>> evaluated_class_counts(None, dict(class_counts=[100, 10]))
        [100, 10]
    """
    if class_counts is None:
        class_counts = (dataset_meta or {}).get('class_counts')
    return recorded_training_counts() if class_counts is None else list(class_counts)


def recorded_training_counts() -> Optional[list[int]]:
    """Find the training counts that MMEngine's RuntimeInfoHook keeps."""
    meta = MessageHub.get_current_instance().get_info('dataset_meta') or {}
    counts = meta.get('class_counts')
    return None if counts is None else list(counts)
