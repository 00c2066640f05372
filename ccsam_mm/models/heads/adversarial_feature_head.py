# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Stage 2 of CC-SAM (Zhou et al., CVPR 2023), section 3.2, Eq. 12-14."""

import math
from typing import List, Optional, Sequence, Tuple, Union

import torch
from mmengine.logging import MessageHub
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.func import functional_call

from ccsam_mm.datasets import training_class_counts


@MODELS.register_module()
class AdversarialFeatureHead(LinearClsHead):
    r"""Linear head that also learns from features moved against it.

    With the features ``z`` of an image, which get no gradient, the clean loss
    :math:`L_S`, and epoch ``t`` of ``T``:

    .. math::
        z_{adv} = z + \lambda \frac{\nabla_z L_S}{\|\nabla_z L_S\|_2}, \qquad
        L = (1 - a) L_S(z) + a L_S(z_{adv}), \qquad
        a = \min(t / T, a_{max})

    The two terms are logged as ``loss_clean`` and ``loss_adv``, and ``a`` as
    ``adv_weight``. ``t`` counts from 1 and comes from MMEngine's message hub. Where
    the whole training is one epoch, as in iteration-based loops, iterations are
    counted instead. Outside a training loop, ``a`` is ``max_adv_weight``.

    The head works in full precision also under autocast. Any loss of MMPretrain
    will do, as long as it is a mean over independent images. With soft labels, an
    image belongs to the class with the largest label weight.

    Args:
        num_classes (int): Number of categories.
        in_channels (int): Number of channels in the input feature map.
        adv_step (float): Length :math:`\lambda` of the step on the features.
            Defaults to 1.0.
        step_rule (str): ``'constant'``, or ``'log_frequency'`` for the rule of the
            authors' code, ``adv_step * log(n_max / n_c + 0.01) / 2`` for an image of
            a class with ``n_c`` training images. Defaults to ``'constant'``.
        grad_norm (str): What is normalised to length one: ``'sample'``, the gradient
            of each image, or ``'class'`` as in the authors' code, the gradients of
            a class's images in the batch together. Defaults to ``'sample'``.
        max_adv_weight (float): Largest weight :math:`a_{max}` of the adversarial
            term. Defaults to 1.0.
        reset_classifier (bool): Whether the linear layer starts afresh when the
            checkpoint of another head is loaded, such as that of stage 1. A
            checkpoint of this head (with ``reset_classifier=True``, too) is always
            loaded as it is. Defaults to False.
        class_counts (Sequence[int], optional): Training images per class, for
            ``'log_frequency'``. If None, those of the training data set.
            Defaults to None.
        adv_image_weight (str): Weights of the images in the adversarial loss:
            ``'equal'``, or ``'log_frequency'`` as in the authors' code, where the
            factor ``log(n_max / n_c + 0.01) / 2`` weighs the loss, too. Defaults to
            ``'equal'``.
        **kwargs: Other arguments of :class:`mmpretrain.models.LinearClsHead`, such
            as ``loss``.

    Examples:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from ccsam_mm.models.heads import AdversarialFeatureHead
        >>> head = AdversarialFeatureHead(num_classes=3, in_channels=4)
        >>> feats = (torch.randn(2, 4), )
        >>> data_samples = [DataSample().set_gt_label(c) for c in (0, 2)]
        >>> sorted(head.loss(feats, data_samples))
        ['adv_weight', 'loss_adv', 'loss_clean']
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        adv_step: float = 1.0,
        step_rule: str = 'constant',
        grad_norm: str = 'sample',
        max_adv_weight: float = 1.0,
        reset_classifier: bool = False,
        class_counts: Optional[Sequence[int]] = None,
        adv_image_weight: str = 'equal',
        **kwargs,
    ):
        super().__init__(num_classes, in_channels, **kwargs)
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
            # Tells checkpoints of this head from those of stage 1.
            self.register_buffer('classifier_was_reset', torch.ones(1))

    def loss(
        self, feats: Tuple[Tensor, ...], data_samples: List[DataSample], **kwargs
    ) -> dict:
        """Calculate the clean and the adversarial loss.

        Args:
            feats (tuple[Tensor]): The features extracted from the backbone. Only
                the last item is used, with the shape ``(num_samples, in_channels)``.
            data_samples (List[DataSample]): The annotation data of every sample.
            **kwargs: Other keyword arguments to forward to the loss module.

        Returns:
            dict[str, Tensor]: ``loss_clean`` and ``loss_adv``, which sum to the
            loss, and ``adv_weight``.
        """
        z = self.pre_logits(feats).detach().to(self.fc.weight.dtype)
        # What a loss counts in its buffers is counted by the clean look alone.
        buffers = {k: v.clone() for k, v in self.loss_module.named_buffers()}
        # Half precision would round the small gradients of sure images to zero.
        with torch.autocast(z.device.type, enabled=False):
            with torch.enable_grad():
                z.requires_grad_()
                losses = self._get_loss(self.fc(z), data_samples, **kwargs)
                clean_loss = losses.pop('loss')
                grad = torch.autograd.grad(clean_loss, z, retain_graph=True)[0]
            target = _stack_targets(data_samples).to(z.device)
            labels = target.argmax(dim=1) if target.ndim == 2 else target
            scores = self.fc(z.detach() + self._perturbation(grad, labels))
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
        """Progress of the training, at most ``max_adv_weight``."""
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
        if self.reset_classifier and f'{prefix}classifier_was_reset' not in state_dict:
            state_dict[f'{prefix}classifier_was_reset'] = self.classifier_was_reset
            for name, param in self.fc.named_parameters(prefix=f'{prefix}fc'):
                state_dict[name] = param.detach()
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
