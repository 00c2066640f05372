# Copyright (c) ccsam_mm contributors. All rights reserved.
"""CC-SAM, stage 1 (Zhou et al., CVPR 2023)."""

from typing import Optional, Sequence, Union

import torch
import torch.nn as nn
from mmengine.logging import MessageHub
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from ccsam_mm.datasets import training_class_counts
from ccsam_mm.sharpness import perturbation_norm
from ccsam_mm.utils.config_types import is_number

from ..passes.class_conditional_mixin import ClassConditionalMixin
from ..passes.last_perturbation import LastPerturbation
from ..passes.options import check_options


class CCSAMMixin(ClassConditionalMixin):
    """Makes an optimizer wrapper minimise the class-conditionally perturbed loss.

    See :class:`CCSAMOptimWrapper` for the arguments.
    """

    def __init__(
        self,
        *args,
        perturb: Union[str, Sequence[str]] = 'head',
        rho_scale: float = 1.0,
        max_relative_norm: Optional[float] = None,
        radius: Union[str, float] = 'characteristic',
        direction: str = 'gradient',
        class_reduction: str = 'sample',
        perturbed_weight: float = 1.0,
        sync_classes: bool = False,
        class_counts: Optional[Sequence[int]] = None,
        rho_warmup: float = 0.0,
        min_grad_norm: float = 0.0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.perturb = perturb
        self.rho_scale = rho_scale
        self.max_relative_norm = max_relative_norm
        self.radius = radius
        self.direction = direction
        self.class_reduction = class_reduction
        self.perturbed_weight = perturbed_weight
        self.sync_classes = sync_classes
        self.class_counts = class_counts
        self.rho_warmup = rho_warmup
        self.min_grad_norm = min_grad_norm
        _check_arguments(self)
        self._counts: Optional[Tensor] = None
        self._last: Optional[LastPerturbation] = None

    @property
    def last_perturbation(self) -> Optional[LastPerturbation]:
        """Perturbations of this rank's last training forward; None before any."""
        return self._last

    def initialize_count_status(self, model: nn.Module, *args, **kwargs) -> None:
        """Check the class counts now: a wrong config costs no training time."""
        super().initialize_count_status(model, *args, **kwargs)
        if self.class_counts is not None:
            self._class_counts(torch.device('cpu'))

    def _find_passes(self, model: nn.Module):
        before = self._passes
        passes = super()._find_passes(model)
        if passes is not before:
            self._counts = None
        return passes

    @torch.no_grad()
    def perturbation_lengths(self, norms: Tensor, classes: Tensor) -> Tensor:
        """Eq. 8, scaled and bounded as the options say."""
        counts = None
        if self.radius == 'characteristic':
            counts = self._class_counts(classes.device)[classes]
        parts = [p.to(norms.dtype).norm() for p in self._perturbed]
        weight_norm = torch.stack(parts).norm()
        warmup, radius = self._warmup_factor(), self.radius
        lengths = perturbation_norm(
            weight_norm,
            norms,
            sum(p.numel() for p in self._perturbed),
            counts,
            rho_scale=warmup * self.rho_scale,
            max_relative_norm=self.max_relative_norm,
            radius=radius if isinstance(radius, str) else warmup * radius,
            min_grad_norm=self.min_grad_norm,
        )
        # References only: whoever asks pays for the copy to the CPU.
        self._last = LastPerturbation(classes, norms, lengths, weight_norm)
        return lengths

    def _warmup_factor(self) -> float:
        """Factor on the lengths; progress alone decides, so a resumed run agrees."""
        if self.rho_warmup == 0:
            return 1.0
        hub = MessageHub.get_current_instance()
        max_iters = hub.get_info('max_iters')
        if max_iters is None:
            return 1.0
        return min((hub.get_info('iter') + 1) / (self.rho_warmup * max_iters), 1.0)

    def _class_counts(self, device: torch.device) -> Tensor:
        """Training images per class, checked once."""
        if self._counts is None:
            head = getattr(self._passes.model, 'head', None)
            self._counts = training_class_counts(
                'CCSAMOptimWrapper',
                'optim_wrapper.class_counts',
                self.class_counts,
                getattr(head, 'num_classes', None),
            )
        if self._counts.device != device:
            self._counts = self._counts.to(device)
        return self._counts


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
    costs what it costs with SGD (closed form); any other parameters take a second
    forward, routed by class. ``docs/ccsam.md`` derives both.

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
        weight. Class weights of the loss (also those of :class:`ClassWeightHook`)
        belong to the objective's :math:`\omega_c`; :math:`g_c` is the gradient of the
        unweighted mean loss, so that they change no radius. The clean loss is logged
        as ``clean_objective``.

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


@OPTIM_WRAPPERS.register_module()
class AmpCCSAMOptimWrapper(CCSAMMixin, AmpOptimWrapper):
    """:class:`CCSAMOptimWrapper` under automatic mixed precision.

    Args:
        **kwargs: Arguments of :class:`CCSAMOptimWrapper` and of
            :class:`mmengine.optim.AmpOptimWrapper` (``loss_scale``, ``dtype``).

    Examples:
        >>> optim_wrapper = dict(
        ...     type='AmpCCSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     dtype='bfloat16', rho_scale=0.03, max_relative_norm=0.1)
    """


def _check_arguments(wrapper: CCSAMMixin) -> None:
    """Refuse values outside an argument's range, naming the argument."""
    prefixes = wrapper.perturb
    if isinstance(prefixes, str):
        prefixes = [prefixes]
    rules = dict(
        perturb=(
            isinstance(prefixes, Sequence)
            and len(prefixes) > 0
            and all(isinstance(prefix, str) for prefix in prefixes),
            'a prefix of parameter names or a list of them',
        ),
        rho_scale=(is_number(wrapper.rho_scale), 'a number >= 0 (0 is plain SGD)'),
        max_relative_norm=(
            wrapper.max_relative_norm is None
            or (is_number(wrapper.max_relative_norm) and wrapper.max_relative_norm > 0),
            'None or a number > 0',
        ),
        radius=(
            wrapper.radius == 'characteristic' or is_number(wrapper.radius),
            "'characteristic' or a number >= 0",
        ),
        direction=(
            wrapper.direction in ('gradient', 'random'),
            "'gradient' or 'random'",
        ),
        class_reduction=(
            wrapper.class_reduction in ('sample', 'class'),
            "'sample' or 'class'",
        ),
        perturbed_weight=(
            is_number(wrapper.perturbed_weight) and wrapper.perturbed_weight <= 1,
            'a number from 0 to 1',
        ),
        sync_classes=(
            isinstance(wrapper.sync_classes, bool)
            and (not wrapper.sync_classes or wrapper.direction == 'gradient'),
            "True or False, and False with direction='random', where ranks draw their "
            'own directions',
        ),
        rho_warmup=(
            is_number(wrapper.rho_warmup) and wrapper.rho_warmup <= 1,
            'a share of the training from 0 to 1 (0 is no warm-up)',
        ),
        min_grad_norm=(
            is_number(wrapper.min_grad_norm),
            'a number >= 0 (0 is no floor)',
        ),
    )
    check_options(wrapper, rules)
