# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
from collections.abc import Sequence
from typing import Union

import numpy as np
from mmengine.dataset import force_full_init
from torch.utils.data import Dataset

from .dataset_wrapper import DatasetWrapper
from .subsets import take_subset


class ImageSubset(DatasetWrapper):
    """Base of wrappers that keep some images of a data set.

    Subclasses build ``dataset`` in their constructor, and call :meth:`_keep` in
    :meth:`full_init`.
    """

    dataset: Dataset

    def _keep(self, indices: np.ndarray, labels: np.ndarray) -> None:
        """Reduce the wrapped data set to some of its images.

        Args:
            indices (np.ndarray): The images to keep, with shape ``(N, )``.
            labels (np.ndarray): Their labels, with shape ``(N, )``.
        """
        self._ori_indices = indices
        self._labels = labels
        self.dataset, self._inner_indices = take_subset(self.dataset, indices)

    @force_full_init
    def get_subset_(self, indices: Union[Sequence[int], int]) -> None:
        """Reduce the data set to some of its images; ``class_counts`` stay.

        Args:
            indices (int | Sequence[int]): The number of the first (negative: last)
                images, or the indices of those to keep.
        """
        if isinstance(indices, int):
            every = range(len(self))
            indices = every[:indices] if indices >= 0 else every[indices:]
        indices = np.asarray(indices, dtype=np.int64)
        self._ori_indices = self._ori_indices[indices]
        self._labels = self._labels[indices]
        self.dataset, self._inner_indices = take_subset(
            self.dataset, self._inner_indices[indices]
        )

    @force_full_init
    def get_subset(self, indices: Union[Sequence[int], int]) -> 'ImageSubset':
        """Make another data set of some of the images, as ``KFoldDataset`` does.

        Args:
            indices (int | Sequence[int]): Those of :meth:`get_subset_`.

        Returns:
            ImageSubset: The smaller data set.
        """
        part = copy.copy(self)
        part.get_subset_(indices)
        return part

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> int:
        """Convert an index to that in the wrapped data set as it was given.

        Args:
            idx (int): Index of this data set.

        Returns:
            int: Index of the same image in the whole data set.
        """
        return int(self._ori_indices[idx])

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Get annotation by index.

        Args:
            idx (int): Index of this data set.

        Returns:
            dict: The idx-th annotation of the data set.
        """
        return self.dataset.get_data_info(int(self._inner_indices[idx]))

    @force_full_init
    def __getitem__(self, idx: int) -> dict:
        return self.dataset[int(self._inner_indices[idx])]

    def extra_repr(self) -> list[str]:
        """Describe the initialised data set.

        Returns:
            list[str]: Lines without indentation.
        """
        lines = [f'Wrapped data set: \t{type(self.dataset).__name__}']
        counts = self.metainfo.get('class_counts')
        if counts:
            lines.append(f'Number of categories: \t{len(counts)}')
            lines.append(f'Training images per class: \t{max(counts)}..{min(counts)}')
        return lines
