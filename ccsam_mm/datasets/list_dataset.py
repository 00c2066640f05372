# Copyright (c) ccsam_mm contributors. All rights reserved.
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np
from mmengine.fileio import exists, join_path
from mmpretrain.datasets import BaseDataset
from mmpretrain.datasets.base_dataset import expanduser

from .class_counts import TrainingCountsMixin
from .image_folders import first_outside, is_local, locate, missing_files
from .image_list import ImageList
from .json_list import read_json_list
from .label_array_mixin import LabelArrayMixin
from .quoting import quote
from .regular_files import kind_of_file
from .text_list import read_class_names, read_text_list


class ListDataset(LabelArrayMixin, TrainingCountsMixin, BaseDataset):
    """Base of the long-tailed data sets whose splits are lists of images.

    A list has lines ``relative/path label``. Images are searched where the list says
    and, if there is no such folder, in the other common layouts
    (:meth:`_candidates`). All splits also read the training list: it gives
    ``metainfo['class_counts']`` and the class names, and none of its images may be in
    another split. Mistakes in a list are reported when it is loaded, with file and
    line.

    Subclasses set the class attributes and override :meth:`_class_of` and
    :meth:`_candidates`.

    Args:
        data_root (str): The folder of the lists and images. Defaults to ''.
        split (str): The split, one of ``LISTS``. Every image of the split 'open' is
            of an unknown class: its label is -1. Defaults to 'train'.
        ann_file (str): The list of the split. Defaults to '', the official name.
        train_ann_file (str): The list of the training split. Defaults to '', the
            official name. For the split 'train' it is the same as ``ann_file``.
        data_prefix (str | dict): The folder below which the images lie. Defaults to
            '', which is ``data_root``.
        check_files (bool): Whether to check that every image of the split exists.
            Folders are listed, files not opened; addresses such as ``s3://`` are
            never checked. Defaults to True.
        outside_root (bool): Whether a list may name images that do not lie below the
            folder of images. Links below it may lead anywhere. Defaults to False.
        metainfo (dict, optional): Meta information. Its ``classes`` replace the
            official number and names of the classes. Defaults to None.
        classes (str | Sequence[str], optional): The same, or a file with a name
            per line; blank lines do not count. Defaults to None.
        **kwargs: Other keyword arguments of :class:`mmpretrain.datasets.BaseDataset`.
    """

    LISTS: dict = {}  # split: official names of its list, the preferred first
    NUM_CLASSES: int = 0
    CONVERTER: str = ''  # the tool that brings downloads into this layout

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        ann_file: str = '',
        train_ann_file: str = '',
        data_prefix: Union[str, dict] = '',
        check_files: bool = True,
        outside_root: bool = False,
        metainfo: Optional[dict] = None,
        classes: Union[str, Sequence[str], None] = None,
        **kwargs,
    ) -> None:
        if split not in self.LISTS:
            raise ValueError(
                f"{type(self).__name__} has no split '{split}': set `split` to one of "
                f'{", ".join(map(repr, self.LISTS))}.'
            )
        if split == 'train':
            ann_file = ann_file or train_ann_file
            if train_ann_file not in ('', ann_file):
                raise ValueError(
                    f"{type(self).__name__} got the training lists '{ann_file}' and "
                    f"'{train_ann_file}': set one of `ann_file` and `train_ann_file`."
                )
        data_root = expanduser(data_root)
        self.split = split
        self.check_files = check_files
        self.outside_root = outside_root
        if isinstance(classes, str):
            classes = read_class_names(expanduser(classes))
        self.train_ann_file = expanduser(train_ann_file)
        self._labels = np.zeros(0, dtype=np.int64)
        super().__init__(
            ann_file=ann_file or self._official_list(data_root, split),
            data_root=data_root,
            data_prefix=data_prefix,
            metainfo=metainfo,
            classes=classes,
            **kwargs,
        )

    def _official_list(self, data_root: str, split: str) -> str:
        """Name the list of a split: the first that exists, or else the first."""
        preferred, *others = self.LISTS[split]
        if others and not exists(join_path(data_root, preferred)):
            found = (name for name in others if exists(join_path(data_root, name)))
            return next(found, preferred)
        return preferred

    def _join_prefix(self) -> None:
        """Join ``data_root`` with the lists and the prefix of the images."""
        super()._join_prefix()
        if self.split == 'train':
            self.train_ann_file = self.ann_file
            return
        name = self.train_ann_file or self._official_list(self.data_root, 'train')
        self.train_ann_file = join_path(self.data_root, name)

    def load_data_list(self) -> list[dict]:
        """Load the images of the split, and the class counts of the training list."""
        training = self._read(self.train_ann_file)
        names = self._metainfo.get('classes')
        num_classes = self.NUM_CLASSES if names is None else len(names)
        self._metainfo['class_counts'] = training.count_classes(num_classes)
        folders = self._class_folders(training)
        names = names or training.categories or self._class_names(folders)
        self._metainfo['classes'] = tuple(names)
        self._locate(training, folders)
        training.check_duplicates()

        images = training
        if self.split != 'train':
            images = self._read(self.ann_file)
            images.check_nonempty()
            if self.split == 'open':
                images.labels[:] = -1
            else:
                images.check_labels(num_classes)
            self._locate(images, folders)
            images.check_duplicates()
            images.check_overlap(training)
        if self.check_files and is_local(self.img_prefix):
            self._check_files(images)
        self._labels = images.labels
        return [
            {'img_path': path, 'gt_label': label}
            for path, label in zip(images.paths, images.labels.tolist())
        ]

    def _class_of(self, folder: str) -> str:
        """Derive the class from a folder of the list.

        Args:
            folder (str): The folder, as the list writes it.

        Returns:
            str: The class as folders name it, or '' if the folder is not one of a
            class.
        """
        return ''

    def _candidates(self, folder: str, class_folder: str) -> list[str]:
        """Name the folders that may hold the images of a folder of the list.

        Args:
            folder (str): The folder, as the list writes it.
            class_folder (str): The result of :meth:`_class_of` for the training
                images of the same class; '' for unknown classes.

        Returns:
            list[str]: Folders below the prefix of the images, the likeliest first.
        """
        return [folder]

    def _class_names(self, folders: list[str]) -> list[str]:
        """Name the classes that nothing else names.

        Args:
            folders (list[str]): The result of :meth:`_class_of` for each class.

        Returns:
            list[str]: One name per class.
        """
        return [folder or str(c) for c, folder in enumerate(folders)]

    def _read(self, file: str) -> ImageList:
        """Read a list, by the reader of its format."""
        try:
            if file.endswith('.json'):
                return read_json_list(file)
            return read_text_list(file)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{type(self).__name__} found no list '{file}': run `python "
                f'{self.CONVERTER}`, or set `data_root` or `ann_file` to where the '
                'list is.'
            ) from error

    def _class_folders(self, training: ImageList) -> list[str]:
        """Derive the folder of each class from its first image."""
        _, first = np.unique(training.labels, return_index=True)
        return [self._class_of(training.paths[i].rpartition('/')[0]) for i in first]

    def _locate(self, images: ImageList, class_folders: list[str]) -> None:
        """Replace the paths of a list by those on this machine."""
        known = dict(enumerate(class_folders))
        images.paths = locate(
            self.img_prefix,
            images.paths,
            images.labels.tolist(),
            lambda folder, label: self._candidates(folder, known.get(label, '')),
            self.outside_root,
        )
        outside = first_outside(self.img_prefix, images.paths)
        if outside is not None and not self.outside_root:
            raise ValueError(
                f'{images.place(outside)} names {quote(images.paths[outside])}, which '
                f"is not below '{self.img_prefix}': correct the line, set "
                '`data_prefix` to the folder of the images, or allow it with '
                '`outside_root=True`.'
            )

    def _check_files(self, images: ImageList) -> None:
        """Refuse a list with missing images."""
        missing = missing_files(images.paths)
        if missing:
            path = images.paths[missing[0]]
            kind = kind_of_file(path)
            what = 'are not regular files' if kind else 'do not exist'
            place = images.place(missing[0])
            raise FileNotFoundError(
                f"{len(missing)} of the {len(images)} images of '{images.file}' "
                f'{what}, the first of them {quote(path)} '
                f'({f"{kind}, {place}" if kind else place}): '
                f'run `python {self.CONVERTER}`, set '
                '`data_root` or `data_prefix` to where the images are, or set '
                '`check_files=False` to find out in training.'
            )
