# Copyright (c) ccsam_mm contributors. All rights reserved.
"""CC-SAM (Zhou et al., CVPR 2023), stage 1, for MMEngine's optimizer wrappers."""

from contextlib import contextmanager
from typing import Dict, List, Optional, Sequence, Union

import torch
import torch.nn as nn
from mmengine.logging import MessageHub
from torch import Tensor

from ccsam_mm.sharpness import (
    LinearClassGradients,
    perturbation_norm,
    random_linear_products,
)

from .gather_rows import gather_rows
from .perturbed_part import find_linear_classifier, unwrap_model
from .two_looks import TwoLooks


class CCSAMMixin:
    """Makes an optimizer wrapper minimise the class-conditionally perturbed loss.

    Each image is evaluated under weights perturbed along its own class's gradient. For
    the classifier's linear layer the perturbed logits have a closed form, so a training
    step is one forward and one backward (:mod:`ccsam_mm.sharpness`). See
    :class:`CCSAMOptimWrapper` for the arguments.
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
        _check_arguments(self)
        self._looks: Optional[TwoLooks] = None
        self._counts: Optional[Tensor] = None

    def initialize_count_status(self, model: nn.Module, *args, **kwargs) -> None:
        """Find the perturbed layer now: a wrong config costs no training time."""
        super().initialize_count_status(model, *args, **kwargs)
        self._two_looks(model)
        if self.class_counts is not None:
            self._class_counts(torch.device('cpu'))

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Perturb every training forward within the context.

        Args:
            model (nn.Module): The training model, maybe inside
                :class:`mmengine.model.MMDistributedDataParallel`.
        """
        with super().optim_context(model), self._two_looks(model).watch():
            yield

    def _two_looks(self, model: nn.Module) -> TwoLooks:
        model = unwrap_model(model)
        if self._looks is None or self._looks.model is not model:
            classifier = find_linear_classifier(model, self.perturb)
            self._looks = TwoLooks(classifier, self._perturbed_logits, self._join)
            self._counts = None
        return self._looks

    def _perturbed_logits(
        self, features: Tensor, logits: Tensor, loss: Tensor, labels: Tensor
    ) -> Tensor:
        """Logits of each image under its own class's perturbed classifier."""
        keep_graph = self.perturbed_weight < 1
        (grads,) = torch.autograd.grad(loss, logits, retain_graph=keep_graph)
        # Half-precision Gram matrices would lose the small gradients of fitted classes.
        with torch.autocast(logits.device.type, enabled=False):
            features = features.to(logits.dtype)
            # The loss is a mean: image i's own gradient is B times its share.
            return self._perturb(features, logits, grads * len(grads), labels)

    def _perturb(
        self, features: Tensor, logits: Tensor, grads: Tensor, labels: Tensor
    ) -> Tensor:
        linear = self._looks.linear
        bias = linear.bias is not None
        first, own = 0, len(labels)
        seen = [features.detach(), grads, labels]
        if self.sync_classes:
            first, seen = gather_rows(seen)
        gradients = LinearClassGradients(*seen, bias=bias)
        norms = gradients.norms()[first : first + own]
        lengths = self._lengths(norms, labels)
        if self.direction == 'random':
            products = random_linear_products(
                features, labels, linear.out_features, bias
            )
            perturbed = logits + lengths[:, None] * products
        else:
            # A zero gradient has zero length, too: 0 / tiny is 0.
            scales = lengths / norms.clamp(min=torch.finfo(norms.dtype).tiny)
            perturbed = logits + scales[:, None] * gradients.products(features, labels)
        if self.class_reduction == 'class' and perturbed.requires_grad:
            # Images are independent, so scaling a row's gradient weighs its loss.
            weights = _class_mean_weights(gradients, labels)[:, None]
            perturbed.register_hook(lambda grad: grad * weights)
        return perturbed

    @torch.no_grad()
    def _lengths(self, norms: Tensor, labels: Tensor) -> Tensor:
        parameters = list(self._looks.linear.parameters())
        counts = None
        if self.radius == 'characteristic':
            counts = self._class_counts(labels.device)[labels]
        return perturbation_norm(
            torch.stack([p.to(norms.dtype).norm() for p in parameters]).norm(),
            norms,
            sum(p.numel() for p in parameters),
            counts,
            rho_scale=self.rho_scale,
            max_relative_norm=self.max_relative_norm,
            radius=self.radius,
        )

    def _join(self, first: Dict, second: Dict) -> Dict:
        """Losses of the second look beside the other entries of the first."""
        share = self.perturbed_weight
        losses = dict(first)
        clean = {key: first[key] for key in second if 'loss' in key}
        for key, value in clean.items():
            if share == 1:
                losses[key] = second[key]
            else:
                del losses[key]
                losses[f'{key}_clean'] = _scale(value, 1 - share)
                losses[f'{key}_perturbed'] = _scale(second[key], share)
        if share == 1:
            # No 'loss' in the name, or MMEngine would add it to the objective.
            total = sum(_scale(v, 1) for v in clean.values())
            losses['clean_objective'] = total.detach()
        return losses

    def _class_counts(self, device: torch.device) -> Tensor:
        """Training images per class, checked once."""
        if self._counts is None:
            counts = self.class_counts
            if counts is None:
                meta = MessageHub.get_current_instance().runtime_info
                counts = (meta.get('dataset_meta') or {}).get('class_counts')
            head, linear = self._looks.head, self._looks.linear
            num_classes = getattr(head, 'num_classes', linear.out_features)
            self._counts = torch.tensor(_checked_counts(counts, num_classes))
        if self._counts.device != device:
            self._counts = self._counts.to(device)
        return self._counts


def _scale(value: Union[Tensor, List[Tensor]], factor: float) -> Tensor:
    """Scalar of a loss entry as MMEngine's ``parse_losses`` adds it up."""
    if isinstance(value, Tensor):
        return factor * value.mean()
    return factor * sum(item.mean() for item in value)


def _class_mean_weights(gradients: LinearClassGradients, labels: Tensor) -> Tensor:
    """Weights that turn the mean over images into a mean over the batch's classes."""
    all_sizes = gradients.class_sizes(gradients.labels)
    num_classes = (1 / all_sizes).sum()
    return len(all_sizes) / (num_classes * gradients.class_sizes(labels))


def _checked_counts(counts: Optional[Sequence[int]], num_classes: int) -> List[int]:
    if counts is None:
        raise RuntimeError(
            'CCSAMOptimWrapper does not know how many training images each class has: '
            "add custom_hooks=[dict(type='ClassCountsHook')] to the config, which "
            'counts them, or set optim_wrapper.class_counts to the list.'
        )
    counts = [int(count) for count in counts]
    if len(counts) != num_classes:
        raise ValueError(
            f'class_counts has {len(counts)} entries, but the head has {num_classes} '
            'classes: set model.head.num_classes (or optim_wrapper.class_counts) so '
            'that they agree.'
        )
    if min(counts) < 1:
        raise ValueError(
            f'class_counts[{counts.index(min(counts))}] is {min(counts)}, but each '
            'class needs at least one training image: correct '
            'optim_wrapper.class_counts or the training data set.'
        )
    return counts


def _check_arguments(wrapper: CCSAMMixin) -> None:
    """Refuse values outside an argument's range, naming the argument."""
    rules = dict(
        rho_scale=(_is_number(wrapper.rho_scale), 'a number >= 0 (0 is plain SGD)'),
        max_relative_norm=(
            wrapper.max_relative_norm is None
            or (
                _is_number(wrapper.max_relative_norm) and wrapper.max_relative_norm > 0
            ),
            'None or a number > 0',
        ),
        radius=(
            wrapper.radius == 'characteristic' or _is_number(wrapper.radius),
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
            _is_number(wrapper.perturbed_weight) and wrapper.perturbed_weight <= 1,
            'a number from 0 to 1',
        ),
        sync_classes=(
            not wrapper.sync_classes or wrapper.direction == 'gradient',
            "False with direction='random', where ranks draw their own directions",
        ),
    )
    for name, (valid, wanted) in rules.items():
        if not valid:
            value = getattr(wrapper, name)
            raise ValueError(
                f'optim_wrapper.{name} is {value!r}, but must be {wanted}.'
            )


def _is_number(value) -> bool:
    """Whether it is a finite number >= 0."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value < float('inf')
