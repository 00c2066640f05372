# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmpretrain.registry import DATASETS

from .image_folders import after
from .list_dataset import ListDataset

TRAIN_FOLDERS = ('data_256', 'train', 'train_256')
VAL_FOLDERS = ('val_256', 'val')
OPEN_FOLDER = 'Places_LT_open'


@DATASETS.register_module()
class PlacesLT(ListDataset):
    """Places-LT of OLTR (https://arxiv.org/abs/1904.05160).

    365 scenes with 4980 .. 5 training images (62,500), 20 validation and 100 test
    images per class (the latter of Places365-Standard's validation set), and 6,600
    images of other scenes (split 'open').

    The lists ``Places_LT_{train,val,test,open}.txt`` exist in two dialects, and
    so do the images of Places365-Standard (256x256): ``data_256/a/arena/hockey/*.jpg``
    and ``val_256/Places365_val_*.jpg`` (OLTR's second version, the plain archives), or
    ``train/arena-hockey/*.jpg`` and ``val/arena-hockey/Places365_val_*.jpg``
    (classifier-balancing, the archive with easy directories). Each list is read with
    each layout; ``train_256`` for ``data_256`` and any prefix are accepted, and the
    images of the open set may be in ``Places_LT_open``.

    Args:
        data_root (str): The folder of the lists and images. Defaults to ''.
        split (str): The split, 'train', 'val', 'test' or 'open'. Defaults to
            'train'.
        **kwargs: Other keyword arguments of :class:`ListDataset`.

    Examples:
        >>> from ccsam_mm.datasets import PlacesLT
        >>> PlacesLT('data/places_lt', split='open', lazy_init=True).ann_file
        'data/places_lt/Places_LT_open.txt'
    """

    LISTS = {
        split: (f'Places_LT_{split}.txt',) for split in ('train', 'val', 'test', 'open')
    }
    NUM_CLASSES = 365
    CONVERTER = 'tools/dataset_converters/places_lt.py'

    def _class_of(self, folder: str) -> str:
        """Derive the scene from a folder of the list, such as ``arena-hockey``."""
        found = after(folder, TRAIN_FOLDERS + VAL_FOLDERS)
        parts = found[1] if found else []
        if len(parts) > 1 and len(parts[0]) == 1:  # the initial of the scene
            parts = parts[1:]
        return '-'.join(parts)

    def _candidates(self, folder: str, class_folder: str) -> list[str]:
        """Name the folders that may hold the images of a folder of the list."""
        found = after(folder, TRAIN_FOLDERS + VAL_FOLDERS)
        if found is None:
            # The root of all images always exists, so it comes last.
            return [folder, OPEN_FOLDER] if folder else [OPEN_FOLDER, folder]
        tops = TRAIN_FOLDERS if found[0] in TRAIN_FOLDERS else VAL_FOLDERS
        named = self._class_of(folder)
        scene = named or class_folder
        nested = f'{scene[:1]}/{scene.replace("-", "/")}'
        places = [f'{top}/{below}' for top in tops for below in (scene, nested)]
        # Only validation images may lie in one folder: the names of training images
        # are unique in that of their scene alone.
        flat = VAL_FOLDERS if tops == VAL_FOLDERS else ()
        return [folder, *places, *flat] if named else [*places, folder, *flat]
