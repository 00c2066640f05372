# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Which images of a sorted batch belong to which class."""

from typing import List

import torch
from torch import Tensor

from .call_layout import ClassRoutingError


class ClassRouting:
    """Which rows of a sorted batch belong to which class.

    Args:
        labels (Tensor): Class of each image, ``(B, )``.

    Attributes:
        order (Tensor): Permutation that sorts the batch by class, ``(B, )``.
        classes (Tensor): The classes in the batch in ascending order, ``(C, )``.
        sizes (list[int]): Images of each of these classes.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import ClassRouting
        >>> routing = ClassRouting(torch.tensor([7, 2, 7]))
        >>> routing.order.tolist(), routing.classes.tolist(), routing.sizes
        ([1, 0, 2], [2, 7], [1, 2])
        >>> routing.expand(torch.tensor([[0.2], [0.7]])).flatten().tolist()
        [0.20000000298023224, 0.699999988079071, 0.699999988079071]
    """

    def __init__(self, labels: Tensor):
        self.order = labels.argsort(stable=True)
        self.classes, counts = labels.unique(return_counts=True)
        self.sizes: List[int] = counts.tolist()
        self.num_images = len(labels)
        self._row_class = torch.arange(len(counts), device=labels.device)
        self._row_class = self._row_class.repeat_interleave(counts)

    def split(self, rows: Tensor) -> List[Tensor]:
        """Rows of each class; an image may have several rows in succession.

        Args:
            rows (Tensor): ``(B * r, ...)`` of the sorted batch.

        Returns:
            list[Tensor]: One tensor per class.
        """
        per_image = self.rows_per_image(rows)
        return list(rows.split([size * per_image for size in self.sizes]))

    def expand(self, values: Tensor, per_image: int = 1) -> Tensor:
        """Values per class ``(C, ...)`` as values per row ``(B * r, ...)``."""
        rows = self._row_class
        return values[rows if per_image == 1 else rows.repeat_interleave(per_image)]

    def rows_per_image(self, rows: Tensor) -> int:
        """How many rows ``r`` an image has (windows and tokens may be rows)."""
        if rows.ndim == 0 or not len(rows) or len(rows) % self.num_images:
            raise ClassRoutingError(
                f'{tuple(rows.shape)} does not begin with a multiple of the '
                f'{self.num_images} images'
            )
        return len(rows) // self.num_images
