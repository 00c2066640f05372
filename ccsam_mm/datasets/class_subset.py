# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
from collections.abc import Sequence
from typing import Union

import numpy as np
from mmengine.dataset import force_full_init
from mmpretrain.registry import DATASETS
from torch.utils.data import Dataset

from .class_counts import (
    class_names,
    describe_class,
    get_gt_labels,
    known_class_counts,
)
from .dataset_wrapper import build_dataset
from .image_subset import ImageSubset
from .labels_of_items import get_label, set_label


@DATASETS.register_module()
class ClassSubset(ImageSubset):
    """A wrapper that keeps the images of some classes and numbers these anew.

    The first of ``classes`` gets label 0, the next one label 1, and so on.
    ``metainfo['classes']`` and, where the wrapped data set has it,
    ``metainfo['class_counts']`` follow. So it makes the known classes of an open set,
    and from the other classes the unknown ones (:class:`OpenSet`). The images stay in
    the order of the wrapped data set.

    Args:
        dataset (Dataset | dict): The data set to wrap, or its config.
        classes (Sequence[str | int]): The classes to keep: their names or their
            labels.
        lazy_init (bool): Whether to put off the selection until the first use.
            Until then there are no ``classes`` and ``class_counts``. Defaults to
            False.

    Examples:
        >>> from ccsam_mm.datasets import ClassSubset, DigitsLT
        >>> train_set = ClassSubset(DigitsLT(split='train'), classes=['9', '0', '4'])
        >>> train_set.CLASSES, train_set.metainfo['class_counts'], len(train_set)
        (('9', '0', '4'), [2, 124, 21], 147)
        >>> [int((train_set.get_gt_labels() == c).sum()) for c in range(3)]
        [2, 124, 21]
    """

    def __init__(
        self,
        dataset: Union[Dataset, dict],
        classes: Sequence[Union[str, int]],
        lazy_init: bool = False,
    ) -> None:
        self.dataset = build_dataset(dataset, 'ClassSubset', '`dataset`')
        self.classes = tuple(classes)
        # ClassCountsHook adds its counts here if the wrapped data set has none.
        self._metainfo: dict = {}
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """dict: The wrapped data set's meta information, of the kept classes."""
        metainfo = copy.deepcopy(getattr(self.dataset, 'metainfo', {}))
        per_class = {
            key: metainfo.pop(key, None) for key in ('classes', 'class_counts')
        }
        if self._fully_initialized:
            # The names may be those of an inner data set; the counts must not be
            # those of a part.
            per_class['classes'] = self._all_names
            per_class['class_counts'] = known_class_counts(self.dataset)
            for key, values in per_class.items():
                if values is not None:
                    metainfo[key] = [values[c] for c in self._new_label]
            if 'classes' in metainfo:
                metainfo['classes'] = tuple(metainfo['classes'])
        return {**metainfo, **copy.deepcopy(self._metainfo)}

    def full_init(self) -> None:
        """Load the annotations and select the images."""
        if self._fully_initialized:
            return

        labels = get_gt_labels(self.dataset)
        self._all_names = class_names(self.dataset)
        kept = self._find_classes(labels)
        self._new_label = {c: i for i, c in enumerate(kept)}
        indices = np.flatnonzero(np.isin(labels, kept))
        if len(indices) == 0:
            raise ValueError(
                f'{type(self.dataset).__name__} has no image of the classes '
                f'{list(self.classes)}: correct `classes` of ClassSubset.'
            )
        new_labels = np.array([self._new_label[c] for c in labels[indices].tolist()])
        self._keep(indices, new_labels)
        self._fully_initialized = True

    def _find_classes(self, labels: np.ndarray) -> list[int]:
        """Find the labels of ``classes`` in the wrapped data set."""
        names = self._all_names
        known = [] if names is None else list(names)
        num_classes = len(known) or int(labels.max(initial=-1)) + 1
        found = []
        for key in self.classes:
            label = known.index(key) if key in known else key
            if not isinstance(label, (int, np.integer)) or not 0 <= label < num_classes:
                named = f' or to names such as {known[0]!r}' if known else ''
                raise ValueError(
                    f'ClassSubset found no class {key!r} in '
                    f'{type(self.dataset).__name__}: set `classes` to labels in '
                    f'0..{num_classes - 1}{named}.'
                )
            found.append(int(label))
        if not found or len(set(found)) < len(found):
            raise ValueError(
                f'classes={list(self.classes)} of ClassSubset names '
                f'{"a class twice" if found else "no class"}: name each class to keep '
                'once.'
            )
        return found

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Get annotation by index.

        Args:
            idx (int): Index of this data set.

        Returns:
            dict: The idx-th annotation of the data set, with the new label.
        """
        return set_label(super().get_data_info(idx), int(self._labels[idx]))

    @force_full_init
    def __getitem__(self, idx: int) -> dict:
        item = super().__getitem__(idx)
        # Not the label of the index: the image may replace an unreadable one.
        label = get_label(item)
        if label not in self._new_label:
            raise RuntimeError(
                f'{type(self.dataset).__name__} replaced an unreadable image by one of '
                f'class {describe_class(label, self._all_names)}, which ClassSubset '
                'leaves out: replace the unreadable image, or put ClassSubset around '
                f'the data set inside {type(self.dataset).__name__}.'
            )
        return set_label(item, self._new_label[label])
