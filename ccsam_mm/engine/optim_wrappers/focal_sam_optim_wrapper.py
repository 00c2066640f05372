# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Focal-SAM (Li et al., ICML 2025)."""

from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from ccsam_mm.utils.config_types import is_number

from ..passes.options import check_options
from .class_weights_sam_mixin import ClassWeightsSAMMixin


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


@OPTIM_WRAPPERS.register_module()
class FocalSAMOptimWrapper(FocalSAMMixin, OptimWrapper):
    r"""Focal SAM: a sharpness penalty on every class, larger on rare ones.

    Implements `Focal-SAM: Focal Sharpness-Aware Minimization for Long-Tailed
    Classification <https://arxiv.org/abs/2505.01660>`_ (ICML 2025) for MMPretrain's
    classifiers. With :math:`\pi_c` the share of class c in the training images and
    :math:`L_c` its part of the mean loss of a batch:

    .. math::
        L^\gamma(w) = \sum_c (1 - \pi_c)^\gamma L_c(w), \qquad
        \min_w \; L(w) + \lambda \left[ L^\gamma(w + \epsilon) - L^\gamma(w) \right],
        \qquad \epsilon = \rho \nabla L^\gamma(w) / \|\nabla L^\gamma(w)\|

    Args:
        optimizer (Optimizer): Optimizer used to update model parameters.
        gamma (float): :math:`\gamma`; 0 treats all classes alike, and is SAM with
            ``sharpness_weight=1``. Defaults to 3.0, as in the authors' script for
            CIFAR-10-LT.
        sharpness_weight (float): :math:`\lambda`. Defaults to 0.5, from the same place.
        rho (float, optional): Radius :math:`\rho`. Defaults to None: 0.05, and 0.5 with
            ``adaptive=True``.
        class_counts (Sequence[int], optional): Training images per class. Defaults to
            None, the ``class_counts`` in the training data set's ``metainfo``.
        **kwargs: Other arguments of :class:`SAMOptimWrapper`.

    Note:
        The loss must be a mean over independent images of the scores that the head's
        forward returns, as MMPretrain's losses are. An image with soft labels (Mixup,
        CutMix) belongs to the class with the largest weight. The logged losses are
        those of all images at :math:`w + \epsilon`; the clean one is logged as
        ``clean_objective``.

    Examples:
        >>> import torch
        >>> import ccsam_mm
        >>> from mmpretrain.registry import MODELS
        >>> from mmpretrain.structures import DataSample
        >>> from mmengine.optim import build_optim_wrapper
        >>> model = MODELS.build(dict(
        ...     type='ImageClassifier', backbone=dict(type='LeNet5'),
        ...     neck=dict(type='GlobalAveragePooling'),
        ...     head=dict(type='LinearClsHead', num_classes=3, in_channels=120)))
        >>> optim_wrapper = build_optim_wrapper(model, dict(
        ...     type='FocalSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     gamma=3.0, sharpness_weight=0.5, class_counts=[100, 10, 1]))
        >>> data = dict(
        ...     inputs=torch.rand(4, 1, 32, 32),
        ...     data_samples=[DataSample().set_gt_label(c) for c in (0, 0, 1, 2)])
        >>> sorted(model.train_step(data, optim_wrapper))
        ['clean_objective', 'loss']
    """


@OPTIM_WRAPPERS.register_module()
class AmpFocalSAMOptimWrapper(FocalSAMMixin, AmpOptimWrapper):
    """:class:`FocalSAMOptimWrapper` under automatic mixed precision.

    Args:
        **kwargs: Arguments of :class:`FocalSAMOptimWrapper` and of
            :class:`mmengine.optim.AmpOptimWrapper` (``loss_scale``, ``dtype``).

    Examples:
        >>> optim_wrapper = dict(
        ...     type='AmpFocalSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     dtype='bfloat16', gamma=3.0)
    """
