# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Confidence against accuracy, in bins of equal width.

The errors of `Guo et al. <https://arxiv.org/abs/1706.04599>`_, over 15 bins as `MiSLAS
<https://arxiv.org/abs/2104.00466>`_ reports them.
"""

from collections.abc import Sequence
from typing import Union

import numpy as np

NUM_BINS = 15


def reliability_bins(
    confidence: Union[np.ndarray, Sequence[float]],
    right: Union[np.ndarray, Sequence[bool]],
    num_bins: int = NUM_BINS,
) -> dict[str, np.ndarray]:
    r"""Divide predictions by their confidence.

    Bin b holds the confidences in :math:`(b / B, (b + 1) / B]`; the first one also 0.

    Args:
        confidence (np.ndarray | Sequence[float]): The largest probability of each
            image, ``(N, )``.
        right (np.ndarray | Sequence[bool]): Whether its class is right, ``(N, )``.
        num_bins (int): The number of bins B. Defaults to 15.

    Returns:
        dict[str, np.ndarray]: ``count``, the number of images, and their mean
        ``confidence`` and ``accuracy``, fractions, each ``(B, )``; NaN in empty bins.

    Examples:
        >>> from ccsam_mm.evaluation.calibration import reliability_bins
        >>> reliability_bins([0.9, 0.7, 0.8, 0.3], [1, 0, 1, 0], num_bins=2)['count']
        array([1, 3])
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(right, dtype=np.float64)
    edges = np.linspace(0, 1, num_bins + 1)
    # Rounding may leave a probability a little above 1.
    place = np.searchsorted(edges, confidence, side='left') - 1
    place = place.clip(0, num_bins - 1)
    count = np.bincount(place, minlength=num_bins)
    sums = (
        np.bincount(place, weights=values, minlength=num_bins)
        for values in (confidence, right)
    )
    means = (
        np.divide(total, count, out=np.full(num_bins, np.nan), where=count > 0)
        for total in sums
    )
    return dict(zip(('count', 'confidence', 'accuracy'), (count, *means)))


def calibration_errors(bins: dict[str, np.ndarray]) -> dict[str, float]:
    r"""Expected and maximum calibration error.

    .. math::
        ECE = \sum_b \frac{n_b}{N} |acc_b - conf_b|, \quad
        MCE = \max_b |acc_b - conf_b|

    Args:
        bins (dict[str, np.ndarray]): The result of :func:`reliability_bins`, of one
            image at least.

    Returns:
        dict[str, float]: ``ece`` and ``mce`` in percent.

    Examples:
        >>> from ccsam_mm.evaluation.calibration import (
        ...     calibration_errors, reliability_bins)
        >>> errors = calibration_errors(reliability_bins([0.9, 0.9], [True, False]))
        >>> {name: round(error, 6) for name, error in errors.items()}
        {'ece': 40.0, 'mce': 40.0}
    """
    filled = bins['count'] > 0
    gap = 100 * np.abs(bins['accuracy'] - bins['confidence'])[filled]
    share = bins['count'][filled] / bins['count'].sum()
    return dict(ece=float(np.dot(share, gap)), mce=float(gap.max()))
