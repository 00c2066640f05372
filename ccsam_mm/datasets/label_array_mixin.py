# Copyright (c) ccsam_mm contributors. All rights reserved.
from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from .known_labels import KnownLabels


class LabelArrayMixin(KnownLabels):
    """Keeps the labels of a data set in one array.

    Labels are known without loading items, and an unreadable training image is
    replaced by one of the same class. A subclass sets ``_labels`` in
    :meth:`load_data_list`.
    """

    def full_init(self) -> None:
        """Load the list, and keep the labels that ``indices`` select."""
        if self._fully_initialized:
            return
        super().full_init()
        if self._indices is not None:
            self._labels = _take(self._labels, self._indices)

    def get_subset_(self, indices: Union[Sequence[int], int]) -> None:
        """Reduce the data set to some of its images.

        Args:
            indices (int | Sequence[int]): The number of the first (negative: last)
                images, or the indices of those to keep.
        """
        super().get_subset_(indices)
        self._labels = _take(self._labels, indices)

    def get_subset(self, indices: Union[Sequence[int], int]) -> 'LabelArrayMixin':
        """Copy some of the images to another data set.

        Args:
            indices (int | Sequence[int]): The number of the first (negative: last)
                images, or the indices of those to copy.

        Returns:
            LabelArrayMixin: The smaller data set.
        """
        subset = super().get_subset(indices)
        subset._labels = _take(self._labels, indices)
        return subset

    def prepare_data(self, idx: int) -> Any:
        """Get an item, or in training one of the same class if it is unreadable.

        If the second image is unreadable as well, MMEngine takes any other one.

        Args:
            idx (int): Index of the image.

        Returns:
            Any: The output of the pipeline.
        """
        data = super().prepare_data(idx)
        if data is None and not self.test_mode:
            same_class = np.flatnonzero(self._labels == self._labels[idx])
            # NumPy's generator of the worker, which MMEngine seeds and uses for this.
            data = super().prepare_data(int(np.random.choice(same_class)))
        return data


def _take(labels: np.ndarray, indices: Union[Sequence[int], int]) -> np.ndarray:
    """Select labels as MMEngine selects images."""
    if isinstance(indices, int):
        return labels[:indices] if indices >= 0 else labels[indices:]
    return labels[np.asarray(indices, dtype=np.int64)]
