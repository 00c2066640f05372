# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Evaluates every image under weights that are perturbed for its class."""

from typing import Any, Dict, List, Optional, Sequence, Set, Tuple, Union

import torch
import torch.nn as nn
from torch import Tensor

from ccsam_mm.sharpness import ClassRouting

from .class_factors import class_factors
from .class_routed_passes import ClassRoutedPasses
from .classifier_passes import ClassifierPasses
from .closed_form import perturbed_logits
from .gradient_scale import gradient_scale
from .loss_paths import name_of, parameter_beside, place_of
from .loss_values import loss_scalar
from .passes_mixin import PassesMixin
from .perturbed_modules import PerturbedModules
from .perturbed_parameters import (
    check_classifier,
    find_linear_classifier,
    matching_parameters,
    refuse_checkpointing,
    refuse_nested_wrappers,
    trained_parameters,
    unwrap_model,
)
from .perturbed_reruns import refuse_reruns
from .routed_perturbation import class_mean_weights, routed_perturbation


class ClassConditionalMixin(PassesMixin):
    """Adds a pass under class-conditionally perturbed weights to training forwards.

    For the classifier's linear layer the perturbed logits have a closed form, so a
    training step is one forward and one backward; any other parameters are routed by
    class (:mod:`ccsam_mm.sharpness`). A method derives from it and an optimizer
    wrapper, sets the attributes below and gives the lengths of the perturbations.

    Attributes:
        perturb (str | Sequence[str]): Prefixes of the perturbed parameters' names.
        direction (str): ``'gradient'`` or ``'random'``.
        class_reduction (str): ``'sample'`` or ``'class'``.
        perturbed_weight (float): Weight of the perturbed pass, from 0 to 1.
        sync_classes (bool): Whether class gradients are those of all ranks' images.
    """

    perturb: Union[str, Sequence[str]]
    direction: str
    class_reduction: str
    perturbed_weight: float
    sync_classes: bool

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._perturbed: List[nn.Parameter] = []
        self._matched: List[nn.Parameter] = []
        self._trained: List[bool] = []
        self._owners: Set[str] = set()

    def perturbation_lengths(self, norms: Tensor, classes: Tensor) -> Tensor:
        r"""Lengths of the perturbations, :math:`\|\epsilon_c\|`.

        Args:
            norms (Tensor): Norms of the gradients :math:`g_c`, ``(N, )``.
            classes (Tensor): Their classes, ``(N, )``; a class may stand there often.

        Returns:
            Tensor: ``(N, )``.
        """
        raise NotImplementedError

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Differentiate the loss, unless that would use the wrong weights.

        Args:
            loss (Tensor): The loss of the current iteration.
            **kwargs: Keyword arguments of :meth:`torch.Tensor.backward`.
        """
        if self._passes is None:
            super().backward(loss, **kwargs)
            return
        with self._refuse_reruns():
            super().backward(loss, **kwargs)

    def _refuse_reruns(self):
        # In the closed form the clean pass uses the unperturbed weights, so it may be
        # recomputed; the perturbed pass must not be.
        allowed = int(isinstance(self._passes, ClassifierPasses))
        return refuse_reruns(self._passes.model, self._owners, allowed)

    def _class_gradients(self, loss: Tensor, inputs: List[Tensor]) -> tuple:
        """Gradients of the clean loss; None where it does not depend on an input."""
        keep_graph = self.perturbed_weight < 1
        grads: tuple = (None,)
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

    def _find_passes(
        self, model: nn.Module
    ) -> Union[ClassifierPasses, ClassRoutedPasses]:
        """The closed form where it applies, else the class-routed forward."""
        model = unwrap_model(model)
        is_new = self._passes is None or self._passes.model is not model
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
            classifier = find_linear_classifier(model, names)
            if classifier is not None:
                refuse_checkpointing(model, classifier.name)
                self._passes = ClassifierPasses(
                    classifier, self._perturbed_logits, self._join
                )
            else:
                part = PerturbedModules.from_names(model, names)
                self._passes = ClassRoutedPasses(part, self._perturbations, self._join)
        return self._passes

    def _perturbed_logits(
        self,
        features: Tensor,
        logits: Tensor,
        loss: Tensor,
        labels: Tensor,
        data_samples: list,
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """Closed form: logits under perturbed classifiers, weights of the images."""
        self._refuse_direct_use(loss, logits)
        # Backward functions must not run under autocast, and half-precision Gram
        # matrices would lose the small gradients of fitted classes.
        with torch.autocast(logits.device.type, enabled=False):
            (grads,) = self._class_gradients(loss, [logits])
            factors = class_factors(self._passes.head, data_samples, logits)
            return perturbed_logits(
                self._passes.linear,
                features.to(logits.dtype),
                logits,
                grads,
                labels,
                None if factors is None else factors[labels],
                self.perturbation_lengths,
                self.direction,
                self.class_reduction,
                self.sync_classes,
            )

    def _perturbations(
        self,
        views: List[Tensor],
        loss: Tensor,
        routing: ClassRouting,
        data_samples: list,
    ) -> Tuple[List[Tensor], Tensor, Optional[Tensor]]:
        """Class-routed forward: perturbations of the classes, weights of the images."""
        if self._passes.num_forwards == 1:
            # All of the network's graph: in the first step only.
            self._refuse_direct_use(loss, *views)
        scale = gradient_scale(self, loss)
        head = getattr(self._passes.model, 'head', None)
        factors = class_factors(head, data_samples, loss)
        # Backward functions must not run under autocast.
        with torch.autocast(loss.device.type, enabled=False):
            grads = [
                torch.zeros_like(view) if grad is None else grad
                for grad, view in zip(self._class_gradients(loss * scale, views), views)
            ]
            directions, multipliers = routed_perturbation(
                grads,
                scale,
                routing,
                None if factors is None else factors[routing.classes],
                self.perturbation_lengths,
                self.direction,
                self.sync_classes,
            )
        weights = None
        if self.class_reduction == 'class':
            weights = class_mean_weights(routing, self.sync_classes)
        return directions, multipliers, weights

    def _refuse_direct_use(self, loss: Tensor, *gates: Tensor) -> None:
        """The loss must not read perturbed weights itself, or not be a loss of them."""
        places = [place_of(gate) for gate in gates]
        found = parameter_beside(loss, places, self._perturbed)
        if found is not None:
            name = name_of(self._passes.model, found)
            raise RuntimeError(
                f'The loss reads {name!r} itself, beside the forward of its module, as '
                'a penalty on weights does, where CCSAMOptimWrapper cannot perturb '
                "it: remove that loss (the optimizer's weight_decay is no part of "
                'it), or leave the parameter out of optim_wrapper.perturb.'
            )

    def _refuse_unweighted(self, losses: Dict) -> None:
        """With equal classes: all losses must be those of the weighted scores."""
        total: Any = sum(loss_scalar(losses[key]) for key in losses if 'loss' in key)
        model = self._passes.model
        found = parameter_beside(total, [], model.parameters())
        if found is not None:
            raise RuntimeError(
                "class_reduction='class' weighs images at the scores that model.head "
                f'returns, and a loss depends on {name_of(model, found)!r} also beside '
                "these scores: set optim_wrapper.class_reduction='sample', or remove "
                'that loss.'
            )

    def _join(self, first: Dict, second: Dict) -> Dict:
        """Losses of the perturbed pass, and the other entries of the clean one."""
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
            total: Any = sum(loss_scalar(value) for value in clean.values())
            losses['clean_objective'] = total.detach()
        return losses
