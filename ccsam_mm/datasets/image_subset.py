# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init
from torch.utils.data import Dataset

from .dataset_wrapper import DatasetWrapper


class ImageSubset(DatasetWrapper):
    """Base of wrappers that show some images of a data set.

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
        self.dataset, self._inner_indices = _narrow(self.dataset, indices)

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
        """What there is to say about the initialised data set.

        Returns:
            list[str]: Lines without indentation.
        """
        lines = [f'Wrapped data set: \t{type(self.dataset).__name__}']
        counts = self.metainfo.get('class_counts')
        if counts:
            lines.append(f'Number of categories: \t{len(counts)}')
            lines.append(f'Training images per class: \t{max(counts)}..{min(counts)}')
        return lines


def _narrow(dataset: Dataset, indices: np.ndarray) -> tuple[Dataset, np.ndarray]:
    """Make a real subset where that can be, which the refetch of images stays in.

    Args:
        dataset (Dataset): The data set, which is not changed.
        indices (np.ndarray): The images to keep.

    Returns:
        tuple[Dataset, np.ndarray]: The data set or its subset, and where the images
        are in it.
    """
    if len(indices) < len(dataset):
        if isinstance(dataset, BaseDataset):
            # Not `get_subset`, whose memo outlives the call and mixes up data sets.
            dataset = copy.copy(dataset)
            dataset.get_subset_(indices.tolist())
            indices = np.arange(len(indices))
        elif isinstance(dataset, ImageSubset):
            part = copy.copy(dataset)
            part._ori_indices = dataset._ori_indices[indices]
            part._labels = dataset._labels[indices]
            part.dataset, part._inner_indices = _narrow(
                dataset.dataset, dataset._inner_indices[indices]
            )
            return part, np.arange(len(indices))
    return dataset, indices
