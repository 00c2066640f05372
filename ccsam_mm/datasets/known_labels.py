# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np
from mmengine.dataset import force_full_init


class KnownLabels:
    """Tells the labels of a data set that keeps them in the array ``_labels``.

    Subclasses set ``_labels``, with shape ``(N, )``, when they are initialised.
    """

    _labels: np.ndarray

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """Get category ids by index.

        Args:
            idx (int): Index of the image.

        Returns:
            list[int]: The one category of the image.
        """
        return [int(self._labels[idx])]

    @force_full_init
    def get_gt_labels(self) -> np.ndarray:
        """Get all ground-truth labels.

        Returns:
            np.ndarray: The labels, with shape ``(N, )``.
        """
        return self._labels.copy()
