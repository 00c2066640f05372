# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np


class TrainingCountsMixin:
    """Lets ``class_counts`` follow the ``indices`` of MMEngine's data sets.

    The base of data sets with a ``split`` whose :meth:`load_data_list` counts the whole
    training split. Other splits keep those counts.

    Examples:
        >>> from ccsam_mm.datasets import DigitsLT
        >>> DigitsLT(split='train', indices=20).metainfo['class_counts']
        [11, 4, 3, 1, 0, 0, 1, 0, 0, 0]
    """

    def full_init(self) -> None:
        """Load the annotations, and count the images that ``indices`` select."""
        if self._fully_initialized:
            return
        super().full_init()
        if self._indices is not None and self.split == 'train':
            # A class may be empty; users of the counts refuse zero where they need all.
            counts = np.bincount(
                super().get_gt_labels(),
                minlength=len(self._metainfo['class_counts']),
            )
            self._metainfo['class_counts'] = counts.tolist()
