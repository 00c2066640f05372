# Copyright (c) ccsam_mm contributors. All rights reserved.
"""SAM for a weighted sum of the classes' losses: what ImbSAM and Focal-SAM share."""

from contextlib import contextmanager
from typing import Dict, List, Optional, Sequence

import torch
import torch.nn as nn
from torch import Tensor

from ccsam_mm.datasets import training_class_counts

from ..passes.class_labels import class_labels
from ..passes.loss_paths import name_of, parameter_beside
from ..passes.loss_values import loss_scalar
from ..passes.model_passes import ModelPasses
from ..passes.options import check_options
from ..passes.perturbed_parameters import refuse_inseparable_losses
from ..passes.scored_samples import ScoredSamples, watch_scores
from .sam_optim_wrapper import SAMMixin


class ClassWeightsSAMMixin(SAMMixin):
    r"""Penalises the sharpness of some classes more than that of others.

    With :math:`t_c` the weight of class c and :math:`L_c` its part of the mean loss:

    .. math::
        L^t(w) = \sum_c t_c L_c(w), \qquad
        \min_w \; L(w) + \lambda \left[ L^t(w + \epsilon) - L^t(w) \right], \qquad
        \epsilon = \rho \nabla L^t(w) / \|\nabla L^t(w)\|

    A training step is two forwards and three backward passes.
    """

    # The factor lambda.
    sharpness_weight = 1.0

    def __init__(self, *args, class_counts: Optional[Sequence[int]] = None, **kwargs):
        super().__init__(*args, **kwargs)
        wanted = '1, since this method weighs both passes by class'
        check_options(self, dict(perturbed_weight=(self.perturbed_weight == 1, wanted)))
        self.class_counts = class_counts
        self._class_weights: Optional[Tensor] = None
        self._rows: List[ScoredSamples] = []

    def class_weights(self, class_counts: Tensor) -> Tensor:
        """Weight :math:`t_c` of each class.

        Args:
            class_counts (Tensor): Training images per class, ``(K, )``.

        Returns:
            Tensor: ``(K, )``.
        """
        raise NotImplementedError

    def initialize_count_status(self, model: nn.Module, *args, **kwargs) -> None:
        """Check model and class counts now: a wrong config costs no training time."""
        super().initialize_count_status(model, *args, **kwargs)
        if self.class_counts is not None:
            self._weights_of(torch.zeros(0, dtype=torch.long))

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Add a perturbed pass to every training forward within the context.

        Args:
            model (nn.Module): The training model, maybe inside
                :class:`mmengine.model.MMDistributedDataParallel`.
        """
        with super().optim_context(model):
            passes = self._passes
            with watch_scores(passes.model.head, self._rows, lambda: passes.is_running):
                yield

    def _find_passes(self, model: nn.Module) -> ModelPasses:
        passes = super()._find_passes(model)
        if not isinstance(getattr(passes.model, 'head', None), nn.Module):
            raise TypeError(
                f'{type(self).__name__} weighs images at the scores that `model.head` '
                f'returns, and {type(passes.model).__name__} has no head: set '
                'optim_wrapper.type to SAMOptimWrapper, which takes any model.'
            )
        refuse_inseparable_losses(passes.model, type(self).__name__)
        return passes

    def _both_passes(
        self, first: Dict, total: Tensor, parameters: Dict, passes: ModelPasses
    ) -> Dict:
        """The clean losses' gradient joins that of the perturbed pass."""
        samples = passes.argument('data_samples')
        labels = class_labels(samples, passes.num_forwards == 1).to(total.device)
        weights = self._weights_of(labels)
        rows = self._take_samples(len(labels))
        self._refuse_unweighted(total, rows, parameters)
        rows.weights = weights
        perturbed = self._ascend(total, parameters, keep_graph=True)
        second = passes.run_again(perturbed)
        rows.weights = 1 - self.sharpness_weight * weights
        self._take_samples(len(labels)).weights = self.sharpness_weight * weights
        losses = dict(first)
        for key in [key for key in second if 'loss' in key]:
            clean = loss_scalar(first[key])
            # The weights are in the gradients alone: no value counts twice.
            losses[key] = loss_scalar(second[key]) + (clean - clean.detach())
        # No 'loss' in the name, or MMEngine would add it to the objective.
        losses['clean_objective'] = total.detach()
        return losses

    def _refuse_unweighted(
        self, total: Tensor, rows: ScoredSamples, parameters: Dict[str, Tensor]
    ) -> None:
        """A loss that bypasses the scores would be counted in both passes."""
        found = parameter_beside(total, [rows.place], parameters.values())
        if found is not None:
            head = self._passes.model.head
            raise RuntimeError(
                f'{type(self).__name__} weighs images at the scores that '
                f'{type(head).__name__} returns, and a loss depends on '
                f'{name_of(self._passes.model, found)!r} also beside these scores: '
                'remove that loss from the model, or set optim_wrapper.type to '
                'SAMOptimWrapper.'
            )

    def _take_samples(self, batch_size: int) -> ScoredSamples:
        """The scores of the pass that has just ended."""
        if len(self._rows) != 1:
            raise RuntimeError(
                f'{type(self).__name__} weighs images at the scores that `model.head` '
                f'returns, and it was called {len(self._rows)} times in a forward: set '
                'model.head to a head that MMPretrain calls once, or '
                'optim_wrapper.type to SAMOptimWrapper.'
            )
        rows = self._rows.pop()
        if getattr(rows, 'shape', ())[:1] != (batch_size,):
            raise RuntimeError(
                f'{type(self).__name__} weighs images at the scores that `model.head` '
                f'returns, and needs one row for each of the {batch_size} images: set '
                'model.head to such a head, or optim_wrapper.type to SAMOptimWrapper.'
            )
        return rows

    def _weights_of(self, labels: Tensor) -> Tensor:
        """Weight of each image."""
        if self._class_weights is None:
            num_classes = getattr(self._passes.model.head, 'num_classes', None)
            name = type(self).__name__
            counts = training_class_counts(
                name, 'optim_wrapper.class_counts', self.class_counts, num_classes
            )
            # Double precision only where the network has it.
            precise = next(self._passes.model.parameters()).dtype == torch.float64
            dtype = torch.float64 if precise else torch.float32
            self._class_weights = self.class_weights(counts).to(dtype)
        if self._class_weights.device != labels.device:
            self._class_weights = self._class_weights.to(labels.device)
        return self._class_weights[labels]
