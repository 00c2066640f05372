# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from mmpretrain.registry import DATASETS

from .image_folders import after
from .list_dataset import ListDataset

OPEN_FOLDER = 'ImageNet_LT_open'


@DATASETS.register_module()
class ImageNetLT(ListDataset):
    """ImageNet-LT of OLTR (https://arxiv.org/abs/1904.05160).

    1000 classes with 1280 .. 5 training images (115,846), 20 validation images and
    50 test images (those of ILSVRC2012's validation set) per class, and 18,000
    images of ImageNet-2010 whose classes are unknown (split 'open').

    The lists ``ImageNet_LT_{train,val,test,open}.txt`` write
    ``train/n01440764/n01440764_190.JPEG``, ``val/n01440764/ILSVRC2012_val_*.JPEG``
    and, in the open one, only a file name. Any prefix before ``train`` and ``val`` is
    fine. The images of ``val`` may lie in one folder, as the official archive has
    them, and those of the open set in ``ImageNet_LT_open``.

    Args:
        data_root (str): The folder of the lists and images. Defaults to ''.
        split (str): The split, 'train', 'val', 'test' or 'open'. Defaults to
            'train'.
        **kwargs: Other keyword arguments of :class:`ListDataset`.

    Examples:
        >>> from ccsam_mm.datasets import ImageNetLT
        >>> test_set = ImageNetLT('data/imagenet_lt', split='test', lazy_init=True)
        >>> test_set.ann_file, test_set.train_ann_file  # doctest: +NORMALIZE_WHITESPACE
        ('data/imagenet_lt/ImageNet_LT_test.txt',
         'data/imagenet_lt/ImageNet_LT_train.txt')
    """

    LISTS = {
        split: (f'ImageNet_LT_{split}.txt',)
        for split in ('train', 'val', 'test', 'open')
    }
    NUM_CLASSES = 1000
    CONVERTER = 'tools/dataset_converters/imagenet_lt.py'

    def _class_of(self, folder: str) -> str:
        """Derive the WordNet id from a folder of the list."""
        found = after(folder, ('train', 'val'))
        return found[1][-1] if found and found[1] else ''

    def _candidates(self, folder: str, class_folder: str) -> list[str]:
        """Name the folders that may hold the images of a folder of the list."""
        found = after(folder, ('train', 'val'))
        if found is None:
            # The root of all images always exists, so it comes last.
            return [folder, OPEN_FOLDER] if folder else [OPEN_FOLDER, folder]
        top, named = found[0], self._class_of(folder)
        flat = ['val'] if top == 'val' else []  # as in ILSVRC2012's archive
        if named:
            return [folder, f'{top}/{named}', *flat]
        return [f'{folder}/{class_folder}', f'{top}/{class_folder}', folder, *flat]

    def _class_names(self, folders: list[str]) -> list[str]:
        """Take MMPretrain's names, which are in the order of the WordNet ids."""
        if len(folders) == len(IMAGENET_CATEGORIES) and folders == sorted(set(folders)):
            return list(IMAGENET_CATEGORIES)
        return super()._class_names(folders)
