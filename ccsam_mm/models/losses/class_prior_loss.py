# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The base of losses that treat classes differently, by how frequent they are."""

import logging
from typing import Optional, Sequence, Tuple, Union

import torch
import torch.nn as nn
from mmengine.logging import print_log
from torch import Tensor

from ccsam_mm.datasets import training_class_counts
from ccsam_mm.utils.config_types import is_number

REDUCTIONS = ('none', 'mean', 'sum')


class ClassPriorLoss(nn.Module):
    """A loss of single-label images that may know the class counts.

    A subclass gives the loss of scores for one integer label, :meth:`label_losses`. A
    soft label (Mixup, CutMix) is the mixture of those losses. The loss is a mean over
    independent images, as CC-SAM needs it; a subclass that is not says so by
    ``couples_images``.

    Args:
        class_counts (Sequence[int], optional): Training images per class. Defaults to
            None, those of the training data set.
        class_weight (Sequence[float], optional): Weight of each class, ``(K, )``. The
            mean then divides by the sum of the images' weights, as PyTorch's cross
            entropy and the published code of re-weighting do (MMPretrain's divides by
            the number of images); where all weights are 0, so is the loss. Defaults to
            None, equal weights.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        reduction (str): ``'none'``, ``'mean'`` or ``'sum'``. Defaults to ``'mean'``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.losses import ClassPriorLoss
        >>> class PriorLoss(ClassPriorLoss):
        ...     def label_losses(self, scores, labels):
        ...         return -self.counts_for(scores)[labels].log()
        >>> PriorLoss(class_counts=[9, 2])(torch.zeros(1, 2), torch.tensor([1]))
        tensor(-0.6931)
    """

    # Whether an image's loss depends on other images of its batch.
    couples_images = False
    # Whether the scores have to be cosines.
    needs_cosines = False

    def __init__(
        self,
        class_counts: Optional[Sequence[int]] = None,
        class_weight: Optional[Sequence[float]] = None,
        loss_weight: float = 1.0,
        reduction: str = 'mean',
    ):
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(
                f'reduction={reduction!r}: set model.head.loss.reduction to '
                "'mean', 'sum' or 'none'."
            )
        self.class_counts = class_counts
        self.class_weight: Union[Sequence[float], Tensor, None] = class_weight
        self._checked_weight: Optional[Tensor] = None
        self._met_scores = False
        self.loss_weight = loss_weight
        self.reduction = reduction
        self._counts: Optional[Tensor] = None
        if class_counts is not None:
            self.known_class_counts(None)

    def label_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of each image for an integer label.

        Args:
            scores (Tensor): Scores in single precision at least, ``(N, K)``.
            labels (Tensor): Labels, ``(N, )``.

        Returns:
            Tensor: ``(N, )``.
        """
        raise NotImplementedError

    def counts_for(self, scores: Tensor) -> Tensor:
        """Class counts in the precision and on the device of the scores.

        Args:
            scores (Tensor): Scores, ``(N, K)``.

        Returns:
            Tensor: Training images per class, ``(K, )``.
        """
        if self._counts is None:
            self._counts = self.known_class_counts(scores.shape[-1]).double()
        if self._counts.device != scores.device:
            self._counts = self._counts.to(scores.device)
        return self._counts.to(scores.dtype)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Optional[Tensor] = None,
        avg_factor: Optional[int] = None,
        reduction_override: Optional[str] = None,
        **kwargs,
    ) -> Tensor:
        """Calculate the loss.

        Args:
            cls_score (Tensor): The scores with shape ``(N, K)``.
            label (Tensor): The labels with shape ``(N, )``, or soft ones with shape
                ``(N, K)``.
            weight (Tensor, optional): Weight of each image with shape ``(N, )``.
                Defaults to None.
            avg_factor (int, optional): Divisor of the sum, for ``reduction='mean'``.
                Defaults to None, the number of images.
            reduction_override (str, optional): Another ``reduction`` for this call.
                Defaults to None.
            **kwargs: Unused; MMPretrain's heads hand on what they do not know.

        Returns:
            Tensor: The loss.
        """
        # Half precision would round margins and priors, and with them the gradient.
        scores = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        if not self._met_scores:
            self._meet(scores)
        losses, class_weights = self._image_losses(scores, label)
        if weight is not None:
            losses = losses * weight.to(losses.dtype)
        losses = self.loss_weight * losses
        reduction = reduction_override or self.reduction
        if reduction == 'none':
            return losses
        if reduction == 'sum':
            return losses.sum()
        if class_weights is not None:
            losses = losses / _positive(class_weights.mean())
        return losses.mean() if avg_factor is None else losses.sum() / avg_factor

    def class_factors(self, label: Tensor, dtype: torch.dtype) -> Optional[Tensor]:
        """What the class weights multiply images of each class by, in a batch's loss.

        Args:
            label (Tensor): The labels with shape ``(N, )``, or soft ones with shape
                ``(N, K)``.
            dtype (torch.dtype): Type of the factors.

        Returns:
            Tensor | None: ``(K, )``; None without class weights.
        """
        if self.class_weight is None:
            return None
        weights = torch.as_tensor(self.class_weight, dtype=dtype, device=label.device)
        if self.reduction != 'mean':
            return weights
        is_soft = label.is_floating_point()
        images = label.to(dtype) @ weights if is_soft else weights[label]
        return weights / _positive(images.mean())

    def _image_losses(
        self, scores: Tensor, label: Tensor
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """Losses of the images, times their weights; the weights."""
        class_weight = self._class_weight_for(scores)
        if not label.is_floating_point():
            losses = self.label_losses(scores, label)
            if class_weight is None:
                return losses, None
            return losses * class_weight[label], class_weight[label]
        # A soft label is a mixture of integer ones, each with its share.
        images, labels = label.nonzero(as_tuple=True)
        shares = label[images, labels].to(scores.dtype)
        if class_weight is not None:
            shares = shares * class_weight[labels]
        losses = shares * self.label_losses(scores[images], labels)
        sums = scores.new_zeros(len(scores))
        weights = None if class_weight is None else sums.index_add(0, images, shares)
        return sums.index_add(0, images, losses), weights

    def _class_weight_for(self, scores: Tensor) -> Optional[Tensor]:
        """Class weights in the precision and on the device of the scores."""
        if self.class_weight is None:
            return None
        weights = torch.as_tensor(self.class_weight, device=scores.device)
        if weights is not self._checked_weight:
            self.class_weight = self._checked_weight = weights
            if weights.shape != scores.shape[1:]:
                raise ValueError(
                    f'class_weight has {len(weights)} entries for {scores.shape[1]} '
                    'classes: set one in model.head.loss.class_weight for each class.'
                )
            if not (weights.isfinite() & (weights >= 0)).all():
                raise ValueError(
                    'class_weight has an entry that is not a number >= 0: correct '
                    'model.head.loss.class_weight.'
                )
        return weights.to(scores.dtype)

    @torch.no_grad()
    def _meet(self, scores: Tensor) -> None:
        """Warn at the first scores if they are not what the loss is defined on."""
        self._met_scores = True
        if self.needs_cosines and scores.abs().max() > 1 + 1e-3:
            print_log(
                f'{type(self).__name__} is defined on cosines, and gets a score of '
                f"{scores.abs().max():.3g}: set model.head.type='CosineLinearClsHead' "
                'with scale=1.',
                logger='current',
                level=logging.WARNING,
            )

    def known_class_counts(self, num_classes: Optional[int]) -> Tensor:
        """Class counts, of the argument or of the training data set.

        Args:
            num_classes (int, optional): Number of the head's classes; None where the
                head does not tell.

        Returns:
            Tensor: Training images per class, ``(K, )``, on the CPU.
        """
        return training_class_counts(
            type(self).__name__,
            'model.head.loss.class_counts',
            self.class_counts,
            num_classes,
        )


def _positive(mean: Tensor) -> Tensor:
    """Mean weight of the images as a divisor, also where all of them have none."""
    return torch.where(mean > 0, mean, torch.ones_like(mean))


def check_number(name: str, value, most: float = float('inf')) -> None:
    """Refuse an argument of a loss outside its range, in one sentence.

    Args:
        name (str): Name of the argument.
        value (float): Its value.
        most (float): The largest valid value. Defaults to infinity, any number >= 0.
    """
    if not is_number(value) or value > most:
        wanted = '>= 0' if most == float('inf') else f'from 0 to {most:g}'
        raise ValueError(
            f'{name}={value!r}: set model.head.loss.{name} to a number {wanted}.'
        )
