# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
from collections.abc import Sequence
from typing import Union

import numpy as np
from mmengine.dataset import force_full_init
from mmpretrain.registry import DATASETS
from torch.utils.data import Dataset

from .class_counts import class_names, get_gt_labels
from .dataset_wrapper import DatasetWrapper, build_dataset
from .labels_of_items import set_label
from .subsets import take_subset

UNKNOWN = -1


@DATASETS.register_module()
class OpenSet(DatasetWrapper):
    """Images of known classes, followed by images of unknown ones with label -1.

    ``OpenSetMetric`` is evaluated on it. The labels of the unknown images become -1,
    whatever they are, and also where there are none. Meta information, with ``classes``
    and ``class_counts``, is that of the known data set. Each data set keeps its own
    pipeline; all of them have to end in images of one size and number of channels.

    A threshold must not be chosen on test images. Where there is one set of unknown
    images only, two wrappers with ``part='val'`` and ``part='test'`` share it without a
    common image, and ``known`` is the validation and the test split. ``part='all'``
    is the protocol of the literature, for a threshold that is given.

    Args:
        known (Dataset | dict): The data set of the known classes, or its config.
        unknown (Dataset | dict | Sequence[Dataset | dict]): One or more data sets of
            unknown classes, or their configs.
        part (str): Which of the unknown images to take: 'all', 'val' or 'test'.
            Defaults to 'all'.
        val_ratio (float): The share of each unknown data set that is ``part='val'``;
            the others are ``part='test'``. Defaults to 0.2.
        seed (int): The seed of that division. Defaults to 0.
        lazy_init (bool): Whether to put off loading until the first use. Defaults to
            False.

    Examples:
        >>> from ccsam_mm.datasets import ClassSubset, DigitsLT, OpenSet
        >>> digits = DigitsLT(split='test')
        >>> test_set = OpenSet(
        ...     known=ClassSubset(digits, classes=list('01234567')),
        ...     unknown=ClassSubset(digits, classes=list('89')),
        ...     part='test')
        >>> len(test_set), test_set[479]['gt_label'], test_set.metainfo['class_counts']
        (480, -1, [124, 80, 51, 33, 21, 14, 9, 5])
    """

    def __init__(
        self,
        known: Union[Dataset, dict],
        unknown: Union[Dataset, dict, Sequence[Union[Dataset, dict]]],
        part: str = 'all',
        val_ratio: float = 0.2,
        seed: int = 0,
        lazy_init: bool = False,
    ) -> None:
        if part not in ('all', 'val', 'test'):
            raise ValueError(
                f"OpenSet has no part '{part}': set `part` to 'all', 'val' or 'test'."
            )
        if not 0 < val_ratio < 1:
            raise ValueError(
                f'val_ratio={val_ratio} is the share of unknown images for choosing a '
                'threshold: set `val_ratio` of OpenSet to a number between 0 and 1.'
            )
        unknown = list(unknown) if isinstance(unknown, (list, tuple)) else [unknown]
        if not unknown:
            raise ValueError(
                'OpenSet has no data set of unknown classes: name one in `unknown`, '
                'or use the data set in `known` alone.'
            )
        self.datasets = [build_dataset(known, 'OpenSet', '`known`')]
        self.datasets += [build_dataset(d, 'OpenSet', '`unknown`') for d in unknown]
        self.part = part
        self.val_ratio = val_ratio
        self.seed = seed
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """dict: The meta information of the known data set."""
        return copy.deepcopy(getattr(self.datasets[0], 'metainfo', {}))

    def full_init(self) -> None:
        """Load the annotations and divide the unknown images."""
        if self._fully_initialized:
            return

        known_labels = get_gt_labels(self.datasets[0])
        if len(known_labels) and known_labels.min() < 0:
            raise ValueError(
                f'{type(self.datasets[0]).__name__} in `known` of OpenSet has images '
                f'with the label {known_labels.min()}: put those of unknown classes '
                'into `unknown`.'
            )
        rng = np.random.RandomState(self.seed)
        chosen = [np.arange(len(known_labels))]
        inner = chosen[:]
        for i, dataset in enumerate(self.datasets[1:], start=1):
            self._check_unknown(dataset)
            chosen.append(self._choose(len(dataset), rng))
            # A replacement must not be an image of the other part.
            self.datasets[i], where = take_subset(dataset, chosen[-1])
            inner.append(where)
        sizes = [len(indices) for indices in chosen]
        self._dataset_of = np.repeat(np.arange(len(sizes)), sizes)
        self._index_in = np.concatenate(chosen)
        self._inner_index = np.concatenate(inner)
        self._labels = np.full(sum(sizes), UNKNOWN)
        self._labels[: len(known_labels)] = known_labels
        self._fully_initialized = True

    def _check_unknown(self, dataset: Dataset) -> None:
        """Refuse images of a known class among the unknown ones."""
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        names, known_names = class_names(dataset), class_names(self.datasets[0])
        if names is None or known_names is None:
            return
        try:
            labels = np.unique(get_gt_labels(dataset))
        except TypeError:  # images without labels
            return
        # Lists of open sets have the label -1, and the names of the known classes.
        there = [names[c] for c in labels if 0 <= c < len(names)]
        common = [name for name in there if name in known_names]
        if common:
            raise ValueError(
                f'{type(dataset).__name__} in `unknown` of OpenSet has images of '
                f"'{common[0]}', which is a known class: leave it out with "
                '`ClassSubset`, or, if it is another one, name it differently (its '
                'folder, or `classes=[...]` of the data set).'
            )

    def _choose(self, number: int, rng: np.random.RandomState) -> np.ndarray:
        """Choose this part's images of an unknown data set, in their order."""
        if self.part == 'all':
            return np.arange(number)
        shuffled = rng.permutation(number)
        num_val = round(number * self.val_ratio)
        return np.sort(shuffled[:num_val] if self.part == 'val' else shuffled[num_val:])

    @force_full_init
    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        """Convert an index to that of a data set and that in it.

        Args:
            idx (int): Index of ``OpenSet``.

        Returns:
            tuple[int, int]: 0 for the known data set or the number of the unknown
            one, and the index of the image in it.
        """
        return int(self._dataset_of[idx]), int(self._index_in[idx])

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Get annotation by index.

        Args:
            idx (int): Index of ``OpenSet``.

        Returns:
            dict: The idx-th annotation, with the label -1 for an unknown class.
        """
        dataset, index = self._find(idx)
        info = self.datasets[dataset].get_data_info(index)
        return info if dataset == 0 else {**info, 'gt_label': UNKNOWN}

    def _find(self, idx: int) -> tuple[int, int]:
        """Number of the data set, and the index in its remaining images."""
        return int(self._dataset_of[idx]), int(self._inner_index[idx])

    @force_full_init
    def __getitem__(self, idx: int) -> dict:
        dataset, index = self._find(idx)
        item = self.datasets[dataset][index]
        return item if dataset == 0 else set_label(item, UNKNOWN)

    def extra_repr(self) -> list[str]:
        """Describe the initialised data set.

        Returns:
            list[str]: Lines without indentation.
        """
        known = int((self._labels != UNKNOWN).sum())
        names = ', '.join(type(dataset).__name__ for dataset in self.datasets[1:])
        return [
            f'Known: \t{known} of {type(self.datasets[0]).__name__}',
            f'Unknown: \t{len(self) - known} of {names}, part {self.part!r}',
        ]
