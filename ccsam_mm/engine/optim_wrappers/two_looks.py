# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lets a head look at one batch twice inside a single, ordinary forward."""

import inspect
from contextlib import ExitStack, contextmanager
from typing import Callable, Dict, List, Optional, Union

import torch
import torch.nn as nn
from torch import Tensor

from .buffer_snapshot import BufferSnapshot
from .loss_paths import mark_gate
from .perturbed_part import LinearClassifier
from .random_state import RandomState


class TwoLooks:
    """Watches a training forward and replaces the losses that it returns.

    The first look is the model's own forward. Then ``second_logits`` makes the outputs
    of the linear layer for a second look at the head's loss, and ``join_losses`` makes
    the losses that the model returns. Hooks do all of it, so the training step, the DDP
    reducer and the grad scaler see an ordinary forward.

    Args:
        classifier (LinearClassifier): The head and its linear layer.
        second_logits (Callable): ``(features, logits, total_loss, labels) -> (logits,
            row_weights)``; the latter, ``(B, )`` or None, scale the images' gradients.
        join_losses (Callable): ``(first, second) -> losses``, dictionaries of losses.
    """

    def __init__(
        self,
        classifier: LinearClassifier,
        second_logits: Callable[[Tensor, Tensor, Tensor, Tensor], tuple],
        join_losses: Callable[[Dict, Dict], Dict],
    ):
        self.model, self.head, self.linear, self.name = classifier
        self.second_logits = second_logits
        self.join_losses = join_losses
        self.signature = inspect.signature(self.model.forward)
        self.num_looks = 0
        self._forget()

    @contextmanager
    def watch(self):
        """Hook the model for the length of the context, also if it ends in an error."""
        with ExitStack() as stack:
            for handle in (
                self.head.register_forward_pre_hook(
                    self._before_head, with_kwargs=True
                ),
                self.linear.register_forward_hook(self._after_linear, with_kwargs=True),
                self.model.register_forward_hook(self._after_model, with_kwargs=True),
            ):
                stack.callback(handle.remove)
            stack.callback(self._forget)
            yield

    def _forget(self):
        self.feats = self.state = self.features = self.logits = None
        self.spare_state = self.random_state = None
        self.in_second_look = False

    def _before_head(self, head, args, kwargs):
        if not self.in_second_look and torch.is_grad_enabled():
            self.feats = next(iter((*args, *kwargs.values())), None)
            # A loss may count samples: the second look must start where the first did.
            self.state = BufferSnapshot(head)
            self.random_state = RandomState({p.device for p in head.parameters()})
            if not self.num_looks:
                self.spare_state = BufferSnapshot(head)

    def _after_linear(self, linear, args, kwargs, output):
        if self.in_second_look or not torch.is_grad_enabled():
            return None
        if self.logits is not None:
            raise RuntimeError(
                f'The linear layer {self.name!r} runs more than once in a forward, so '
                'CCSAMOptimWrapper can not tell which images it belongs to: set '
                'optim_wrapper.perturb to a layer that runs once.'
            )
        self.features = next(iter((*args, *kwargs.values())))
        # Half-precision logit gradients would underflow.
        self.logits = output.float() if output.dtype.itemsize < 4 else output
        # A copy goes on, since an activation may overwrite what it gets.
        return self.logits.clone()

    # A compiled train_step calls it, but can't trace a forward that comes and goes.
    @torch.compiler.disable
    def _after_model(self, model, args, kwargs, losses):
        called = self.signature.bind(*args, **kwargs).arguments
        if called.get('mode') != 'loss' or not torch.is_grad_enabled():
            if not self.in_second_look:
                self._forget()
            return None
        labels = self._labels(called.get('data_samples'))
        if not self.num_looks:
            self._refuse_changed_losses(losses, called['data_samples'])
        self.num_looks += 1
        total, _ = model.parse_losses(losses)
        perturbed = self.second_logits(self.features, self.logits, total, labels)
        second = self._look(*perturbed, called['data_samples'], self.state)
        self._forget()
        return self.join_losses(losses, second)

    def _labels(self, data_samples) -> Tensor:
        if self.logits is None or self.feats is None:
            raise RuntimeError(
                f'The linear layer {self.name!r} or its {type(self.head).__name__} did '
                'not run with gradients in the forward, so CCSAMOptimWrapper can not '
                'perturb it: set optim_wrapper.perturb to a layer that the loss uses, '
                'or switch off activation checkpointing.'
            )
        if self.logits.shape[:-1] != (len(data_samples or ()),):
            raise RuntimeError(
                f'The linear layer {self.name!r} gives {tuple(self.logits.shape)} for '
                f'{len(data_samples or ())} data samples; CCSAMOptimWrapper needs one '
                'row per image: set optim_wrapper.perturb to such a layer.'
            )
        return class_labels(data_samples, not self.num_looks).to(self.logits.device)

    @torch.no_grad()
    def _refuse_changed_losses(self, losses: Dict, data_samples) -> None:
        """In the first step: the head's losses have to be the model's."""
        # A copy, since the head may change in place what it gets.
        own = self._look(self.logits.clone(), None, data_samples, self.spare_state)
        for key in own:
            if 'loss' not in key:
                continue
            if key not in losses or not torch.allclose(
                loss_scalar(losses[key]).float(),
                loss_scalar(own[key]).float(),
                rtol=1e-3,
                atol=1e-6,
                equal_nan=True,
            ):
                raise NotImplementedError(
                    f'{type(self.model).__name__} changes the loss {key!r} that its '
                    f'{type(self.head).__name__} returns, which CCSAMOptimWrapper can '
                    f'not follow where {self.name!r} alone is perturbed: let the head '
                    'change it (`loss_weight`), or let optim_wrapper.perturb name '
                    'another part, too.'
                )

    def _look(
        self,
        logits: Tensor,
        row_weights: Optional[Tensor],
        data_samples,
        state: BufferSnapshot,
    ) -> Dict:
        """The head's losses with other outputs of the linear layer."""
        self.in_second_look = True
        with ExitStack() as stack:
            # The same dropout, and for what follows the state after the first look.
            stack.enter_context(self.random_state.replayed())
            stack.enter_context(state.restored())
            stack.enter_context(
                override_forward(self.linear, lambda *args, **kwargs: logits)
            )
            stack.enter_context(weighted_rows(self.head, row_weights))
            return self.head.loss(self.feats, data_samples)


def class_labels(data_samples: List, check: bool = False) -> Tensor:
    """Class of each image, the one with the largest weight for soft labels.

    Args:
        data_samples (List[DataSample]): Annotations with ``gt_score`` (which a loss
            prefers, see :class:`mmpretrain.models.ClsHead`) or ``gt_label``.
        check (bool): Whether to look for several labels in ``gt_score``, which may wait
            for the device. Defaults to False.

    Returns:
        Tensor: ``(B, )`` of integers.
    """
    if 'gt_score' in data_samples[0]:
        scores = torch.stack([sample.gt_score for sample in data_samples])
        # Soft labels share one image; several labels are a whole one each.
        if check and (scores.sum(dim=1) > 1.5).any():
            raise ValueError(_ONE_LABEL.format('several labels in gt_score'))
        return scores.argmax(dim=1)
    labels = [getattr(sample, 'gt_label', None) for sample in data_samples]
    for label in labels:
        if label is None or label.numel() != 1:
            found = 'no gt_label' if label is None else f'{label.numel()} labels'
            raise ValueError(_ONE_LABEL.format(found))
    return torch.cat(labels)


_ONE_LABEL = (
    'An image has {}, and methods that treat classes differently need one class for '
    "each: use data of one label per image, or optim_wrapper.type='OptimWrapper' "
    "or 'SAMOptimWrapper'."
)


def loss_scalar(value: Union[Tensor, List[Tensor]]) -> Tensor:
    """Scalar of a loss entry as MMEngine's ``parse_losses`` adds it up."""
    if isinstance(value, Tensor):
        return value.mean()
    return sum(item.mean() for item in value)


@contextmanager
def weighted_rows(head: nn.Module, row_weights: Optional[Tensor]):
    """Scale the gradients of a head's scores row by row, within the context.

    Images are independent, so scaling a row's gradient weighs its loss.

    Args:
        head (nn.Module): The head.
        row_weights (Tensor, optional): ``(B, )``; None changes nothing.
    """
    weighed = []

    def refuse():
        raise NotImplementedError(
            "class_reduction='class' needs a head with a forward that gives one row of "
            f'scores per image, which {type(head).__name__} has not: set '
            "optim_wrapper.class_reduction='sample'."
        )

    def weigh(head, args, scores):
        if not isinstance(scores, Tensor) or len(scores) != len(row_weights):
            refuse()
        weighed.append(True)
        scores = scores.clone()
        shape = (-1,) + (1,) * (scores.ndim - 1)
        weights = row_weights.to(scores.dtype).view(shape)
        if scores.requires_grad:
            mark_gate(scores)
            scores.register_hook(lambda grad: grad * weights)
        return scores

    with ExitStack() as stack:
        if row_weights is not None:
            if head is None:
                refuse()
            stack.callback(head.register_forward_hook(weigh).remove)
        yield
        if row_weights is not None and not weighed:
            refuse()


@contextmanager
def override_forward(module: nn.Module, forward: Callable):
    """Let a module run another forward for the length of the context."""
    own = vars(module).get('forward')
    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
