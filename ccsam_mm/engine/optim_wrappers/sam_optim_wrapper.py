# Copyright (c) ccsam_mm contributors. All rights reserved.
"""SAM (Foret et al., ICLR 2021) and ASAM (Kwon et al., ICML 2021)."""

from typing import Dict, List, Optional

import torch
import torch.nn as nn
from mmengine.dist import all_reduce
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from ccsam_mm.sharpness import sam_perturbation
from ccsam_mm.utils.config_types import is_number

from ..passes.gradient_scale import gradient_scale
from ..passes.model_passes import ModelPasses
from ..passes.options import check_options
from ..passes.passes_mixin import PassesMixin
from ..passes.perturbed_parameters import refuse_nested_wrappers, unwrap_model
from ..passes.recomputation import refuse_recomputation


class SAMMixin(PassesMixin):
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

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Differentiate the loss, unless that would use the wrong weights.

        Args:
            loss (Tensor): The loss of the current iteration.
            **kwargs: Keyword arguments of :meth:`torch.Tensor.backward`.
        """
        with refuse_recomputation(type(self).__name__):
            super().backward(loss, **kwargs)

    def _find_passes(self, model: nn.Module) -> ModelPasses:
        name = type(self).__name__
        network = unwrap_model(model, name)
        if self._passes is None or self._passes.model is not network:
            refuse_nested_wrappers(network, name)
            if getattr(model, 'static_graph', False):
                raise ValueError(
                    f'{name} runs a model twice per step, which DDP with a static '
                    'graph cannot follow: set model_wrapper_cfg.static_graph=False.'
                )
            self._passes = ModelPasses(network, self._new_losses)
        return self._passes

    def _new_losses(self, first: Dict, passes: ModelPasses) -> Optional[Dict]:
        """Losses in place of those of the clean pass."""
        total, _ = passes.model.parse_losses(first)
        trained = {
            id(p) for group in self.optimizer.param_groups for p in group['params']
        }
        parameters = {
            name: parameter
            for name, parameter in passes.model.named_parameters()
            if parameter.requires_grad and id(parameter) in trained
        }
        if not parameters or not total.requires_grad:
            return None
        return self._both_passes(first, total, parameters, passes)

    def _both_passes(
        self, first: Dict, total: Tensor, parameters: Dict, passes: ModelPasses
    ) -> Dict:
        """Losses of the perturbed pass, and the other entries of the clean one."""
        second = passes.run_again(self._ascend(total, parameters))
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
        scale = gradient_scale(self, total)
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


@OPTIM_WRAPPERS.register_module()
class SAMOptimWrapper(SAMMixin, OptimWrapper):
    r"""Sharpness-aware minimisation (SAM), and its adaptive variant (ASAM).

    Implements `Sharpness-Aware Minimization for Efficiently Improving Generalization
    <https://arxiv.org/abs/2010.01412>`_ (ICLR 2021) and `ASAM: Adaptive Sharpness-Aware
    Minimization for Scale-Invariant Learning of Deep Neural Networks
    <https://arxiv.org/abs/2102.11600>`_ (ICML 2021, element-wise normalisation) for any
    MMEngine model whose ``train_step`` calls it with ``mode='loss'``: classifiers,
    detectors, segmentors. With :math:`g = \nabla L(w)`:

    .. math::
        \epsilon = \rho \; T_w^2 \, g / \|T_w \, g\|, \qquad
        \nabla = \nabla L(w') \big|_{w' = w + \epsilon}, \qquad
        T_w = \begin{cases} 1 & \text{SAM} \\ \mathrm{diag}(|w| + \eta) & \text{ASAM}
        \end{cases}

    Models, loops, runners, gradient clipping and accumulation, checkpoints and DDP stay
    as they are. Both passes of a batch draw the same random numbers (dropout,
    stochastic depth); buffers, such as running statistics, move once, as in the clean
    pass. Where the gradient is not finite, a step goes without perturbation.

    Args:
        optimizer (Optimizer): Optimizer used to update model parameters; the parameters
            that it holds are perturbed.
        rho (float, optional): Radius :math:`\rho`. Defaults to None: 0.05, and 0.5 with
            ``adaptive=True``, the papers' values for CIFAR-10.
        adaptive (bool): Whether to use ASAM. As in the authors' code, :math:`T_w` is 1
            for parameters that are not named ``weight`` or alike. Defaults to False.
        eta (float): :math:`\eta` of ASAM. Defaults to 0.01.
        sync_ascent (bool): Whether ranks perturb along their mean gradient; otherwise
            each perturbs along its own, as the paper does. Defaults to False.
        **kwargs: Other arguments of :class:`mmengine.optim.OptimWrapper`, such as
            ``accumulative_counts`` and ``clip_grad``. Each micro-batch makes its own
            perturbation; clipping acts on the final gradient.

    Note:
        The logged losses are those at the perturbed weights. The clean one is logged as
        ``clean_objective``, and entries that are no loss (accuracies) are clean, too.

    Examples:
        >>> import torch
        >>> import ccsam_mm
        >>> from mmengine.model import BaseModel
        >>> from mmengine.optim import build_optim_wrapper
        >>> class Regression(BaseModel):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = torch.nn.Linear(2, 1)
        ...     def forward(self, inputs, targets, mode):
        ...         return dict(loss=(self.layer(inputs) - targets).square())
        >>> model = Regression()
        >>> optim_wrapper = build_optim_wrapper(model, dict(
        ...     type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1), rho=0.05))
        >>> data = dict(inputs=torch.rand(4, 2), targets=torch.rand(4, 1))
        >>> sorted(model.train_step(data, optim_wrapper))
        ['clean_objective', 'loss']
    """


@OPTIM_WRAPPERS.register_module()
class AmpSAMOptimWrapper(SAMMixin, AmpOptimWrapper):
    """:class:`SAMOptimWrapper` under automatic mixed precision.

    Args:
        **kwargs: Arguments of :class:`SAMOptimWrapper` and of
            :class:`mmengine.optim.AmpOptimWrapper` (``loss_scale``, ``dtype``).

    Examples:
        >>> optim_wrapper = dict(
        ...     type='AmpSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1),
        ...     dtype='bfloat16', rho=0.05)
    """
