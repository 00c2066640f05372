# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from .sam_mixin import SAMMixin


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
    as they are. Both looks at a batch draw the same random numbers (dropout,
    stochastic depth); buffers, such as running statistics, move once, as in the first
    look. Where the gradient is not finite, a step goes without perturbation.

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
