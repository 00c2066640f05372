# Copyright (c) ccsam_mm contributors. All rights reserved.
"""SAM (Foret et al., ICLR 2021) and ASAM (Kwon et al., ICML 2021) for MMEngine."""

from contextlib import contextmanager
from typing import Dict, List, Optional

import torch
import torch.nn as nn
from mmengine.dist import all_reduce
from torch import Tensor

from ccsam_mm.sharpness import sam_perturbation

from .look_guard_mixin import LookGuardMixin
from .options import check_options, is_number
from .perturbed_part import refuse_nested_wrappers, unwrap_model
from .sam_recomputation import refuse_recomputation
from .sam_two_forwards import TwoForwards


class SAMMixin(LookGuardMixin):
    """Makes an optimizer wrapper minimise the loss at the worst weights nearby.

    A training step is two forwards and two backward passes. See
    :class:`SAMOptimWrapper` for the arguments.
    """

    def __init__(
        self,
        *args,
        rho: Optional[float] = None,
        adaptive: bool = False,
        eta: float = 0.01,
        sync_ascent: bool = False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        if rho is None:
            rho = 0.5 if adaptive else 0.05
        self.rho = rho
        self.adaptive = adaptive
        self.eta = eta
        self.sync_ascent = sync_ascent
        check_options(
            self,
            dict(
                rho=(is_number(rho), 'a number >= 0 (0 is plain SGD)'),
                adaptive=(isinstance(adaptive, bool), 'True or False'),
                eta=(is_number(eta), 'a number >= 0'),
                sync_ascent=(isinstance(sync_ascent, bool), 'True or False'),
            ),
        )
        self._looks: Optional[TwoForwards] = None

    def initialize_count_status(self, model: nn.Module, *args, **kwargs) -> None:
        """Look at the model now: a wrong config costs no training time."""
        super().initialize_count_status(model, *args, **kwargs)
        self._find_looks(model)

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Look twice at the batch of every training forward within the context.

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
        with refuse_recomputation(type(self).__name__):
            super().backward(loss, **kwargs)

    def _find_looks(self, model: nn.Module) -> TwoForwards:
        name = type(self).__name__
        network = unwrap_model(model, name)
        if self._looks is None or self._looks.model is not network:
            refuse_nested_wrappers(network, name)
            if getattr(model, 'static_graph', False):
                raise ValueError(
                    f'{name} runs a model twice per step, which DDP with a static '
                    'graph can not follow: set model_wrapper_cfg.static_graph=False.'
                )
            self._looks = TwoForwards(network, self._new_losses)
        return self._looks

    def _new_losses(self, first: Dict, looks: TwoForwards) -> Optional[Dict]:
        """Losses in place of those of the first look."""
        total, _ = looks.model.parse_losses(first)
        trained = {
            id(p) for group in self.optimizer.param_groups for p in group['params']
        }
        parameters = {
            name: parameter
            for name, parameter in looks.model.named_parameters()
            if parameter.requires_grad and id(parameter) in trained
        }
        if not parameters or not total.requires_grad:
            return None
        return self._two_looks(first, total, parameters, looks)

    def _two_looks(
        self, first: Dict, total: Tensor, parameters: Dict, looks: TwoForwards
    ) -> Dict:
        """SAM: the losses of the second look beside the other entries of the first."""
        second = looks.look_again(self._ascend(total, parameters))
        losses = {key: value for key, value in first.items() if 'loss' not in key}
        losses.update((key, second[key]) for key in second if 'loss' in key)
        # No 'loss' in the name, or MMEngine would add it to the objective.
        losses['clean_objective'] = total.detach()
        return losses

    def _ascend(
        self, total: Tensor, parameters: Dict[str, Tensor], keep_graph: bool = False
    ) -> Dict[str, Tensor]:
        """Perturbed parameters, through which gradients flow into the parameters."""
        values = list(parameters.values())
        # Backward functions must not run under autocast.
        with torch.autocast(total.device.type, enabled=False):
            grad = self._ascent_gradient(total, values, keep_graph)
            normalizer = None
            if self.adaptive:
                normalizer = self._normalizer(parameters, grad.dtype)
            step = sam_perturbation(grad, self.rho, normalizer)
            steps = step.split([value.numel() for value in values])
            return {
                name: value + part.view(value.shape).to(value.dtype)
                for (name, value), part in zip(parameters.items(), steps)
            }

    def _ascent_gradient(
        self, total: Tensor, parameters: List[Tensor], keep_graph: bool
    ) -> Tensor:
        """Gradients of all parameters in one vector, at least in single precision."""
        scaler = getattr(self, 'loss_scaler', None)
        scale = 1
        if scaler is not None:
            # Half-precision gradients would underflow. The scale is divided out again,
            # since it may grow until the square of a scaled gradient overflows.
            scale = scaler.scale(torch.ones_like(total))
        with refuse_recomputation(type(self).__name__):
            # Not `backward`, to which DDP would respond.
            grads = torch.autograd.grad(
                total * scale, parameters, retain_graph=keep_graph, allow_unused=True
            )
        flat = torch.cat(
            [
                _precise(torch.zeros_like(p) if grad is None else grad).flatten()
                for grad, p in zip(grads, parameters)
            ]
        )
        flat = flat / scale
        if self.sync_ascent:
            all_reduce(flat, op='mean')
        return flat

    @torch.no_grad()
    def _normalizer(self, parameters: Dict[str, Tensor], dtype) -> Tensor:
        """Diagonal of ASAM's operator: ``|w| + eta``, and 1 for biases, as released."""
        parts = [
            value.abs() + self.eta
            if 'weight' in name.rpartition('.')[2]
            else torch.ones_like(value)
            for name, value in parameters.items()
        ]
        return torch.cat([part.flatten().to(dtype) for part in parts])


def _precise(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
