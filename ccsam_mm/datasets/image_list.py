# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lists of images with labels: how they are read, and what can be wrong with them."""

import json
from collections.abc import Sequence
from typing import Optional

import numpy as np
from mmengine.fileio import get

MAX_LABEL = np.iinfo(np.int64).max


class ImageList:
    """The images that a list file names, in its order.

    Args:
        file (str): Path of the list file.
        paths (Sequence[str]): The paths as the file writes them.
        labels (Sequence[int]): One label of each path.
        lines (Sequence[int], optional): The line of each path, counted from 1.
            Defaults to None, for a JSON file.
        categories (Sequence[str], optional): The names of the classes, where the
            file tells. Defaults to None.
    """

    def __init__(
        self,
        file: str,
        paths: Sequence[str],
        labels: Sequence[int],
        lines: Optional[Sequence[int]] = None,
        categories: Optional[Sequence[str]] = None,
    ) -> None:
        self.file = file
        self.paths = list(paths)
        self.labels = np.asarray(labels, dtype=np.int64)
        self.lines = lines
        self.categories = categories

    def __len__(self) -> int:
        return len(self.paths)

    def place(self, index: int) -> str:
        """Say where an image stands in the file.

        Args:
            index (int): Index of the image.

        Returns:
            str: Line and file, or the entry of the JSON file.
        """
        if self.lines is None:
            return f"images[{index}] of '{self.file}'"
        return f"line {self.lines[index]} of '{self.file}'"

    def check_labels(self, num_classes: int) -> None:
        """Refuse labels that are no class.

        Args:
            num_classes (int): The number of classes K.
        """
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= num_classes))
        if len(outside):
            i = int(outside[0])
            raise ValueError(
                f"{self.place(i)} gives '{self.paths[i]}' the label {self.labels[i]}, "
                f'but labels must be in 0..{num_classes - 1}: correct the list, or '
                "name all classes in the data set's `metainfo=dict(classes=...)`."
            )

    def count_classes(self, num_classes: int) -> list[int]:
        """Count the images of each class, and refuse a class without one.

        Args:
            num_classes (int): The number of classes K.

        Returns:
            list[int]: The number of images of each class, all positive.
        """
        if self.categories is not None and len(self.categories) != num_classes:
            raise ValueError(
                f"'{self.file}' has {len(self.categories)} `categories`, but the data "
                f'set has {num_classes} classes: replace the file by the official one, '
                "or name its classes in the data set's `metainfo=dict(classes=...)`."
            )
        self.check_labels(num_classes)
        counts = np.bincount(self.labels, minlength=num_classes)
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            raise ValueError(
                f"'{self.file}' lists no image of class {empty[0]} ({len(empty)} of "
                f'{num_classes} classes are empty; its last line is number '
                f'{len(self) if self.lines is None else max(self.lines, default=0)}): '
                'replace the list by the complete one, or name its classes in the data '
                "set's `metainfo=dict(classes=...)`."
            )
        return counts.tolist()

    def check_duplicates(self) -> None:
        """Refuse a path that is listed twice."""
        if len(set(self.paths)) == len(self.paths):
            return
        first = {}
        for i, path in enumerate(self.paths):
            if path in first:
                raise ValueError(
                    f"{self.place(i)} lists '{path}' again, after "
                    f'{self.place(first[path])}: remove one of the two.'
                )
            first[path] = i

    def check_overlap(self, training: 'ImageList') -> None:
        """Refuse a path that the training list has, too.

        Args:
            training (ImageList): The list of the training split.
        """
        common = set(self.paths).intersection(training.paths)
        if common:
            i = next(i for i, path in enumerate(self.paths) if path in common)
            j = training.paths.index(self.paths[i])
            raise ValueError(
                f"{self.place(i)} lists '{self.paths[i]}', a training image "
                f'({training.place(j)}; {len(common)} such images in all): replace one '
                'of the two lists, for nothing may be evaluated on what was trained on.'
            )


def read_text_list(file: str) -> ImageList:
    """Read lines of the form ``relative/path label``.

    Blank lines are skipped. A path may contain spaces.

    Args:
        file (str): Path of the list file.

    Returns:
        ImageList: What the file lists.
    """
    try:
        # Editors of Windows may put a byte order mark in front.
        text = get(file).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f"'{file}' is no text in UTF-8 ({error}): save the list in that encoding."
        ) from error
    paths, labels, numbers = [], [], []
    for number, line in enumerate(text.replace('\r\n', '\n').split('\n'), 1):
        parts = line.rsplit(None, 1)
        if not parts:
            continue
        try:
            path, label = parts
            labels.append(_as_label(int(label)))
        except ValueError as error:
            raise ValueError(
                f"line {number} of '{file}' is {line!r}, but a line must be "
                '`relative/path label` with an integer label: correct the line.'
            ) from error
        paths.append(path.strip())
        numbers.append(number)
    return ImageList(file, paths, labels, numbers)


def read_json_list(file: str) -> ImageList:
    """Read the JSON format of iNaturalist's competitions (that of COCO).

    Args:
        file (str): Path of the JSON file with ``images`` (``id``, ``file_name``),
            ``annotations`` (``image_id``, ``category_id``) and ``categories``
            (``id``, ``name``).

    Returns:
        ImageList: What the file lists, in the order of ``images``.
    """
    try:
        content = json.loads(get(file))
        labels = {
            a['image_id']: _as_label(a['category_id']) for a in content['annotations']
        }
        images = [(image['id'], image['file_name']) for image in content['images']]
        categories = {c['id']: str(c['name']) for c in content['categories']}
        names = [categories[i] for i in range(len(categories))]
        unlabelled = [i for i, (own, _) in enumerate(images) if own not in labels]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"'{file}' lacks what iNaturalist's JSON files have ({error!r}): replace "
            'it by the official train2018.json or val2018.json, which have `images`, '
            '`annotations` and `categories` numbered from 0.'
        ) from error
    if unlabelled:
        raise ValueError(
            f"images[{unlabelled[0]}] of '{file}', '{images[unlabelled[0]][1]}', has "
            f'no annotation ({len(unlabelled)} such images in all): replace the file '
            'by the official one, or the list of another split.'
        )
    paths = [path for _, path in images]
    return ImageList(file, paths, [labels[own] for own, _ in images], None, names)


def _as_label(value: int) -> int:
    """Refuse what an array of labels would cut off or can not hold."""
    if not isinstance(value, int) or abs(value) > MAX_LABEL:
        raise ValueError(f'{value!r} is no label')
    return value
