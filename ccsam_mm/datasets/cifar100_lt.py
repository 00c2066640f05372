# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmpretrain.datasets import CIFAR100
from mmpretrain.registry import DATASETS

from .cifar10_lt import CIFAR10LT


@DATASETS.register_module()
class CIFAR100LT(CIFAR10LT, CIFAR100):
    """Long-tailed `CIFAR100 <https://www.cs.toronto.edu/~kriz/cifar.html>`_.

    The same as :class:`CIFAR10LT`, with the files and classes of CIFAR100.

    Args:
        data_root (str): The folder that holds ``cifar-100-python``.
        split (str): The split, 'train' or 'test'. Defaults to 'train'.
        imbalance_ratio (float): The largest class count over the smallest one.
            Defaults to 100.
        imbalance_type (str): The profile of the class counts, 'exp' or 'step'.
            Defaults to 'exp'.
        seed (int): The seed of the selection. Defaults to 0.
        verify_md5 (bool): Whether only the original files are accepted. False
            accepts another copy in the same layout, whose shapes and labels are
            checked, and never downloads. Defaults to True.
        **kwargs: Other keyword arguments of :class:`mmpretrain.datasets.CIFAR100`.

    Examples:
        >>> from ccsam_mm.datasets import CIFAR100LT
        >>> train_set = CIFAR100LT('data/cifar100', lazy_init=True)
        >>> len(train_set.CLASSES)
        100
    """
