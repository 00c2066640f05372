# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lets any part of a network look at one batch twice, with weights of each class."""

import inspect
from contextlib import ExitStack, contextmanager
from typing import Callable, Dict, Iterator, List, Optional, Tuple

import torch
import torch.nn as nn
from torch import Tensor

from ccsam_mm.sharpness import ClassRouting, routed_forward
from ccsam_mm.sharpness.class_routing import ClassRoutingError

from .buffer_snapshot import BufferSnapshot
from .random_state import RandomState
from .routed_part import RoutedPart
from .two_looks import class_labels, override_forward, weighted_rows


class RoutedLooks:
    """Watches a training forward and replaces the losses that it returns.

    The batch is sorted by class. In the first look, the model's own forward, every unit
    sends the rows of a class through that class's view of the weights, so that one
    ``autograd.grad`` yields the gradients of all classes. The second look repeats the
    forward with perturbed weights; what ran before the first unit is not computed
    again, but stands in with its recorded outputs.

    Args:
        part (RoutedPart): The perturbed part.
        perturb (Callable): ``(views, total_loss, routing) -> (directions, factors,
            row_weights)``. ``views`` and ``directions`` have one tensor ``(C, *shape)``
            per perturbed parameter; ``factors``, ``(C, )``, times directions are the
            perturbations; ``row_weights``, ``(B, )`` or None, scale the images'
            gradients.
        join_losses (Callable): ``(first, second) -> losses``, dictionaries of losses.
    """

    def __init__(
        self,
        part: RoutedPart,
        perturb: Callable[[List[Tensor], Tensor, ClassRouting], tuple],
        join_losses: Callable[[Dict, Dict], Dict],
    ):
        self.part = part
        self.model = part.model
        self.perturb = perturb
        self.join_losses = join_losses
        self.signature = inspect.signature(self.model.forward)
        self.num_looks = 0
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
        if bound.arguments.get('mode') != 'loss' or not torch.is_grad_enabled():
            return None
        self._end_pass()
        samples = bound.arguments['data_samples']
        routing = ClassRouting(class_labels(samples, not self.num_looks))
        order = routing.order.tolist()
        bound.arguments['data_samples'] = [samples[i] for i in order]
        bound.arguments['inputs'] = _sorted(bound.arguments['inputs'], routing.order)
        self._pass = _Pass(self.part, routing)
        self._pass.first_look()
        return bound.args, bound.kwargs

    def _after_model(self, model, args, kwargs, losses):
        called = self.signature.bind(*args, **kwargs).arguments
        if self._pass is None or called.get('mode') != 'loss':
            return None
        current = self._pass
        self.num_looks += 1
        total, _ = model.parse_losses(losses)
        current.end_first_look()
        perturbation = self.perturb(current.views, total, current.routing)
        with current.second_look(*perturbation):
            second = model.forward(*args, **kwargs)
        self._end_pass()
        return self.join_losses(losses, second)


class _Pass:
    """The two looks at one batch."""

    def __init__(self, part: RoutedPart, routing: ClassRouting):
        self.part = part
        self.routing = routing
        self.looks = ExitStack()
        self.buffers = BufferSnapshot(part.model)
        # Calls that ended before the first unit began, with the random state after.
        self.records: Dict[nn.Module, List[Tuple[object, RandomState]]] = {}
        self.versions: Optional[List[int]] = None
        self.devices = {p.device for p in part.parameters()}
        self.random_state = RandomState(self.devices)
        self.ran = set()

    def close(self) -> None:
        """Give all modules their own forward back."""
        self.looks.close()

    def first_look(self) -> None:
        """Install class-wise views of the weights, and record what runs before."""
        num_classes = len(self.routing.sizes)
        self.views = [_view(p, num_classes) for p in self.part.parameters()]
        for module in self.part.others:
            # Before other hooks, which run again when the record stands in.
            handle = module.register_forward_hook(self._record, prepend=True)
            self.looks.callback(handle.remove)
        self._route(self.looks, self.views)

    def end_first_look(self) -> None:
        """Give the modules their forward back; refuse what can not be repeated."""
        self.close()
        for name in self.part.units:
            if name not in self.ran:
                raise RuntimeError(
                    f'{name!r} did not run with gradients in the forward, so '
                    'CCSAMOptimWrapper can not perturb it: leave it out of '
                    'optim_wrapper.perturb, or switch off activation checkpointing.'
                )
        self._refuse_changed_records()

    def _refuse_changed_records(self) -> None:
        if self.versions != self._versions():
            raise RuntimeError(
                'The perturbed part, or what leads to it, changes the output of a '
                'module before it in place, so CCSAMOptimWrapper can not repeat its '
                'forward: also name that module in optim_wrapper.perturb.'
            )

    @contextmanager
    def second_look(
        self, directions: List[Tensor], factors: Tensor, row_weights: Optional[Tensor]
    ) -> Iterator[None]:
        """Perturbed weights; recorded outputs stand in; buffers move once in all."""
        self.random_state.restore()
        with ExitStack() as stack:
            stack.enter_context(self.buffers.restored())
            for module, calls in self.records.items():
                stack.enter_context(override_forward(module, _replay(module, calls)))
            pairs = zip(self.part.parameters(), directions)
            self._route(stack, [_moved(p, d, factors) for p, d in pairs])
            head = getattr(self.part.model, 'head', None)
            stack.enter_context(weighted_rows(head, row_weights))
            yield
        # What ran for its side effect on a recorded output ran twice.
        self._refuse_changed_records()

    def _record(self, module, args, output):
        if self.versions is None:
            state = RandomState(self.devices)
            self.records.setdefault(module, []).append((output, state))

    def _versions(self) -> List[int]:
        """How often the recorded outputs were changed in place."""
        calls = [call for calls in self.records.values() for call in calls]
        return [t._version for output, _ in calls for t in _tensors(output)]

    def _route(self, stack: ExitStack, weights: List[Tensor]) -> None:
        """Let every unit run with class-wise weights."""
        weights = dict(zip(self.part.parameters(), weights))
        for name, parameters in self.part.units.items():
            unit = self.part.model.get_submodule(name)
            own = {key: weights[parameter] for key, parameter in parameters.items()}
            stack.enter_context(override_forward(unit, self._routed(name, unit, own)))

    def _routed(self, name: str, unit: nn.Module, weights: Dict[str, Tensor]):
        inside = False
        own_forward = unit.forward

        def forward(*args, **kwargs):
            nonlocal inside
            if inside:
                return own_forward(*args, **kwargs)
            if self.versions is None:
                self.versions = self._versions()
            inside = True
            if torch.is_grad_enabled():
                self.ran.add(name)
            try:
                return routed_forward(unit, weights, self.routing, args, kwargs)
            except ClassRoutingError as error:
                raise RuntimeError(
                    f'{name!r} ({type(unit).__name__}) can not be routed by class, '
                    f'because {error}: leave it out of optim_wrapper.perturb.'
                ) from error
            finally:
                inside = False

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


def _tensors(output) -> Iterator[Tensor]:
    """The tensors in what a module returns."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (list, tuple)):
        for part in output:
            yield from _tensors(part)


def _sorted(inputs, order: Tensor):
    """Reorder a batch, as a tensor or as a sequence of images."""
    if isinstance(inputs, Tensor):
        return inputs[order.to(inputs.device)]
    if isinstance(inputs, (list, tuple)) and len(inputs) == len(order):
        return [inputs[i] for i in order.tolist()]
    raise NotImplementedError(
        f'CCSAMOptimWrapper can not sort inputs of type {type(inputs).__name__} by '
        "class: perturb the classifier alone, optim_wrapper.perturb='head'."
    )


def _replay(module: nn.Module, calls: List[Tuple[object, RandomState]]) -> Callable:
    """Return recorded outputs in turn; later calls run for real."""
    pending = iter(calls)
    own_forward = module.forward

    def forward(*args, **kwargs):
        call = next(pending, None)
        if call is None:
            return own_forward(*args, **kwargs)
        output, state = call
        state.restore()
        return output

    return forward
