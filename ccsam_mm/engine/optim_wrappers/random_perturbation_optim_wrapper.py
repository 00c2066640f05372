# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Random perturbation of the weights, after F2M (Shi et al., NeurIPS 2021)."""

from typing import Dict

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from ccsam_mm.utils.config_types import is_count, is_number

from ..passes.loss_values import loss_scalar
from ..passes.model_passes import ModelPasses
from ..passes.model_passes_mixin import ModelPassesMixin
from ..passes.options import check_options


class RandomPerturbationMixin(ModelPassesMixin):
    """Makes an optimizer wrapper minimise the mean loss at random weights nearby.

    See :class:`RandomPerturbationOptimWrapper` for the arguments.
    """

    def __init__(self, *args, bound: float = 0.005, num_draws: int = 2, **kwargs):
        super().__init__(*args, **kwargs)
        self.bound = bound
        self.num_draws = num_draws
        check_options(
            self,
            dict(
                bound=(is_number(bound), 'a number >= 0 (0 is plain SGD)'),
                num_draws=(is_count(num_draws), 'a whole number >= 1'),
            ),
        )

    def _both_passes(
        self, first: Dict, total: Tensor, parameters: Dict, passes: ModelPasses
    ) -> Dict:
        """Mean losses of the draws, and the other entries of the clean pass."""
        losses = {key: value for key, value in first.items() if 'loss' not in key}
        for _ in range(self.num_draws):
            second = passes.run_again(
                {name: value + self._noise(value) for name, value in parameters.items()}
            )
            for key in [key for key in second if 'loss' in key]:
                part = loss_scalar(second[key]) / self.num_draws
                losses[key] = losses[key] + part if key in losses else part
        # No 'loss' in the name, or MMEngine would add it to the objective.
        losses['clean_objective'] = total.detach()
        return losses

    @torch.no_grad()
    def _noise(self, value: Tensor) -> Tensor:
        return torch.empty_like(value).uniform_(-self.bound, self.bound)


@OPTIM_WRAPPERS.register_module()
class RandomPerturbationOptimWrapper(RandomPerturbationMixin, OptimWrapper):
    r"""Minimises the mean loss at a few random weights around the present ones.

    The model perturbation of `Overcoming Catastrophic Forgetting in Incremental
    Few-Shot Learning by Finding Flat Minima <https://arxiv.org/abs/2111.01549>`_
    (NeurIPS 2021) for any MMEngine model. With M draws of noise that is uniform in
    :math:`[-b, b]`, for every entry of every trained parameter:

    .. math::
        \nabla = \frac{1}{M} \sum_{m=1}^{M}
            \nabla L(w') \big|_{w' = w + \epsilon_m}, \qquad
        \epsilon_m \sim U(-b, b)

    The released code perturbs the last four convolutions alone, by one of five values
    in the same range that it draws with a mean above zero, and it penalises how far the
    losses of the draws are apart: it is for few-shot learning, and has another
    objective beside. Here the noise has mean zero and acts on all that is trained.

    Both draws see the random numbers (dropout, stochastic depth) of the clean pass,
    which costs a forward and moves the buffers, such as running statistics, once.

    Args:
        optimizer (Optimizer): Optimizer used to update model parameters; the parameters
            that it holds are perturbed.
        bound (float): :math:`b`. Defaults to 0.005, the range of the released code.
        num_draws (int): :math:`M`. Defaults to 2, from the same place.
        **kwargs: Other arguments of :class:`mmengine.optim.OptimWrapper`, such as
            ``accumulative_counts`` and ``clip_grad``.

    Note:
        The logged losses are the mean of those at the perturbed weights. The clean one
        is logged as ``clean_objective``, and entries that are no loss (accuracies) are
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
        ...     type='RandomPerturbationOptimWrapper',
        ...     optimizer=dict(type='SGD', lr=0.1), bound=0.005))
        >>> data = dict(inputs=torch.rand(4, 2), targets=torch.rand(4, 1))
        >>> sorted(model.train_step(data, optim_wrapper))
        ['clean_objective', 'loss']
    """


@OPTIM_WRAPPERS.register_module()
class AmpRandomPerturbationOptimWrapper(RandomPerturbationMixin, AmpOptimWrapper):
    """:class:`RandomPerturbationOptimWrapper` under automatic mixed precision.

    Args:
        **kwargs: Arguments of :class:`RandomPerturbationOptimWrapper` and of
            :class:`mmengine.optim.AmpOptimWrapper` (``loss_scale``, ``dtype``).

    Examples:
        >>> optim_wrapper = dict(
        ...     type='AmpRandomPerturbationOptimWrapper',
        ...     optimizer=dict(type='SGD', lr=0.1), dtype='bfloat16', bound=0.005)
    """
