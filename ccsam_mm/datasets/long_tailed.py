# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
from typing import Optional, Union

import numpy as np
from mmpretrain.registry import DATASETS
from torch.utils.data import Dataset

from .class_counts import (
    class_names,
    count_classes,
    count_labels,
    get_gt_labels,
    known_class_counts,
)
from .dataset_wrapper import build_dataset
from .image_subset import ImageSubset
from .imbalance import long_tailed_counts, select_held_out, select_long_tailed
from .subsets import find_unsplittable


@DATASETS.register_module()
class LongTailed(ImageSubset):
    """A wrapper that makes any classification data set long-tailed.

    It keeps a part of the images and stores in ``metainfo['class_counts']`` how
    many images the *training* split has of each class, which optimizer wrappers,
    losses and metrics read.

    With K classes and n_max images in the largest class, class c keeps
    ``int(n_max * imbalance_ratio^(-c / (K - 1)))`` images ('exp'), or the first half
    of the classes keeps n_max and the rest ``int(n_max / imbalance_ratio)`` ('step').
    A class that has fewer images than that keeps all of them; ``class_counts`` has
    the numbers that were kept. The images stay in the order of the wrapped data set.

    Settings must not be chosen on the test split. Where there is no validation split,
    ``held_out`` puts images aside for one: two wrappers that differ in ``part`` (and
    in the pipeline of what they wrap) are a long-tailed training set and a balanced
    validation set without a common image.

    MMEngine's ``ConcatDataset`` of two long-tailed sets needs
    ``ignore_keys=['class_counts']``, and its classes are then counted anew.

    Args:
        dataset (Dataset | dict): The data set to wrap, or its config.
        imbalance_ratio (float, optional): The largest class count over the
            smallest one. None keeps every image and only counts them, for data
            that is long-tailed by nature. Defaults to 100.
        imbalance_type (str): The profile of the class counts, 'exp' or 'step'.
            Defaults to 'exp'.
        seed (int): The seed of the selection. Defaults to 0.
        reference (Dataset | dict, optional): The training data set or its config,
            for a validation or test split: every image is kept, whatever the
            other arguments, and nothing but ``class_counts`` is taken from the
            reference. Defaults to None.
        lazy_init (bool): Whether to put off the selection until the first use.
            Until then there are no ``class_counts``. Defaults to False.
        max_per_class (int, optional): The number n_max of the formula, to cut a
            smaller set. Defaults to None, which takes the largest class of the
            wrapped data set.
        held_out (int): The number of images of every class that are kept out of
            training, which must leave all that the formula asks for. Defaults to 0.
        part (str): 'train' for the long-tailed part, 'held_out' for the images that
            ``held_out`` puts aside, with the ``class_counts`` of the training part.
            Defaults to 'train'.

    Examples:
        >>> from ccsam_mm.datasets import DigitsLT, LongTailed
        >>> digits = DigitsLT(split='train', imbalance_ratio=1)
        >>> train_set = LongTailed(digits, imbalance_ratio=10)
        >>> len(digits), len(train_set)
        (1240, 503)
        >>> train_set.metainfo['class_counts']
        [124, 96, 74, 57, 44, 34, 26, 20, 16, 12]
        >>> config = dict(dataset=digits, max_per_class=100, held_out=20)
        >>> train_set = LongTailed(**config)
        >>> val_set = LongTailed(**config, part='held_out')
        >>> len(train_set), len(val_set), val_set.metainfo['class_counts'][0]
        (242, 200, 100)
        >>> test_set = LongTailed(DigitsLT(split='test'), reference=train_set)
        >>> len(test_set), test_set.metainfo['class_counts'][0]
        (500, 100)
    """

    def __init__(
        self,
        dataset: Union[Dataset, dict],
        imbalance_ratio: Optional[float] = 100,
        imbalance_type: str = 'exp',
        seed: int = 0,
        reference: Union[Dataset, dict, None] = None,
        lazy_init: bool = False,
        max_per_class: Optional[int] = None,
        held_out: int = 0,
        part: str = 'train',
    ) -> None:
        self.dataset = build_dataset(dataset, 'LongTailed', '`dataset`')
        self.imbalance_ratio = imbalance_ratio
        self.imbalance_type = imbalance_type
        self.seed = seed
        self.reference = reference
        self.max_per_class = max_per_class
        self.held_out = held_out
        self.part = part
        self._check_options()

        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """dict: The wrapped data set's meta information and ``class_counts``."""
        metainfo = copy.deepcopy(getattr(self.dataset, 'metainfo', {}))
        if self._fully_initialized:
            metainfo['class_counts'] = list(self._class_counts)
        return metainfo

    def full_init(self) -> None:
        """Load the annotations, select the images and count the classes."""
        if self._fully_initialized:
            return

        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()
        labels = get_gt_labels(self.dataset)
        indices = np.arange(len(labels))
        classes = class_names(self.dataset)
        name = type(self.dataset).__name__
        if self.reference is not None:
            self._class_counts = self._counts_of_reference(labels, classes)
        else:
            available = count_labels(labels, classes, name)
            indices, self._class_counts = self._select(labels, available, classes)
        self._keep(indices, labels[indices])
        self._fully_initialized = True

    def _check_options(self) -> None:
        """Refuse options that fit no data set."""
        if self.part not in ('train', 'held_out'):
            raise ValueError(
                f"LongTailed has no part '{self.part}': set `part` to 'train' or "
                "'held_out'."
            )
        number = self.max_per_class
        if number is not None and (not isinstance(number, int) or number < 1):
            raise ValueError(
                f'max_per_class={number!r} is the number of training images of the '
                'largest class: set `max_per_class` to an integer of at least 1.'
            )
        if number is not None and self.imbalance_ratio is None:
            raise ValueError(
                f'max_per_class={number} has no meaning with imbalance_ratio=None, '
                'which keeps every image: set `imbalance_ratio` to a number, or leave '
                'out `max_per_class`.'
            )
        if not isinstance(self.held_out, int) or self.held_out < 0:
            raise ValueError(
                f'held_out={self.held_out!r} is the number of images of every class '
                'to keep out of training: set `held_out` to an integer of at least 0.'
            )
        if self.part == 'held_out' and self.held_out == 0:
            raise ValueError(
                "LongTailed(part='held_out') has no image to give: set `held_out` to "
                'the number of images of every class, in both parts.'
            )

    def _select(
        self, labels: np.ndarray, available: list[int], classes: Optional[list]
    ) -> tuple[np.ndarray, list[int]]:
        """Choose the images of this part, and count those of the training part."""
        if self.imbalance_ratio is None:
            wanted = [max(count - self.held_out, 1) for count in available]
        else:
            largest = max(available)
            max_count = largest if self.max_per_class is None else self.max_per_class
            if max_count > largest:
                raise ValueError(
                    f'max_per_class={max_count} is more than the {largest} images of '
                    f'the largest class of {type(self.dataset).__name__}: set '
                    f'`max_per_class` to {largest} or less.'
                )
            wanted = long_tailed_counts(
                len(available),
                max_count,
                self.imbalance_ratio,
                self.imbalance_type,
                classes,
            )
        indices = select_long_tailed(labels, wanted, self.seed)
        counts = np.bincount(labels[indices]).tolist()
        if self.held_out:
            self._refuse_shared_images()
            held_out = select_held_out(
                labels, wanted, self.held_out, self.seed, classes
            )
            indices = held_out if self.part == 'held_out' else indices
        return indices, counts

    def _refuse_shared_images(self) -> None:
        """Refuse to divide a data set that would return an image in both parts."""
        shared = find_unsplittable(self.dataset)
        if shared is not None:
            name = type(shared).__name__
            raise ValueError(
                f'held_out={self.held_out} of LongTailed cannot divide {name}, which '
                f'would return images of one part in the other as well: put {name} '
                'around LongTailed, or leave out `held_out`.'
            )

    def _counts_of_reference(
        self, labels: np.ndarray, classes: Optional[list]
    ) -> list[int]:
        """Take the class counts from the training split."""
        reference = build_dataset(self.reference, 'LongTailed', '`reference`')
        self.reference = None  # its images are not needed any more
        if hasattr(reference, 'full_init'):
            reference.full_init()
        name = type(self.dataset).__name__
        reference_classes = class_names(reference)
        if None not in (classes, reference_classes) and classes != reference_classes:
            raise ValueError(
                f'{name} has the classes {_short(classes)}, but its `reference` has '
                f'{_short(reference_classes)}: give both the same class folders (an '
                'empty one for a class without images) or the same `classes=[...]`, '
                'or the labels mean different things.'
            )
        counts = known_class_counts(reference)
        counts = count_classes(reference) if counts is None else counts
        if len(labels) and labels.max() >= len(counts):
            raise ValueError(
                f'{name} has the label {labels.max()}, but its `reference` has '
                f'{len(counts)} classes: correct the annotation, or set `reference` to '
                'the training set of the same classes.'
            )
        return counts


def _short(classes: list) -> str:
    names = ', '.join(str(name) for name in classes[:5])
    return f'({names}{", ..." if len(classes) > 5 else ""}; {len(classes)} in all)'
