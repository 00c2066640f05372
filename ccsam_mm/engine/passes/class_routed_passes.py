# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A clean pass and a perturbed pass with weights of each class, in one forward."""

import copy
import inspect
from contextlib import ExitStack, contextmanager
from typing import Callable, Dict, Iterator, List, Optional, Set

import torch
import torch.nn as nn
from mmengine.dist import get_world_size
from torch import Tensor

from ccsam_mm.sharpness import ClassRouting, routed_forward
from ccsam_mm.sharpness.call_layout import CallLayout, ClassRoutingError

from .buffer_snapshot import BufferSnapshot
from .call_records import CallRecords
from .class_labels import class_labels
from .first_step_check import FirstStepCheck
from .module_calls import unroutable
from .override_forward import override_forward
from .perturbed_modules import PerturbedModules
from .random_state import RandomState
from .routed_hooks import hooks_around, hooks_inside
from .weighted_samples import weighted_samples


class ClassRoutedPasses:
    """Watches a training forward and replaces the losses that it returns.

    The batch is sorted by class. In the clean pass, the model's own forward, every
    module with perturbed parameters sends the images of a class through that class's
    view of the weights, so that one ``autograd.grad`` yields the gradients of all
    classes. The perturbed pass repeats the forward with perturbed weights; what ran
    before the first such module is not computed again: its recorded outputs are used.

    Args:
        part (PerturbedModules): The perturbed part.
        perturb (Callable): ``(views, total_loss, routing, data_samples) -> (directions,
            factors, sample_weights)``. ``views`` and ``directions`` have one tensor
            ``(C, *shape)`` per perturbed parameter; ``factors``, ``(C, )``, times
            directions are the perturbations; ``sample_weights``, ``(B, )`` or None,
            scale the images' gradients.
        join_losses (Callable): ``(first, second) -> losses``, dictionaries of losses.
    """

    def __init__(
        self,
        part: PerturbedModules,
        perturb: Callable[[List[Tensor], Tensor, ClassRouting, list], tuple],
        join_losses: Callable[[Dict, Dict], Dict],
    ):
        self.part = part
        self.model = part.model
        self.perturb = perturb
        self.join_losses = join_losses
        self.signature = inspect.signature(self.model.forward)
        self.num_forwards = 0
        # Which arguments of the modules hold images, as the first step shows.
        self.layouts: Dict[str, List[CallLayout]] = {}
        self._checked_classes = 0
        self._checking = False
        self._pass = None

    @contextmanager
    def watch(self):
        """Hook the model for the length of the context, also if it ends in an error."""
        with ExitStack() as stack:
            for handle in (
                self.model.register_forward_pre_hook(
                    self._before_model, with_kwargs=True
                ),
                self.model.register_forward_hook(self._after_model, with_kwargs=True),
            ):
                stack.callback(handle.remove)
            stack.callback(self._end_pass)
            yield

    def _end_pass(self) -> None:
        if self._pass is not None:
            self._pass.close()
            self._pass = None

    def _before_model(self, model, args, kwargs):
        bound = self.signature.bind(*args, **kwargs)
        is_loss = bound.arguments.get('mode') == 'loss'
        if self._checking or not is_loss or not torch.is_grad_enabled():
            return None
        self._end_pass()
        samples = bound.arguments['data_samples']
        routing = ClassRouting(class_labels(samples, not self.num_forwards))
        check = self._first_step_check(routing, bound)
        _select(bound, routing.order)
        self._pass = _Pass(self.part, routing, self.layouts, check)
        self._pass.start_clean_pass()
        return bound.args, bound.kwargs

    def _first_step_check(
        self, routing: ClassRouting, bound: inspect.BoundArguments
    ) -> Optional[FirstStepCheck]:
        """Plain forwards to hold the first step against; None in all later ones."""
        num_classes = len(routing.sizes)
        # Classes of one batch are nothing to check; ranks have to agree, as they may
        # talk to each other in a forward.
        if self._checked_classes > 1 or (
            self._checked_classes and get_world_size() > 1
        ):
            return None
        if self._checked_classes and num_classes == 1:
            return None

        def forward(indices: List[int]) -> Dict:
            chosen = copy.copy(bound)
            chosen.arguments = dict(bound.arguments)
            _select(chosen, routing.order[indices])
            return self.model.forward(*chosen.args, **chosen.kwargs)

        self._checking = True
        try:
            check = FirstStepCheck(self.part, forward, routing.num_images)
        finally:
            self._checking = False
        self._checked_classes = num_classes
        self.layouts = self.layouts or check.layouts
        return check

    def _after_model(self, model, args, kwargs, losses):
        called = self.signature.bind(*args, **kwargs).arguments
        if self._pass is None or called.get('mode') != 'loss':
            return None
        current = self._pass
        self.num_forwards += 1
        total, _ = model.parse_losses(losses)
        current.end_clean_pass()
        if current.check:
            current.check.check_first_pass(losses)
        directions, factors, sample_weights = self.perturb(
            current.views, total, current.routing, called['data_samples']
        )
        if current.check:
            # Only now, when the gradients of the first pass have freed its graph.
            with current.perturbed_pass(
                current.views, None, current.check.spare_buffers
            ):
                again = model.forward(*args, **kwargs)
            current.check.check_second_pass(losses, again)
            del again
        pairs = zip(self.part.parameters(), directions)
        weights = [_moved(p, d, factors) for p, d in pairs]
        with current.perturbed_pass(weights, sample_weights, current.buffers):
            second = model.forward(*args, **kwargs)
        self._end_pass()
        return self.join_losses(losses, second)


class _Pass:
    """The two passes of one batch."""

    def __init__(
        self,
        part: PerturbedModules,
        routing: ClassRouting,
        layouts: Dict[str, List[CallLayout]],
        check: Optional[FirstStepCheck],
    ):
        self.part = part
        self.routing = routing
        self.layouts = layouts
        self.check = check
        self.stack = ExitStack()
        self.buffers = BufferSnapshot(part.model)
        devices = {p.device for p in part.parameters()}
        # Calls that end before the first perturbed module begins.
        self.records = CallRecords(part.model, part.others, devices)
        self.random_state = RandomState(devices)
        self.ran: Set[str] = set()

    def close(self) -> None:
        """Give all modules their own forward back."""
        self.stack.close()

    def start_clean_pass(self) -> None:
        """Install class-wise views of the weights, and record what runs before."""
        num_classes = len(self.routing.sizes)
        self.views = [_view(p, num_classes) for p in self.part.parameters()]
        self.records.record(self.stack)
        self._route(self.stack, self.views, self.check)

    def end_clean_pass(self) -> None:
        """Give the modules their forward back; refuse what cannot be repeated."""
        self.close()
        for name in self.part.modules:
            if name not in self.ran:
                raise RuntimeError(
                    f'{name!r} did not run with gradients in the forward, so '
                    'CCSAMOptimWrapper cannot perturb it: leave it out of '
                    'optim_wrapper.perturb, or switch off activation checkpointing.'
                )
        self.records.refuse_changes()

    @contextmanager
    def perturbed_pass(
        self,
        weights: List[Tensor],
        sample_weights: Optional[Tensor],
        buffers: BufferSnapshot,
    ) -> Iterator[None]:
        """Other weights; recorded outputs stand in; nothing else moves again."""
        with ExitStack() as stack:
            stack.enter_context(self.random_state.replayed())
            stack.enter_context(buffers.restored())
            stack.enter_context(self.records.replayed())
            self._route(stack, weights)
            head = getattr(self.part.model, 'head', None)
            stack.enter_context(weighted_samples(head, sample_weights))
            yield

    def _route(
        self,
        stack: ExitStack,
        weights: List[Tensor],
        check: Optional[FirstStepCheck] = None,
    ) -> None:
        """Let every module run with class-wise weights."""
        stacks = dict(zip(self.part.parameters(), weights))
        for name, parameters in self.part.modules.items():
            module = self.part.model.get_submodule(name)
            own = {key: stacks[parameter] for key, parameter in parameters.items()}
            forward = self._routed(name, module, own, check)
            stack.enter_context(override_forward(module, forward))
            stack.enter_context(hooks_around(module))

    def _routed(
        self,
        name: str,
        module: nn.Module,
        weights: Dict[str, Tensor],
        check: Optional[FirstStepCheck],
    ):
        inside = False
        own_forward = module.forward
        pre_hooks = module._forward_pre_hooks
        layouts = iter(self.layouts.get(name, ()))

        def forward(*args, **kwargs):
            nonlocal inside
            if inside:
                return own_forward(*args, **kwargs)
            self.records.close()
            inside = True
            if torch.is_grad_enabled():
                self.ran.add(name)
            try:
                with hooks_inside(module, pre_hooks):
                    output = routed_forward(
                        module, weights, self.routing, args, kwargs, next(layouts, None)
                    )
            except ClassRoutingError as error:
                raise unroutable(name, error) from error
            finally:
                inside = False
            if check:
                check.check_module(name, output)
            return output

        return forward


def _view(parameter: nn.Parameter, num_classes: int) -> Tensor:
    """The same weights for each class, ``(C, *shape)``, without a copy."""
    source = parameter if parameter.requires_grad else parameter.detach()
    view = source.expand(num_classes, *parameter.shape)
    return view if view.requires_grad else view.requires_grad_()


def _moved(parameter: nn.Parameter, direction: Tensor, factors: Tensor) -> Tensor:
    """``w + eps_c`` for each class, ``(C, *shape)``."""
    factors = factors.to(direction.dtype).view(-1, *(1,) * parameter.ndim)
    return torch.addcmul(parameter, direction, factors)


def _select(bound: inspect.BoundArguments, indices: Tensor) -> None:
    """Let a call of a model have these images, in this order."""
    samples = bound.arguments['data_samples']
    bound.arguments['data_samples'] = [samples[i] for i in indices.tolist()]
    bound.arguments['inputs'] = _sorted(bound.arguments['inputs'], indices)


def _sorted(inputs, order: Tensor):
    """Reorder a batch, as a tensor or as a sequence of images."""
    if isinstance(inputs, Tensor):
        return inputs[order.to(inputs.device)]
    if isinstance(inputs, (list, tuple)):
        return [inputs[i] for i in order.tolist()]
    raise NotImplementedError(
        f'CCSAMOptimWrapper cannot sort inputs of type {type(inputs).__name__} by '
        "class: perturb the classifier alone, optim_wrapper.perturb='head'."
    )
