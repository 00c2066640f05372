# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from .ccsam_mixin import CCSAMMixin


@OPTIM_WRAPPERS.register_module()
class CCSAMOptimWrapper(CCSAMMixin, OptimWrapper):
    r"""Class-conditional sharpness-aware minimisation, stage 1 of CC-SAM.

    Implements Eq. 8-11 of `Class-Conditional Sharpness-Aware Minimization for Deep
    Long-Tailed Recognition <https://openaccess.thecvf.com/content/CVPR2023/html/
    Zhou_Class-Conditional_Sharpness-Aware_Minimization_for_Deep_Long-Tailed_Recognition
    _CVPR_2023_paper.html>`_ for MMPretrain's classifiers. With :math:`w` the perturbed
    parameters (:math:`k` of them), :math:`n_c` the training images of class c, and
    :math:`g_c` the gradient of the mean loss of class c's :math:`B_c` images in the
    batch:

    .. math::
        \rho_c &= \sqrt{\|w\| / (2 \|g_c\|)} \; k^{-1/4} (n_c - 1)^{-1/4} \\
        \epsilon_c &= s \sqrt{k} \; \rho_c \; g_c / \|g_c\| \\
        \nabla &= (1 - p) \nabla L(w) + p \sum_c \omega_c \nabla L_c(w + \epsilon_c)

    Models, loops, runners, gradient clipping and accumulation, and DDP stay as they
    are. If the perturbed parameters are those of one linear layer in the head, a step
    costs what it costs with SGD (closed form); any other part of the network is looked
    at twice, routed by class. ``docs/ccsam.md`` derives both.

    Args:
        optimizer (Optimizer): Optimizer used to update model parameters.
        perturb (str | Sequence[str]): Prefixes of the names of the perturbed
            parameters, such as ``['backbone.layer4.2', 'head']``; ``''`` is
            everything. Frozen parameters are skipped. Defaults to ``'head'``.
        rho_scale (float): Factor :math:`s` on Eq. 8; 0 gives plain SGD's gradient.
            Defaults to 1.0, the literal Eq. 8.
        max_relative_norm (float, optional): Upper bound of
            :math:`\|\epsilon_c\| / \|w\|`. Defaults to None, no bound.
        radius (str | float): ``'characteristic'``, or the length
            :math:`\|\epsilon_c\|` itself (the paper's "Stage 1 + dir" is 1.0), which
            ``rho_scale`` and ``min_grad_norm`` do not change. Defaults to
            ``'characteristic'``.
        direction (str): ``'gradient'``, or ``'random'`` (the paper's "Stage 1 + mag").
            Defaults to ``'gradient'``.
        class_reduction (str): Weights :math:`\omega_c`: ``'sample'`` is
            :math:`B_c / B`, every image counts the same; ``'class'`` gives each class
            in the batch the same weight. Defaults to ``'sample'``.
        perturbed_weight (float): :math:`p`; below 1 mixes in the clean loss.
            Defaults to 1.0, Eq. 11.
        sync_classes (bool): Whether class gradients are those of all ranks' images;
            otherwise each rank uses those of its own. Defaults to False.
        class_counts (Sequence[int], optional): :math:`n_c`. Defaults to None, the
            ``class_counts`` in the training data set's ``metainfo``.
        rho_warmup (float): Share of the training, from 0 to 1, in which the
            perturbation grows linearly to its full length: early on, no minimum is
            near of which Eq. 8 could tell the radius. A cap acts on what has grown.
            Defaults to 0.0, full length from the start.
        min_grad_norm (float): Floor under :math:`\|g_c\|` in Eq. 8. Without one, the
            radius grows without bound while a class is fitted, against the paper's
            premise :math:`\rho \ll \|w\|`. Defaults to 0.0, no floor.
        **kwargs: Other arguments of :class:`mmengine.optim.OptimWrapper`, such as
            ``accumulative_counts`` and ``clip_grad``.

    Note:
        The loss must be a mean over independent images, as MMPretrain's losses are. An
        image with soft labels (Mixup, CutMix) belongs to the class with the largest
        weight. The clean loss is logged as ``clean_objective``.

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
        ...     type='CCSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     perturb='head', rho_scale=0.03, class_counts=[100, 10, 1]))
        >>> data = dict(
        ...     inputs=torch.rand(4, 1, 32, 32),
        ...     data_samples=[DataSample().set_gt_label(c) for c in (0, 0, 1, 2)])
        >>> sorted(model.train_step(data, optim_wrapper))
        ['clean_objective', 'loss']
    """
