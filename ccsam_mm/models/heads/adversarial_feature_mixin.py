# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The loss of stage 2 of CC-SAM (Zhou et al., CVPR 2023), section 3.2, Eq. 12-14."""

import math
from typing import List, Optional, Sequence, Tuple, Union

import torch
from mmengine.logging import MessageHub
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.func import functional_call

from ccsam_mm.datasets import training_class_counts

from .last_linear import find_last_linear, last_features
from .stage1_head import reset_last_linear, warn_of_another_head


class AdversarialFeatureMixin:
    """Gives the loss of stage 2 to a head of MMPretrain that ends in a linear layer.

    Put it before a subclass of :class:`mmpretrain.models.ClsHead` among the bases. The
    parameters keep the names of that head, so its checkpoints load unchanged. The
    features of Eq. 12 are the input of its last linear layer. Both terms of the loss
    train the layers before it, unless they are frozen.

    Args:
        num_classes (int): Number of categories.
        adv_step, step_rule, grad_norm, max_adv_weight, reset_classifier, class_counts,
            adv_image_weight: See :class:`AdversarialFeatureHead`.
        **kwargs: Arguments of the head.

    Examples:
        >>> from mmpretrain.models import StackedLinearClsHead
        >>> from ccsam_mm.models.heads import AdversarialFeatureMixin
        >>> class Head(AdversarialFeatureMixin, StackedLinearClsHead):
        ...     pass
        >>> head = Head(num_classes=3, in_channels=4, mid_channels=[8])
        >>> head.last_linear
        Linear(in_features=8, out_features=3, bias=True)
    """

    def __init__(
        self,
        num_classes: int,
        adv_step: float = 1.0,
        step_rule: str = 'constant',
        grad_norm: str = 'sample',
        max_adv_weight: float = 1.0,
        reset_classifier: bool = False,
        class_counts: Optional[Sequence[int]] = None,
        adv_image_weight: str = 'equal',
        **kwargs,
    ):
        super().__init__(num_classes=num_classes, **kwargs)
        if not _is_number(adv_step) or adv_step <= 0:
            raise ValueError(
                f'adv_step={adv_step}: set model.head.adv_step to a number > 0.'
            )
        if not _is_number(max_adv_weight) or not 0 <= max_adv_weight <= 1:
            raise ValueError(
                f'max_adv_weight={max_adv_weight}: set model.head.max_adv_weight to a '
                'number from 0 to 1.'
            )
        _check_choice('step_rule', step_rule, ('constant', 'log_frequency'))
        _check_choice('grad_norm', grad_norm, ('sample', 'class'))
        _check_choice('adv_image_weight', adv_image_weight, ('equal', 'log_frequency'))
        self.num_classes = num_classes
        self._last_linear = find_last_linear(self, num_classes)
        if not isinstance(reset_classifier, bool):
            raise ValueError(
                f'reset_classifier={reset_classifier!r}: set '
                'model.head.reset_classifier to True or False.'
            )
        self.adv_step = adv_step
        self.step_rule = step_rule
        self.grad_norm = grad_norm
        self.adv_image_weight = adv_image_weight
        self.max_adv_weight = max_adv_weight
        self.reset_classifier = reset_classifier
        self.class_counts = class_counts
        self._counts: Optional[Tensor] = None
        if class_counts is not None:
            self._known_class_counts()
        if reset_classifier:
            # Distinguishes checkpoints of this head from those of stage 1.
            self.register_buffer('classifier_was_reset', torch.ones(1))

    @property
    def last_linear(self) -> nn.Linear:
        """The layer that gives the scores."""
        return self.get_submodule(self._last_linear)

    def loss(
        self, feats: Tuple[Tensor, ...], data_samples: List[DataSample], **kwargs
    ) -> dict:
        """Calculate the clean and the adversarial loss.

        Args:
            feats (tuple): The outputs of the backbone or neck; they get no gradient.
            data_samples (List[DataSample]): The annotation data of every sample.
            **kwargs: Other keyword arguments to forward to the loss module.

        Returns:
            dict[str, Tensor]: ``loss_clean`` and ``loss_adv``, which sum to the
            loss, and ``adv_weight``.
        """
        linear = self.last_linear
        features = last_features(self, linear, feats)
        # A loss that counts in its buffers must count the clean pass alone.
        buffers = {k: v.clone() for k, v in self.loss_module.named_buffers()}
        # Half precision would round the small gradients of fitted images to zero.
        with torch.autocast(features.device.type, enabled=False):
            with torch.enable_grad():
                z = features if features.requires_grad else features.detach()
                z.requires_grad_()
                losses = self._get_loss(linear(z), data_samples, **kwargs)
                clean_loss = losses.pop('loss')
                grad = torch.autograd.grad(clean_loss, z, retain_graph=True)[0]
            target = _stack_targets(data_samples).to(features.device)
            labels = target.argmax(dim=1) if target.ndim == 2 else target
            scores = linear(features + self._perturbation(grad, labels))
            options = dict(avg_factor=len(scores), **kwargs)
            if self.adv_image_weight == 'log_frequency':
                options['weight'] = self._log_frequency(scores)[labels]
            adv_loss = functional_call(
                self.loss_module, buffers, (scores, target), options
            )
        weight = self._adv_weight()
        losses['loss_clean'] = (1 - weight) * clean_loss
        losses['loss_adv'] = weight * adv_loss
        losses['adv_weight'] = clean_loss.new_tensor(weight)
        return losses

    def _perturbation(self, grad: Tensor, labels: Tensor) -> Tensor:
        """Eq. 12's second term, of shape ``(num_samples, in_channels)``."""
        if self.grad_norm == 'class':
            same_group = labels[:, None] == labels
        else:
            same_group = torch.eye(len(grad), dtype=torch.bool, device=grad.device)
        precise = grad.to(torch.promote_types(grad.dtype, torch.float32))
        direction = _unit_per_group(precise, same_group).to(grad.dtype)
        if self.step_rule == 'constant':
            return self.adv_step * direction
        steps = self.adv_step * self._log_frequency(grad)
        return steps[labels, None] * direction

    def _log_frequency(self, like: Tensor) -> Tensor:
        """The authors' factor of each class, with shape ``(num_classes, )``."""
        counts = self._known_class_counts().to(like)
        return torch.log(counts.max() / counts + 0.01) / 2

    def _adv_weight(self) -> float:
        """Share of the training that is done, at most ``max_adv_weight``."""
        hub = MessageHub.get_current_instance()
        max_epochs = hub.get_info('max_epochs')
        if max_epochs is None:
            return self.max_adv_weight
        if max_epochs == 1:
            progress = (hub.get_info('iter') + 1) / hub.get_info('max_iters')
        else:
            progress = (hub.get_info('epoch') + 1) / max_epochs
        return min(progress, self.max_adv_weight)

    def _known_class_counts(self) -> Tensor:
        """Training images per class, from the argument or the training data set."""
        if self._counts is None:
            self._counts = training_class_counts(
                "AdversarialFeatureHead with the rule 'log_frequency'",
                'model.head.class_counts',
                self.class_counts,
                self.num_classes,
            )
        return self._counts

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args):
        """Keep the own linear layer when another head's checkpoint is loaded."""
        if self.reset_classifier:
            reset_last_linear(self, state_dict, prefix, self._last_linear)
        warn_of_another_head(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _unit_per_group(rows: Tensor, same_group: Tensor) -> Tensor:
    """Divide each row by the joint norm of its group's rows; zeros stay zeros.

    Args:
        rows (Tensor): Vectors with shape ``(B, d)``.
        same_group (Tensor): Which rows share a group, with shape ``(B, B)``.

    Returns:
        Tensor: The scaled rows, with shape ``(B, d)``.
    """
    # By the largest entry first, so that squares neither underflow nor overflow.
    largest = torch.where(same_group, rows.abs().amax(dim=1), 0).amax(dim=1)
    rows = rows / largest.clamp(min=torch.finfo(rows.dtype).tiny)[:, None]
    squares = torch.where(same_group, rows.square().sum(dim=1), 0).sum(dim=1)
    return rows / squares.sqrt().clamp(min=1)[:, None]


def _stack_targets(data_samples: List[DataSample]) -> Tensor:
    """Labels with shape ``(B, )``, or soft ones ``(B, K)``, as ``ClsHead`` reads."""
    if 'gt_score' in data_samples[0]:
        return torch.stack([sample.gt_score for sample in data_samples])
    return torch.cat([sample.gt_label for sample in data_samples])


def _is_number(value: Union[int, float]) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _check_choice(name: str, value: str, choices: Tuple[str, str]) -> None:
    if value not in choices:
        raise ValueError(
            f'{name}={value!r}: set model.head.{name} to {choices[0]!r} or '
            f'{choices[1]!r}.'
        )
