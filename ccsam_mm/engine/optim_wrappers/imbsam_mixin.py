# Copyright (c) ccsam_mm contributors. All rights reserved.
"""ImbSAM (Zhou et al., ICCV 2023) for MMEngine's optimizer wrappers."""

from torch import Tensor

from .options import check_options, is_number
from .sam_class_weights_mixin import ClassWeightsSAMMixin


class ImbSAMMixin(ClassWeightsSAMMixin):
    """SAM for tail classes, the plain loss for head classes.

    See :class:`ImbSAMOptimWrapper` for the arguments.
    """

    def __init__(self, *args, tail_threshold: float = 20, **kwargs):
        super().__init__(*args, **kwargs)
        self.tail_threshold = tail_threshold
        valid = is_number(tail_threshold) and tail_threshold > 0
        check_options(self, dict(tail_threshold=(valid, 'a number > 0')))

    def class_weights(self, class_counts: Tensor) -> Tensor:
        """1 for tail classes, 0 for head classes.

        Args:
            class_counts (Tensor): Training images per class, ``(K, )``.

        Returns:
            Tensor: ``(K, )``.
        """
        is_tail = class_counts < self.tail_threshold
        if not is_tail.any():
            raise ValueError(
                f'No class has fewer than {self.tail_threshold} training images (the '
                f'smallest has {int(class_counts.min())}), so ImbSAM would be plain '
                'SGD: raise optim_wrapper.tail_threshold.'
            )
        return is_tail.double()
