# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lets any part of a network look at one batch twice, with weights of each class."""

import inspect
from contextlib import ExitStack, contextmanager
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ccsam_mm.sharpness import ClassRouting, routed_forward

from .buffer_snapshot import BufferSnapshot
from .random_state import RandomState
from .two_looks import class_labels, override_forward


class RoutedPart(NamedTuple):
    """The perturbed part of a model, in units that are routed by class."""

    model: nn.Module
    # Unit name -> its perturbed parameters, by their names in the unit.
    units: Dict[str, Dict[str, nn.Parameter]]
    # Modules without a perturbed parameter that are as large as can be.
    others: List[nn.Module]

    @classmethod
    def from_names(cls, model: nn.Module, names: List[str]) -> 'RoutedPart':
        """Collect units from the names of the perturbed parameters."""
        owners = sorted({name.rpartition('.')[0] for name in names})
        roots = [
            owner
            for owner in owners
            if not any(_is_inside(owner, other) for other in owners if other != owner)
        ]
        units = {}
        for root in roots:
            _check_unit(model, root)
            inside = [name for name in names if _is_inside(name, root)]
            units[root] = {
                name[len(root) + 1 if root else 0 :]: model.get_parameter(name)
                for name in inside
            }
        return cls(model, units, list(_others(model, '', roots)))

    def parameters(self) -> List[nn.Parameter]:
        """All perturbed parameters."""
        return [p for unit in self.units.values() for p in unit.values()]


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
        routing = ClassRouting(class_labels(samples))
        order = routing.order.tolist()
        bound.arguments['data_samples'] = [samples[i] for i in order]
        bound.arguments['inputs'] = _sorted(bound.arguments['inputs'], routing.order)
        self._pass = _Pass(self.part, routing)
        self._pass.first_look()
        return bound.args, bound.kwargs

    def _after_model(self, model, args, kwargs, losses):
        if self._pass is None:
            return None
        current = self._pass
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
        self.stack = ExitStack()
        self.buffers = BufferSnapshot(part.model)
        # Calls that ended before the first unit began, with the random state after.
        self.records: Dict[nn.Module, List[Tuple[object, RandomState]]] = {}
        self.has_begun = False
        self.devices = {p.device for p in part.parameters()}
        self.random_state = RandomState(self.devices)
        self.ran = set()

    def close(self) -> None:
        """Give all modules their own forward back."""
        self.stack.close()

    def first_look(self) -> None:
        """Install class-wise views of the weights, and record what runs before."""
        num_classes = len(self.routing.sizes)
        self.views = [_view(p, num_classes) for p in self.part.parameters()]
        self.looks = ExitStack()
        self.stack.push(self.looks.__exit__)
        for module in self.part.others:
            handle = module.register_forward_hook(self._record)
            self.looks.callback(handle.remove)
        self._route(self.looks, self.views)

    def end_first_look(self) -> None:
        """Give the modules their forward back; refuse units that did not run."""
        self.looks.close()
        for name in self.part.units:
            if name not in self.ran:
                raise RuntimeError(
                    f'{name!r} did not run in the forward, so CCSAMOptimWrapper can '
                    'not perturb it: leave it out of optim_wrapper.perturb.'
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
            if row_weights is not None:
                hook = self.part.model.head.register_forward_hook(_weigh(row_weights))
                stack.callback(hook.remove)
            yield

    def _record(self, module, args, output):
        if not self.has_begun:
            state = RandomState(self.devices)
            self.records.setdefault(module, []).append((output, state))

    def _route(self, stack: ExitStack, weights: List[Tensor]) -> None:
        """Let every unit run with class-wise weights."""
        weights = iter(weights)
        for name, parameters in self.part.units.items():
            unit = self.part.model.get_submodule(name)
            own = {key: next(weights) for key in parameters}
            stack.enter_context(override_forward(unit, self._routed(name, unit, own)))

    def _routed(self, name: str, unit: nn.Module, weights: Dict[str, Tensor]):
        inside = False
        own_forward = unit.forward

        def forward(*args, **kwargs):
            nonlocal inside
            if inside:
                return own_forward(*args, **kwargs)
            self.has_begun, inside = True, True
            self.ran.add(name)
            try:
                return routed_forward(unit, weights, self.routing, args, kwargs)
            except ValueError as error:
                raise RuntimeError(
                    f'{name!r} ({type(unit).__name__}) can not be routed by class, '
                    f'because {error}: leave it out of optim_wrapper.perturb.'
                ) from error
            finally:
                inside = False

        return forward


def _is_inside(name: str, root: str) -> bool:
    return root in ('', name) or name.startswith(root + '.')


def _check_unit(model: nn.Module, root: str) -> None:
    """Refuse units in which images depend on each other, or that run again later."""
    unit = model.get_submodule(root)
    for name, module in unit.named_modules():
        full = '.'.join(filter(None, (root, name)))
        if isinstance(module, _BatchNorm) and module is not unit:
            raise NotImplementedError(
                f'{root!r} ({type(unit).__name__}) has parameters of its own and the '
                f'batch norm {full!r} inside, so it can not be routed by class: name '
                'its submodules in optim_wrapper.perturb instead.'
            )
    around = root.split('.')
    names = {'.'.join(around[:depth]) for depth in range(len(around))}
    names.update('.'.join(filter(None, (root, n))) for n, _ in unit.named_modules())
    for name in sorted(names):
        module = model.get_submodule(name)
        if getattr(module, 'with_cp', False) or 'forward' in vars(module):
            raise NotImplementedError(
                f'{name!r} ({type(module).__name__}) uses activation checkpointing, '
                'which runs it again after the perturbation is gone: switch it off '
                '(with_cp, activation_checkpointing) or leave it out of '
                'optim_wrapper.perturb.'
            )


def _others(module: nn.Module, name: str, roots: List[str]) -> Iterator[nn.Module]:
    """Largest submodules without a unit; lists of modules are never called."""
    for key, child in module.named_children():
        path = f'{name}.{key}' if name else key
        if path in roots:
            continue
        holds_unit = any(_is_inside(root, path) for root in roots)
        if holds_unit or isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _others(child, path, roots)
        else:
            yield child


def _view(parameter: nn.Parameter, num_classes: int) -> Tensor:
    """The same weights for each class, ``(C, *shape)``, without a copy."""
    source = parameter if parameter.requires_grad else parameter.detach()
    view = source.expand(num_classes, *parameter.shape)
    return view if view.requires_grad else view.requires_grad_()


def _moved(parameter: nn.Parameter, direction: Tensor, factors: Tensor) -> Tensor:
    """``w + eps_c`` for each class, ``(C, *shape)``."""
    factors = factors.to(direction.dtype).view(-1, *(1,) * parameter.ndim)
    return torch.addcmul(parameter, direction, factors)


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


def _weigh(row_weights: Tensor) -> Callable:
    """Scale the gradients of the head's output row by row."""

    def hook(head, args, scores):
        if not isinstance(scores, Tensor) or len(scores) != len(row_weights):
            raise NotImplementedError(
                f"class_reduction='class' needs a head with one row of scores per "
                f'image, which {type(head).__name__} has not: set '
                "optim_wrapper.class_reduction='sample'."
            )
        scores = scores.clone()
        shape = (-1,) + (1,) * (scores.ndim - 1)
        weights = row_weights.to(scores.dtype).view(shape)
        scores.register_hook(lambda grad: grad * weights)
        return scores

    return hook
