# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmpretrain.registry import DATASETS

from .image_folders import after
from .list_dataset import ListDataset

IMAGE_FOLDER = 'train_val2018'


@DATASETS.register_module()
class INaturalist2018(ListDataset):
    """iNaturalist 2018 (https://github.com/visipedia/inat_comp/tree/master/2018).

    8142 species with 1000 .. 2 training images (437,513) and three validation
    images each (24,426), on which the literature tests.

    A split is read from the text list ``iNaturalist18_{train,val}.txt`` or from the
    official ``{train,val}2018.json``, which names the species; where both exist, from
    the list, which loads faster. Both write
    ``train_val2018/Plantae/7477/*.jpg``; any prefix before the last two folders is
    fine, and the images may also lie below ``data_root`` itself.

    Args:
        data_root (str): The folder of the lists and images. Defaults to ''.
        split (str): The split, 'train' or 'val'. Defaults to 'train'.
        **kwargs: Other keyword arguments of :class:`ListDataset`.

    Examples:
        >>> from ccsam_mm.datasets import INaturalist2018
        >>> val_set = INaturalist2018(
        ...     'data/inaturalist2018', 'val', 'val2018.json', lazy_init=True)
        >>> val_set.ann_file
        'data/inaturalist2018/val2018.json'
    """

    LISTS = {
        split: (f'iNaturalist18_{split}.txt', f'{split}2018.json')
        for split in ('train', 'val')
    }
    NUM_CLASSES = 8142
    CONVERTER = 'tools/dataset_converters/inaturalist2018.py'

    def _candidates(self, folder: str, class_folder: str) -> list[str]:
        """Name the folders that may hold the images of a folder of the list."""
        found = after(folder, (IMAGE_FOLDER,))
        parts = found[1] if found else folder.split('/')[-2:]
        below = '/'.join(parts)
        return [folder, f'{IMAGE_FOLDER}/{below}', below]
