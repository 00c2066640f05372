# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lists of images with labels, and their checks."""

from collections.abc import Sequence
from typing import Optional

import numpy as np

from .quoting import quote


class ImageList:
    """The images that a list file names, in its order.

    Args:
        file (str): Path of the list file.
        paths (Sequence[str]): The paths as they are in the file.
        labels (Sequence[int]): One label of each path.
        lines (Sequence[int], optional): The line of each path, counted from 1.
            Defaults to None, for a JSON file.
        categories (Sequence[str], optional): The names of the classes, where the
            file has them. Defaults to None.
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

    def check_nonempty(self) -> None:
        """Refuse a list without an image."""
        if not len(self):
            raise ValueError(
                f"'{self.file}' lists no image: replace it with the complete list."
            )

    def check_labels(self, num_classes: int) -> None:
        """Refuse labels outside of the classes.

        Args:
            num_classes (int): The number of classes K.
        """
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= num_classes))
        if len(outside):
            i = int(outside[0])
            raise ValueError(
                f'{self.place(i)} gives {quote(self.paths[i])} the label '
                f'{self.labels[i]}, but labels must be in 0..{num_classes - 1}: '
                'correct the list, or '
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
                f'set has {num_classes} classes: replace the file with the official '
                "one, or name its classes in the data set's "
                '`metainfo=dict(classes=...)`.'
            )
        self.check_labels(num_classes)
        counts = np.bincount(self.labels, minlength=num_classes)
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            raise ValueError(
                f"'{self.file}' lists no image of class {empty[0]} ({len(empty)} of "
                f'{num_classes} classes are empty; its last line is number '
                f'{len(self) if self.lines is None else max(self.lines, default=0)}): '
                'replace the list with the complete one, or name its classes in the '
                "data set's `metainfo=dict(classes=...)`."
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
                    f'{self.place(i)} lists {quote(path)} again, after '
                    f'{self.place(first[path])}: remove one of the two.'
                )
            first[path] = i

    def check_overlap(self, training: 'ImageList') -> None:
        """Refuse a path that is also in the training list.

        Args:
            training (ImageList): The list of the training split.
        """
        common = set(self.paths).intersection(training.paths)
        if common:
            i = next(i for i, path in enumerate(self.paths) if path in common)
            j = training.paths.index(self.paths[i])
            raise ValueError(
                f'{self.place(i)} lists {quote(self.paths[i])}, a training image '
                f'({training.place(j)}; {len(common)} such images in all): replace one '
                'of the two lists, because training images must not be evaluated.'
            )
