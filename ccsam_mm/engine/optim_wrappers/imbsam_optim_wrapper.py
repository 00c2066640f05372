# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from .imbsam_mixin import ImbSAMMixin


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
