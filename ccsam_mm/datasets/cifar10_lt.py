# Copyright (c) ccsam_mm contributors. All rights reserved.
import pickle
from urllib.error import URLError

import numpy as np
from mmengine.fileio import exists, get, join_path
from mmpretrain.datasets import CIFAR10
from mmpretrain.datasets.utils import check_md5
from mmpretrain.registry import DATASETS

from ccsam_mm.utils.loading.unpickle_arrays import unpickle_arrays

from .class_counts import TrainingCountsMixin, count_labels
from .imbalance import long_tailed_counts, select_long_tailed


@DATASETS.register_module()
class CIFAR10LT(TrainingCountsMixin, CIFAR10):
    """Long-tailed `CIFAR10 <https://www.cs.toronto.edu/~kriz/cifar.html>`_.

    The training split is long-tailed, for seed 0 with the images of LDAM
    (https://arxiv.org/abs/1906.07413); the test split is the whole, balanced one.
    ``metainfo['class_counts']`` holds the counts of the training split in both. For a
    validation part, wrap ``imbalance_ratio=1`` in :class:`LongTailed`, which has
    ``held_out``.

    Args:
        data_root (str): The folder that holds ``cifar-10-batches-py``.
        split (str): The split, 'train' or 'test'. Defaults to 'train'.
        imbalance_ratio (float): The largest class count over the smallest one.
            Defaults to 100.
        imbalance_type (str): The profile of the class counts, 'exp' or 'step'.
            Defaults to 'exp'.
        seed (int): The seed of the selection. Defaults to 0.
        verify_md5 (bool): Whether only the original files are accepted. False
            accepts another copy in the same layout, of plain data and arrays alone
            and with checked shapes and labels, and never downloads. Defaults to True.
        **kwargs: Other keyword arguments of :class:`mmpretrain.datasets.CIFAR10`.

    Examples:
        >>> from ccsam_mm.datasets import CIFAR10LT
        >>> train_set = CIFAR10LT('data/cifar10', imbalance_ratio=50, lazy_init=True)
        >>> train_set.CLASSES[:3]
        ('airplane', 'automobile', 'bird')
    """

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        imbalance_ratio: float = 100,
        imbalance_type: str = 'exp',
        seed: int = 0,
        verify_md5: bool = True,
        **kwargs,
    ) -> None:
        self.imbalance_ratio = imbalance_ratio
        self.imbalance_type = imbalance_type
        self.seed = seed
        self.verify_md5 = verify_md5
        super().__init__(data_root=data_root, split=split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images and labels, and the class counts of the training split."""
        try:
            data_list = super().load_data_list()
        except (URLError, ConnectionError) as error:
            raise FileNotFoundError(
                f"{type(self).__name__} found no '{self.base_folder}' in data_root "
                f"'{self.data_prefix['root']}' and could not download {self.url} "
                f'({error}): unpack {self.filename} there, or set `data_root`.'
            ) from error

        labels = np.concatenate([self._read_batch(name) for name, _ in self.train_list])
        available = count_labels(labels, self.CLASSES, type(self).__name__)
        wanted = long_tailed_counts(
            len(available),
            max(available),
            self.imbalance_ratio,
            self.imbalance_type,
            self.CLASSES,
        )
        indices = select_long_tailed(labels, wanted, self.seed)
        self._metainfo['class_counts'] = np.bincount(labels[indices]).tolist()
        if self.split == 'train':
            return [data_list[i] for i in indices]
        return data_list

    def _check_integrity(self) -> bool:
        """Check the files; False asks MMPretrain to download all of them."""
        missing = []
        for name, md5 in self.train_list + self.test_list:
            path = join_path(self.data_prefix['root'], self.base_folder, name)
            if not exists(path):
                missing.append(path)
            elif not self.verify_md5:
                self._read_batch(name)
            elif not check_md5(path, md5):
                raise ValueError(
                    f"'{path}' differs from the original file (its md5 sum is not "
                    f'{md5}): unpack {self.filename} anew, or set `verify_md5=False` '
                    f'in {type(self).__name__} to use your own copy of the layout.'
                )
        if missing and not (self.verify_md5 and self.download):
            raise FileNotFoundError(
                f"{type(self).__name__} misses the file '{missing[0]}': unpack "
                f'{self.filename} in `data_root`, or set `data_root` to the folder '
                f"that holds '{self.base_folder}'."
            )
        return not missing

    def _read_batch(self, name: str) -> np.ndarray:
        """Read the labels of one file and check that they fit the images."""
        path = join_path(self.data_prefix['root'], self.base_folder, name)
        try:
            entry = unpickle_arrays(get(path))
            shape = np.shape(entry['data'])
            labels = entry['labels'] if 'labels' in entry else entry['fine_labels']
            labels = np.asarray(labels, dtype=np.int64)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"'{path}' is not a pickled dict with `data` and `labels` (or "
                f'`fine_labels`), and nothing else is read ({error}): replace it with '
                'a file of the official layout.'
            ) from None
        except Exception as error:  # damaged pickles raise nearly anything
            raise ValueError(
                f"'{path}' is not a pickled dict with `data` and `labels` (or "
                '`fine_labels`): replace it with a file of the official layout.'
            ) from error
        if shape != (len(labels), 3072):
            raise ValueError(
                f"'{path}' holds {len(labels)} labels but `data` of shape {shape} "
                f'instead of ({len(labels)}, 3072): replace it with a file of the '
                'official layout.'
            )
        outside = labels[(labels < 0) | (labels >= len(self.METAINFO['classes']))]
        if len(outside):
            raise ValueError(
                f"'{path}' holds the label {outside[0]}, but labels must be in "
                f'0..{len(self.METAINFO["classes"]) - 1}: correct the file.'
            )
        return labels
