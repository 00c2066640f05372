# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from .class_counts import TrainingCountsMixin
from .imbalance import long_tailed_counts, select_long_tailed

TEST_IMAGES_PER_CLASS = 50


@DATASETS.register_module()
class DigitsLT(TrainingCountsMixin, BaseDataset):
    """Long-tailed handwritten digits that come with scikit-learn.

    1,797 real 8x8 images of the "Optical Recognition of Handwritten Digits" data
    set (E. Alpaydin and C. Kaynak, 1998, https://doi.org/10.24432/C50P49); no
    download. The last 50 images of each class in file order are the balanced test
    split. Of the others, the training split keeps a long tail: 124 images (what
    the smallest class has left) of digit 0, ``124 / imbalance_ratio`` of digit 9. What
    it leaves out is the validation split, on which settings may be chosen.

    Grey values are scaled to 0..255 and repeated on three channels, so that
    ordinary pipelines work. ``metainfo['class_counts']`` holds the counts of the
    training split in all splits.

    Args:
        split (str): The split, 'train', 'val' or 'test'. Defaults to 'train'.
        imbalance_ratio (float): The largest class count over the smallest one.
            Defaults to 50.
        imbalance_type (str): The profile of the class counts, 'exp' or 'step'.
            Defaults to 'exp'.
        seed (int): The seed of the selection. Defaults to 0.
        **kwargs: Other keyword arguments of
            :class:`mmpretrain.datasets.BaseDataset`.

    Examples:
        >>> from ccsam_mm.datasets import DigitsLT
        >>> train_set, test_set = DigitsLT(split='train'), DigitsLT(split='test')
        >>> len(train_set), len(test_set)
        (342, 500)
        >>> test_set.metainfo['class_counts']
        [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
        >>> train_set[0]['img'].shape
        (8, 8, 3)
    """

    METAINFO = {'classes': tuple('0123456789')}

    def __init__(
        self,
        split: str = 'train',
        imbalance_ratio: float = 50,
        imbalance_type: str = 'exp',
        seed: int = 0,
        **kwargs,
    ) -> None:
        if split not in ('train', 'val', 'test'):
            raise ValueError(
                f"DigitsLT has no split '{split}': set `split` to 'train', 'val' or "
                "'test'."
            )
        self.split = split
        self.imbalance_ratio = imbalance_ratio
        self.imbalance_type = imbalance_type
        self.seed = seed
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images and labels, and the class counts of the training split."""
        images, labels = _load_digits()
        per_class = [np.flatnonzero(labels == c) for c in range(10)]
        test = np.sort(np.concatenate([i[-TEST_IMAGES_PER_CLASS:] for i in per_class]))
        pool = np.setdiff1d(np.arange(len(labels)), test)

        smallest = int(np.bincount(labels[pool]).min())
        counts = long_tailed_counts(
            10, smallest, self.imbalance_ratio, self.imbalance_type, self.CLASSES
        )
        train = pool[select_long_tailed(labels[pool], counts, self.seed)]
        self._metainfo['class_counts'] = counts
        splits = {'train': train, 'val': np.setdiff1d(pool, train), 'test': test}
        return [
            {'img': images[i], 'gt_label': int(labels[i])} for i in splits[self.split]
        ]


def _load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Load images ``(N, 8, 8, 3)`` of 0..255 and labels ``(N, )``."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            'DigitsLT reads the digits that come with scikit-learn: run '
            '`pip install scikit-learn`.'
        ) from error
    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), digits.target
