# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Focal-SAM (Li et al., ICML 2025) for MMEngine's optimizer wrappers."""

from torch import Tensor

from .options import check_options, is_number
from .sam_class_weights_mixin import ClassWeightsSAMMixin


class FocalSAMMixin(ClassWeightsSAMMixin):
    """Penalises the sharpness of every class, that of rare ones more.

    See :class:`FocalSAMOptimWrapper` for the arguments.
    """

    def __init__(
        self, *args, gamma: float = 3.0, sharpness_weight: float = 0.5, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.gamma = gamma
        self.sharpness_weight = sharpness_weight
        check_options(
            self,
            dict(
                gamma=(is_number(gamma), 'a number >= 0'),
                sharpness_weight=(is_number(sharpness_weight), 'a number >= 0'),
            ),
        )

    def class_weights(self, class_counts: Tensor) -> Tensor:
        r"""Focal weights :math:`(1 - \pi_c)^\gamma`.

        Args:
            class_counts (Tensor): Training images per class, ``(K, )``.

        Returns:
            Tensor: ``(K, )``.
        """
        shares = class_counts.double() / class_counts.sum()
        return (1 - shares) ** self.gamma
