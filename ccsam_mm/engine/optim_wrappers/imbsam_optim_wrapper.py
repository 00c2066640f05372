# Copyright (c) ccsam_mm contributors. All rights reserved.
"""ImbSAM (Zhou et al., ICCV 2023)."""

from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from ccsam_mm.utils.config_types import is_number

from ..passes.options import check_options
from .class_weights_sam_mixin import ClassWeightsSAMMixin


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


@OPTIM_WRAPPERS.register_module()
class ImbSAMOptimWrapper(ImbSAMMixin, OptimWrapper):
    r"""Imbalanced SAM: sharpness-aware minimisation of the tail classes' loss only.

    Implements `ImbSAM: A Closer Look at Sharpness-Aware Minimization in
    Class-Imbalanced Recognition <https://arxiv.org/abs/2308.07815>`_ (ICCV 2023) for
    MMPretrain's classifiers. The mean loss of a batch is
    :math:`L = L_{head} + L_{tail}`, with the images of tail classes in the second part:

    .. math::
        \min_w \; L_{head}(w) + L_{tail}(w + \epsilon), \qquad
        \epsilon = \rho \nabla L_{tail}(w) / \|\nabla L_{tail}(w)\|

    Args:
        optimizer (Optimizer): Optimizer used to update model parameters.
        tail_threshold (float): A class with fewer training images belongs to the tail.
            Defaults to 20.
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
        ...     type='ImbSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     tail_threshold=20, class_counts=[100, 10, 1]))
        >>> data = dict(
        ...     inputs=torch.rand(4, 1, 32, 32),
        ...     data_samples=[DataSample().set_gt_label(c) for c in (0, 0, 1, 2)])
        >>> sorted(model.train_step(data, optim_wrapper))
        ['clean_objective', 'loss']
    """


@OPTIM_WRAPPERS.register_module()
class AmpImbSAMOptimWrapper(ImbSAMMixin, AmpOptimWrapper):
    """:class:`ImbSAMOptimWrapper` under automatic mixed precision.

    Args:
        **kwargs: Arguments of :class:`ImbSAMOptimWrapper` and of
            :class:`mmengine.optim.AmpOptimWrapper` (``loss_scale``, ``dtype``).

    Examples:
        >>> optim_wrapper = dict(
        ...     type='AmpImbSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     dtype='bfloat16', tail_threshold=20)
    """
