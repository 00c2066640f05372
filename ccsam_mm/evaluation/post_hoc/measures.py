# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Measures the classifiers without training, and chooses among their parameters."""

from typing import Sequence

import numpy as np
from torch import Tensor

from ccsam_mm.evaluation.calibration import calibration_errors, reliability_bins
from ccsam_mm.evaluation.class_priors import prior_accuracy
from ccsam_mm.evaluation.metrics.shot_accuracy import ShotAccuracy


def measure(
    scores: Tensor,
    labels: Tensor,
    class_counts: Sequence[int],
    prior: np.ndarray,
    with_ece: bool = True,
) -> dict:
    """Accuracies and calibration of scores.

    Args:
        scores (Tensor): ``(N, K)``.
        labels (Tensor): ``(N, )``.
        class_counts (Sequence[int]): Training images of each class.
        prior (np.ndarray): Class frequencies of the test, ``(K, )``.
        with_ece (bool): Whether the softmax of the scores are probabilities. Defaults
            to True.

    Returns:
        dict: Those of :class:`~ccsam_mm.evaluation.ShotAccuracy`; ``target``, the
        accuracy under ``prior``, without the classes that have no image; and ``ece``,
        in percent.

    Examples:
        >>> import numpy as np, torch
        >>> from ccsam_mm.evaluation.post_hoc import measure
        >>> scores = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
        >>> prior = np.array([0.8, 0.2])
        >>> found = measure(scores, torch.tensor([0, 1]), [500, 50], prior)
        >>> found['top1'], round(found['target'], 1), found['medium']
        (50.0, 80.0, 0.0)
    """
    pred, target = scores.argmax(dim=1).numpy(), labels.numpy()
    metrics = ShotAccuracy.calculate(pred, target, class_counts)
    accuracy = ShotAccuracy.class_accuracy(pred, target, len(class_counts))
    tested = np.where(np.isnan(accuracy), 0, prior)
    if tested.sum() > 0:
        metrics['target'] = prior_accuracy(accuracy, tested / tested.sum())
    if with_ece:
        confidence = scores.double().softmax(dim=1).max(dim=1).values.numpy()
        bins = reliability_bins(confidence, pred == target)
        metrics['ece'] = calibration_errors(bins)['ece']
    return metrics


def choose(accuracies: Sequence[float]) -> int:
    """Choose among values of a parameter, the one that changes least first.

    Args:
        accuracies (Sequence[float]): The accuracy of each on the validation images.

    Returns:
        int: The position of the largest; of equal ones, the first, up to rounding.

    Examples:
        >>> from ccsam_mm.evaluation.post_hoc import choose
        >>> choose([50.0, 60.0, 60.0])
        1
    """
    best = max(accuracies)
    # Sums of equal parts in another order differ by rounding.
    return next(i for i, each in enumerate(accuracies) if each > best - 1e-9)
