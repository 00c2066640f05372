# Copyright (c) ccsam_mm contributors. All rights reserved.
"""CC-SAM (Zhou et al., CVPR 2023), stage 1, for MMEngine's optimizer wrappers."""

from contextlib import contextmanager
from typing import Dict, List, Optional, Sequence, Set, Tuple, Union

import torch
import torch.nn as nn
from mmengine.logging import MessageHub
from torch import Tensor

from ccsam_mm.datasets import training_class_counts
from ccsam_mm.sharpness import ClassRouting, perturbation_norm

from .closed_form import perturbed_logits
from .last_perturbation import LastPerturbation
from .look_guard_mixin import LookGuardMixin
from .loss_paths import name_of, parameter_beside, place_of
from .options import check_options, is_number
from .perturbed_part import (
    check_classifier,
    find_linear_classifier,
    matching_parameters,
    refuse_checkpointing,
    refuse_nested_wrappers,
    trained_parameters,
    unwrap_model,
)
from .perturbed_reruns import refuse_reruns
from .routed_looks import RoutedLooks
from .routed_part import RoutedPart
from .routed_perturbation import class_mean_weights, routed_perturbation
from .two_looks import TwoLooks, loss_scalar


class CCSAMMixin(LookGuardMixin):
    """Makes an optimizer wrapper minimise the class-conditionally perturbed loss.

    Each image is evaluated under weights perturbed along its own class's gradient. For
    the classifier's linear layer the perturbed logits have a closed form, so a training
    step is one forward and one backward; any other part of the network is routed by
    class (:mod:`ccsam_mm.sharpness`). See :class:`CCSAMOptimWrapper` for the arguments.
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
        self._looks: Union[TwoLooks, RoutedLooks, None] = None
        self._perturbed: List[nn.Parameter] = []
        self._matched: List[nn.Parameter] = []
        self._trained: List[bool] = []
        self._owners: Set[str] = set()
        self._counts: Optional[Tensor] = None
        self._last: Optional[LastPerturbation] = None

    @property
    def last_perturbation(self) -> Optional[LastPerturbation]:
        """Perturbations of this rank's last training forward; None before any."""
        return self._last

    def initialize_count_status(self, model: nn.Module, *args, **kwargs) -> None:
        """Find the perturbed layer now: a wrong config costs no training time."""
        super().initialize_count_status(model, *args, **kwargs)
        self._find_looks(model)
        if self.class_counts is not None:
            self._class_counts(torch.device('cpu'))

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Perturb every training forward within the context.

        Args:
            model (nn.Module): The training model, maybe inside
                :class:`mmengine.model.MMDistributedDataParallel`.
        """
        with super().optim_context(model), self._find_looks(model).watch():
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Differentiate the loss, unless that would use the wrong weights.

        Args:
            loss (Tensor): The loss of the current iteration.
            **kwargs: Keyword arguments of :meth:`torch.Tensor.backward`.
        """
        if self._looks is None:
            super().backward(loss, **kwargs)
            return
        with self._refuse_reruns():
            super().backward(loss, **kwargs)

    def _refuse_reruns(self):
        # The closed form's first look has plain weights, and may be computed again;
        # nothing of its second look may.
        allowed = int(isinstance(self._looks, TwoLooks))
        return refuse_reruns(self._looks.model, self._owners, allowed)

    def _class_gradients(self, loss: Tensor, inputs: List[Tensor]) -> tuple:
        """Gradients of the clean loss; None where it does not depend on an input."""
        keep_graph = self.perturbed_weight < 1
        grads = [None]
        if loss.requires_grad:
            with self._refuse_reruns():
                grads = torch.autograd.grad(
                    loss, inputs, retain_graph=keep_graph, allow_unused=True
                )
        if all(grad is None for grad in grads):
            raise RuntimeError(
                f'The loss does not depend on optim_wrapper.perturb={self.perturb!r}: '
                'set it to a part of the model that the loss uses.'
            )
        return grads

    def _find_looks(self, model: nn.Module) -> Union[TwoLooks, RoutedLooks]:
        """The closed form where it applies, else the class-routed forward."""
        model = unwrap_model(model)
        is_new = self._looks is None or self._looks.model is not model
        # A training may freeze and thaw parameters as it goes.
        if is_new or self._trained != [p.requires_grad for p in self._matched]:
            refuse_nested_wrappers(model, 'CCSAMOptimWrapper')
            check_classifier(model)
            names = matching_parameters(model, self.perturb)
            self._matched = list(map(model.get_parameter, names))
            self._trained = [p.requires_grad for p in self._matched]
            names = trained_parameters(model, names)
            self._owners = {name.rpartition('.')[0] for name in names}
            # Tied parameters have several names.
            self._perturbed = list(dict.fromkeys(map(model.get_parameter, names)))
            self._counts = None
            classifier = find_linear_classifier(model, names)
            if classifier is not None:
                refuse_checkpointing(model, classifier.name)
                self._looks = TwoLooks(classifier, self._perturbed_logits, self._join)
            else:
                part = RoutedPart.from_names(model, names)
                self._looks = RoutedLooks(part, self._perturbations, self._join)
        return self._looks

    def _perturbed_logits(
        self, features: Tensor, logits: Tensor, loss: Tensor, labels: Tensor
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """Closed form: logits under perturbed classifiers, weights of the images."""
        self._refuse_direct_use(loss, logits)
        # Backward functions must not run under autocast, and half-precision Gram
        # matrices would lose the small gradients of fitted classes.
        with torch.autocast(logits.device.type, enabled=False):
            (grads,) = self._class_gradients(loss, [logits])
            return perturbed_logits(
                self._looks.linear,
                features.to(logits.dtype),
                logits,
                grads,
                labels,
                self._lengths,
                self.direction,
                self.class_reduction,
                self.sync_classes,
            )

    def _perturbations(
        self, views: List[Tensor], loss: Tensor, routing: ClassRouting
    ) -> Tuple[List[Tensor], Tensor, Optional[Tensor]]:
        """Class-routed forward: perturbations of the classes, weights of the images."""
        if self._looks.num_looks == 1:
            # All of the network's graph: in the first step only.
            self._refuse_direct_use(loss, *views)
        scaler = getattr(self, 'loss_scaler', None)
        scale = 1
        if scaler is not None and scaler.is_enabled():
            # Half-precision gradients would underflow; the scale is divided out again.
            loss, scale = scaler.scale(loss), scaler.scale(torch.ones_like(loss))
        # Backward functions must not run under autocast.
        with torch.autocast(loss.device.type, enabled=False):
            grads = [
                torch.zeros_like(view) if grad is None else grad
                for grad, view in zip(self._class_gradients(loss, views), views)
            ]
            directions, factors = routed_perturbation(
                grads, scale, routing, self._lengths, self.direction, self.sync_classes
            )
        weights = None
        if self.class_reduction == 'class':
            weights = class_mean_weights(routing, self.sync_classes)
        return directions, factors, weights

    def _refuse_direct_use(self, loss: Tensor, *gates: Tensor) -> None:
        """The loss must not read perturbed weights itself, or not be a loss of them."""
        places = [place_of(gate) for gate in gates]
        found = parameter_beside(loss, places, self._perturbed)
        if found is not None:
            name = name_of(self._looks.model, found)
            raise RuntimeError(
                f'The loss reads {name!r} itself, beside the forward of its module, as '
                'a penalty on weights does, where CCSAMOptimWrapper can not perturb '
                "it: remove that loss (the optimizer's weight_decay is no part of "
                'it), or leave the parameter out of optim_wrapper.perturb.'
            )

    def _refuse_unweighted(self, losses: Dict) -> None:
        """With equal classes: all losses must be those of the weighted scores."""
        total = sum(loss_scalar(losses[key]) for key in losses if 'loss' in key)
        model = self._looks.model
        found = parameter_beside(total, [], model.parameters())
        if found is not None:
            raise RuntimeError(
                "class_reduction='class' weighs images at the scores that model.head "
                f'returns, and a loss depends on {name_of(model, found)!r} also beside '
                "these scores: set optim_wrapper.class_reduction='sample', or remove "
                'that loss.'
            )

    @torch.no_grad()
    def _lengths(self, norms: Tensor, classes: Tensor) -> Tensor:
        """``||eps_c||`` for gradients of the given norms and classes."""
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
            radius=radius if radius == 'characteristic' else warmup * radius,
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

    def _join(self, first: Dict, second: Dict) -> Dict:
        """Losses of the second look beside the other entries of the first."""
        if self.class_reduction == 'class':
            self._refuse_unweighted(second)
        share = self.perturbed_weight
        losses = dict(first)
        clean = {key: first[key] for key in second if 'loss' in key}
        for key, value in clean.items():
            if share == 1:
                losses[key] = second[key]
            else:
                del losses[key]
                losses[f'{key}_clean'] = (1 - share) * loss_scalar(value)
                losses[f'{key}_perturbed'] = share * loss_scalar(second[key])
        if share == 1:
            # No 'loss' in the name, or MMEngine would add it to the objective.
            total = sum(loss_scalar(value) for value in clean.values())
            losses['clean_objective'] = total.detach()
        return losses

    def _class_counts(self, device: torch.device) -> Tensor:
        """Training images per class, checked once."""
        if self._counts is None:
            head = getattr(self._looks.model, 'head', None)
            self._counts = training_class_counts(
                'CCSAMOptimWrapper',
                'optim_wrapper.class_counts',
                self.class_counts,
                getattr(head, 'num_classes', None),
            )
        if self._counts.device != device:
            self._counts = self._counts.to(device)
        return self._counts


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
