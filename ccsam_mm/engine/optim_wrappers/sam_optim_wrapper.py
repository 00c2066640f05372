# Copyright (c) ccsam_mm contributors. All rights reserved.
"""SAM (Foret et al., ICLR 2021) and ASAM (Kwon et al., ICML 2021)."""

from typing import Dict, List, Optional, Tuple

import torch
from mmengine.dist import all_reduce
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from ccsam_mm.sharpness import sam_perturbation
from ccsam_mm.utils.config_types import is_number

from ..passes.gradient_scale import gradient_scale
from ..passes.known_gradient import with_known_gradient
from ..passes.loss_values import loss_scalar
from ..passes.model_passes import ModelPasses
from ..passes.model_passes_mixin import ModelPassesMixin
from ..passes.options import check_options
from ..passes.recomputation import refuse_recomputation


class SAMMixin(ModelPassesMixin):
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
        perturbed_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        if rho is None:
            rho = 0.5 if adaptive else 0.05
        self.rho = rho
        self.adaptive = adaptive
        self.eta = eta
        self.sync_ascent = sync_ascent
        self.perturbed_weight = perturbed_weight
        check_options(
            self,
            dict(
                rho=(is_number(rho), 'a number >= 0 (0 is plain SGD)'),
                adaptive=(isinstance(adaptive, bool), 'True or False'),
                eta=(is_number(eta), 'a number >= 0'),
                sync_ascent=(isinstance(sync_ascent, bool), 'True or False'),
                perturbed_weight=(
                    is_number(perturbed_weight) and perturbed_weight <= 1,
                    'a number from 0 to 1 (1 is SAM)',
                ),
            ),
        )

    def _both_passes(
        self, first: Dict, total: Tensor, parameters: Dict, passes: ModelPasses
    ) -> Dict:
        """Losses of the perturbed pass, and the other entries of the clean one."""
        values, share = list(parameters.values()), self.perturbed_weight
        grad, own = self._ascent_gradient(total, values)
        second = passes.run_again(self._perturbed(parameters, grad))
        losses = {key: value for key, value in first.items() if 'loss' not in key}
        for key in [key for key in second if 'loss' in key]:
            if share == 1:
                losses[key] = second[key]
            else:
                losses[f'{key}_perturbed'] = share * loss_scalar(second[key])
        if share < 1:
            used = [(p, g) for p, g in zip(values, own) if g is not None]
            losses['loss_clean'] = (1 - share) * with_known_gradient(total, *zip(*used))
        # No 'loss' in the name, or MMEngine would add it to the objective.
        losses['clean_objective'] = total.detach()
        return losses

    def _ascend(
        self, total: Tensor, parameters: Dict[str, Tensor], keep_graph: bool = False
    ) -> Dict[str, Tensor]:
        """Perturbed parameters, through which gradients flow into the parameters."""
        values = list(parameters.values())
        grad, _ = self._ascent_gradient(total, values, keep_graph)
        return self._perturbed(parameters, grad)

    def _perturbed(
        self, parameters: Dict[str, Tensor], grad: Tensor
    ) -> Dict[str, Tensor]:
        """The parameters, moved along a gradient of all of them in one vector."""
        with _no_autocast(grad):
            normalizer = None
            if self.adaptive:
                normalizer = self._normalizer(parameters, grad.dtype)
            steps = sam_perturbation(grad, self.rho, normalizer)
            parts = _split_like(steps, list(parameters.values()))
            return {
                name: value + part.to(value.dtype)
                for (name, value), part in zip(parameters.items(), parts)
            }

    def _ascent_gradient(
        self, total: Tensor, parameters: List[Tensor], keep_graph: bool = False
    ) -> Tuple[Tensor, List[Optional[Tensor]]]:
        """Gradients of all parameters in one vector, at least in single precision.

        And, by parameter, this rank's own; None where the loss does not depend on it.
        """
        scale = gradient_scale(self, total)
        # Backward functions must not run under autocast.
        with _no_autocast(total), refuse_recomputation(type(self).__name__):
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
        parts = _split_like(flat, parameters)
        own = [None if g is None else part for g, part in zip(grads, parts)]
        if self.sync_ascent:
            flat = flat.clone()
            all_reduce(flat, op='mean')
        return flat, own

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


def _no_autocast(tensor: Tensor):
    return torch.autocast(tensor.device.type, enabled=False)


def _split_like(vector: Tensor, parameters: List[Tensor]) -> List[Tensor]:
    """Parts of a vector in the shapes of the parameters."""
    parts = vector.split([p.numel() for p in parameters])
    return [part.view(p.shape) for part, p in zip(parts, parameters)]


def _precise(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@OPTIM_WRAPPERS.register_module()
class SAMOptimWrapper(SAMMixin, OptimWrapper):
    r"""Sharpness-aware minimisation (SAM), its adaptive variant, and gradient penalty.

    Implements `Sharpness-Aware Minimization for Efficiently Improving Generalization
    <https://arxiv.org/abs/2010.01412>`_ (ICLR 2021) and `ASAM: Adaptive Sharpness-Aware
    Minimization for Scale-Invariant Learning of Deep Neural Networks
    <https://arxiv.org/abs/2102.11600>`_ (ICML 2021, element-wise normalisation), and
    with ``perturbed_weight`` below 1 the penalty of the gradient's norm (GNP) of
    `Penalizing Gradient Norm for Efficiently Improving Generalization in Deep Learning
    <https://arxiv.org/abs/2202.03599>`_ (ICML 2022). For any MMEngine model whose
    ``train_step`` calls it with ``mode='loss'``: classifiers, detectors, segmentors.
    With :math:`g = \nabla L(w)`:

    .. math::
        \epsilon = \rho \; T_w^2 \, g / \|T_w \, g\|, \qquad
        \nabla = (1 - \alpha) \, g + \alpha \nabla L(w') \big|_{w' = w + \epsilon},
        \qquad
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
        perturbed_weight (float): :math:`\alpha`, the weight of the perturbed pass;
            GNP's authors take 0.8, with ``rho`` 0.1 on CIFAR and 0.05 on ImageNet. It
            costs nothing: the clean gradient is known. Defaults to 1.0, SAM.
        **kwargs: Other arguments of :class:`mmengine.optim.OptimWrapper`, such as
            ``accumulative_counts`` and ``clip_grad``. Each micro-batch makes its own
            perturbation; clipping acts on the final gradient.

    Note:
        The logged losses are those at the perturbed weights (with a
        ``perturbed_weight`` below 1, both parts of the objective). The clean one is
        logged as ``clean_objective``, and entries that are no loss (accuracies) are
        clean, too.

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
