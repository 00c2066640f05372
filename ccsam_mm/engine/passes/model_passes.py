# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A clean and a perturbed pass through a whole model in one ordinary forward."""

import inspect
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Optional

import torch
import torch.nn as nn
from torch import Tensor
from torch.func import functional_call

from .random_state import RandomState


class ModelPasses:
    """Watches training forwards and replaces the losses that they return.

    The clean pass is the model's own forward. In the perturbed pass it runs on the
    same batch with other parameters, the same random numbers, and buffers (running
    statistics, counters of losses) that start as they did in the clean pass; whatever
    it does to buffers and random generators is forgotten. Hooks do all of it, so the
    training step, the DDP reducer and the grad scaler see an ordinary forward.

    Args:
        model (nn.Module): The training model, without its DDP wrapper.
        new_losses (Callable): ``(first_losses, self) -> losses``, called after the
            clean pass; it may call :meth:`run_again`.
    """

    def __init__(
        self,
        model: nn.Module,
        new_losses: Callable[[Dict, 'ModelPasses'], Optional[Dict]],
    ):
        self.model: Any = model
        self.new_losses = new_losses
        self.signature = inspect.signature(model.forward)
        self.num_forwards = 0
        self._forget()

    @contextmanager
    def watch(self):
        """Hook the model for the length of the context, also if it ends in an error."""
        with ExitStack() as stack:
            for handle in (
                self.model.register_forward_pre_hook(self._before, with_kwargs=True),
                self.model.register_forward_hook(self._after, with_kwargs=True),
            ):
                stack.callback(handle.remove)
            stack.callback(self._forget)
            yield

    @property
    def is_running(self) -> bool:
        """Whether a training forward is under way."""
        return self.random_state is not None

    def run_again(self, parameters: Dict[str, Tensor]) -> Dict:
        """Run the model on the same batch with other parameters.

        Args:
            parameters (Dict[str, Tensor]): Values by name, for any of the parameters.

        Returns:
            Dict: The losses of the perturbed pass.
        """
        state = {**parameters, **self.buffers}
        self.in_perturbed_pass = True
        with self.random_state.replayed():
            return functional_call(self.model, state, self.args, self.kwargs)

    def argument(self, name: str):
        """Value of one of the arguments of the model's forward."""
        if name in self.kwargs:
            return self.kwargs[name]
        bound = self.signature.bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        return bound.arguments.get(name)

    def _forget(self):
        self.args = self.kwargs = self.buffers = self.random_state = None
        self.in_perturbed_pass = False
        self.depth = 0

    def _before(self, model, args, kwargs):
        if self.in_perturbed_pass or not torch.is_grad_enabled():
            return
        if self.is_running:
            self.depth += 1  # a call within the forward
            return
        self.args, self.kwargs = args, kwargs
        if self.argument('mode') == 'loss':
            self.num_forwards += 1
            self.buffers = {name: b.clone() for name, b in model.named_buffers()}
            self.random_state = RandomState({p.device for p in model.parameters()})

    def _after(self, model, args, kwargs, losses):
        if self.in_perturbed_pass or not self.is_running:
            return None
        if self.depth:
            self.depth -= 1
            return None
        try:
            return self.new_losses(losses, self)
        finally:
            self._forget()
