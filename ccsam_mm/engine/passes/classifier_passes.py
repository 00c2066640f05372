# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A clean and a perturbed pass through the classifier in one ordinary forward."""

import inspect
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Optional

import torch
from torch import Tensor

from .buffer_snapshot import BufferSnapshot
from .class_labels import class_labels
from .loss_values import loss_scalar
from .override_forward import override_forward
from .perturbed_parameters import LinearClassifier
from .random_state import RandomState
from .weighted_samples import weighted_samples


class ClassifierPasses:
    """Watches a training forward and replaces the losses that it returns.

    The clean pass is the model's own forward. Then ``perturb_logits`` makes the outputs
    of the linear layer for the perturbed pass through the head's loss, and
    ``join_losses`` makes the losses that the model returns. Hooks do all of it, so the
    training step, the DDP reducer and the gradient scaler see an ordinary forward.

    Args:
        classifier (LinearClassifier): The head and its linear layer.
        perturb_logits (Callable): ``(features, logits, total_loss, labels,
            data_samples) -> (logits, sample_weights)``; the latter, ``(B, )`` or None,
            scale the images' gradients.
        join_losses (Callable): ``(first, second) -> losses``, dictionaries of losses.
    """

    def __init__(
        self,
        classifier: LinearClassifier,
        perturb_logits: Callable[[Tensor, Tensor, Tensor, Tensor, list], tuple],
        join_losses: Callable[[Dict, Dict], Dict],
    ):
        self.model: Any = classifier.model
        self.head: Any = classifier.head
        self.linear, self.name = classifier.linear, classifier.name
        self.perturb_logits = perturb_logits
        self.join_losses = join_losses
        self.signature = inspect.signature(self.model.forward)
        self.num_forwards = 0
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
        self.in_perturbed_pass = False

    def _before_head(self, head, args, kwargs):
        if not self.in_perturbed_pass and torch.is_grad_enabled():
            self.feats = next(iter((*args, *kwargs.values())), None)
            # A loss may count samples: both passes must start from the same state.
            self.state = BufferSnapshot(head)
            self.random_state = RandomState({p.device for p in head.parameters()})
            if not self.num_forwards:
                self.spare_state = BufferSnapshot(head)

    def _after_linear(self, linear, args, kwargs, output):
        if self.in_perturbed_pass or not torch.is_grad_enabled():
            return None
        if self.logits is not None:
            raise RuntimeError(
                f'The linear layer {self.name!r} runs more than once in a forward, so '
                'CCSAMOptimWrapper cannot tell which images it belongs to: set '
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
            if not self.in_perturbed_pass:
                self._forget()
            return None
        labels = self._labels(called.get('data_samples'))
        if not self.num_forwards:
            self._refuse_changed_losses(losses, called['data_samples'])
        self.num_forwards += 1
        total, _ = model.parse_losses(losses)
        samples = called['data_samples']
        perturbed = self.perturb_logits(
            self.features, self.logits, total, labels, samples
        )
        second = self._head_losses(*perturbed, samples, self.state)
        self._forget()
        return self.join_losses(losses, second)

    def _labels(self, data_samples) -> Tensor:
        if self.logits is None or self.feats is None:
            raise RuntimeError(
                f'The linear layer {self.name!r} or its {type(self.head).__name__} did '
                'not run with gradients in the forward, so CCSAMOptimWrapper cannot '
                'perturb it: set optim_wrapper.perturb to a layer that the loss uses, '
                'or switch off activation checkpointing.'
            )
        if self.logits.shape[:-1] != (len(data_samples or ()),):
            raise RuntimeError(
                f'The linear layer {self.name!r} gives {tuple(self.logits.shape)} for '
                f'{len(data_samples or ())} data samples; CCSAMOptimWrapper needs one '
                'row per image: set optim_wrapper.perturb to such a layer.'
            )
        return class_labels(data_samples, not self.num_forwards).to(self.logits.device)

    @torch.no_grad()
    def _refuse_changed_losses(self, losses: Dict, data_samples) -> None:
        """In the first step: the head's losses have to be the model's."""
        # A copy, since the head may change in place what it gets.
        own = self._head_losses(
            self.logits.clone(), None, data_samples, self.spare_state
        )
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
                    f'{type(self.head).__name__} returns, which CCSAMOptimWrapper '
                    f'cannot follow where {self.name!r} alone is perturbed: let the '
                    'head change it (`loss_weight`), or let optim_wrapper.perturb name '
                    'another part, too.'
                )

    def _head_losses(
        self,
        logits: Tensor,
        sample_weights: Optional[Tensor],
        data_samples,
        state: BufferSnapshot,
    ) -> Dict:
        """The head's losses with other outputs of the linear layer."""
        self.in_perturbed_pass = True
        with ExitStack() as stack:
            # The same dropout, and for what follows the state after the clean pass.
            stack.enter_context(self.random_state.replayed())
            stack.enter_context(state.restored())
            stack.enter_context(
                override_forward(self.linear, lambda *args, **kwargs: logits)
            )
            stack.enter_context(weighted_samples(self.head, sample_weights))
            return self.head.loss(self.feats, data_samples)
